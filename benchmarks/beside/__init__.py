"""Our figures beside those of peers and of the floors, in turns on one machine: `python -m benchmarks.beside`."""
