"""The command that tells which version this is."""

from __future__ import annotations

from pulsing.cli.output import write_line


def version() -> None:
    """Print the version."""
    # Takes longer to import than most commands take to run.
    from importlib.metadata import version as installed_version

    write_line(installed_version("pulsing"))
