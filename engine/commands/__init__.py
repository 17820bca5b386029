"""The subcommands of `callboard`, one a file."""
