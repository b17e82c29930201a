"""The command that lets a shell complete commands and options."""

from __future__ import annotations

import os
from enum import Enum
from typing import Annotated

import typer

from pulsing.cli.output import write_line

VARIABLE = "_PULSING_COMPLETE"


class Shell(str, Enum):
    """Shells that can be told."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="For which shell.")]) -> None:
    """Print what a shell must read to complete commands, options and their values."""
    # Named there, but not listed as exported.
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    write_line(get_completion_script(prog_name="pulsing", complete_var=VARIABLE, shell=shell.value))


def prepare_answer() -> None:
    """Make this run fit to answer, where it is a shell's question for what may come next."""
    if VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
