"""The engine in one process on a simulated clock, network and disk: schedules from a seed, and a checker of records."""
