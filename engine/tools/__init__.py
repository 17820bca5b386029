"""Tools: typed Python functions that agents, models and clients call by name."""
