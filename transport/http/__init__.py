"""The HTTP side of the gateway: JSON in and out, event streams, metrics, and its own documentation."""
