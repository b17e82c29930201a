"""What `python -m pulsing` runs: the command line."""

from __future__ import annotations

from pulsing.cli import main

if __name__ == "__main__":
    main()
