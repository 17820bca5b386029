"""The wire forms of the dialects: pure translations between frames and the engine's typed commands and events."""
