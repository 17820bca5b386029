"""The process: configuration, the supervision tree, identity, built-in agents and tools, metrics, the command line."""
