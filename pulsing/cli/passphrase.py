"""The command that makes a passphrase."""

from __future__ import annotations

from typing import Annotated

import typer

from pulsing.cli.output import write_line


def gen_passphrase(
    words: Annotated[int, typer.Option(min=4, max=64, help="How many words; each stands for 16 bits.")] = 6,
) -> None:
    """Print a passphrase that nobody guesses, for PULSING_PASSPHRASE or a passphrase file of all nodes."""
    from pulsing.node.passphrase import new_passphrase

    write_line(new_passphrase(words))
