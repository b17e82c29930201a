"""The command that shows the whole at work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pulsing.cli.errors import USAGE, CliError


def demo(
    path: Annotated[
        Path | None, typer.Argument(help="Folder or file to analyse; Python's own standard library by default.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when the input is done, and show the results.")] = False,
) -> None:
    """Start two nodes whose agents read, analyse and add up text files, and a dashboard to watch them."""
    import asyncio

    from rich.console import Console

    from pulsing.demo.corpus import NoInput, list_files, standard_library
    from pulsing.demo.supervisor import supervise
    from pulsing.demo.view import View

    root = (path or standard_library()).absolute()
    try:
        list_files(root)
    except NoInput as error:
        raise CliError(str(error), hint="pulsing demo [PATH]: a folder with text files", exit_code=USAGE) from error
    raise typer.Exit(asyncio.run(supervise(root, once, View(Console()))))
