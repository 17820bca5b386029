"""One small client for each dialect, all with the same face, and all of one owner."""
