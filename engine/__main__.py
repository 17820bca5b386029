"""`python -m engine` is `callboard`."""

from engine.cli import main

main()
