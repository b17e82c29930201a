"""Showing the same again and again, as it changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer

from pulsing.cli.output import write_line

_HOME_AND_CLEAR = "\x1b[H\x1b[2J"

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again, until Ctrl-C.")]
Interval = Annotated[float, typer.Option("--interval", min=0.1, help="Seconds between, with --watch.")]


def show_again(show: Callable[[], None], watch: bool, interval: float) -> None:
    """Call `show` once, or with `watch` until Ctrl-C; what it says with its exit code counts only once."""
    if not watch:
        show()
        return
    while True:
        begin_screen()
        try:
            show()
        except typer.Exit:
            pass
        sys.stdout.flush()
        time.sleep(interval)


def begin_screen() -> None:
    """Clear the terminal; where there is none, an empty line stands between what is shown and what comes next."""
    if sys.stdout.isatty():
        sys.stdout.write(_HOME_AND_CLEAR)
    else:
        write_line("")
