"""The built-in agents, and the table of all."""
