"""Commands for the programs that come with Pulsing: examples to read and run, and its benchmarks."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pulsing.cli.connection import NoColor, Output, colored
from pulsing.cli.demo import demo
from pulsing.cli.errors import NOT_FOUND, CliError
from pulsing.cli.output import Format, show_rows, write_line

DASHBOARD_DEMO = "dashboard_demo"
"""The example that is a command: `pulsing demo`."""
_PACKAGE = Path(__file__).resolve().parents[1]


def examples(
    name: Annotated[str | None, typer.Argument(help="Which one; without a name all are listed.")] = None,
    run: Annotated[bool, typer.Option("--run", help="Run it instead of showing it.")] = False,
    output: Output = Format.table,
    no_color: NoColor = False,
) -> None:
    """List the examples, show one, or run it.

    The output of one that is shown is a program that can be saved and changed.
    """
    programs = {path.stem: path for path in _programs("examples", "_examples")}
    if name is None:
        rows = [{"name": stem, "about": about(path)} for stem, path in programs.items()]
        rows.append({"name": DASHBOARD_DEMO, "about": "Two nodes with agents at work, and a dashboard to watch them."})
        show_rows(rows, ("name", "about"), output, color=colored(no_color))
    elif name == DASHBOARD_DEMO:
        demo()
    elif name.removesuffix(".py") not in programs:
        raise CliError(f"no example {name!r}", hint=f"there are {', '.join(programs)}", exit_code=NOT_FOUND)
    elif run:
        raise typer.Exit(_run(programs[name.removesuffix(".py")]))
    else:
        write_line(programs[name.removesuffix(".py")].read_text().rstrip())


def bench(
    name: Annotated[str | None, typer.Argument(help="Which one; without a name all are listed.")] = None,
    output: Output = Format.table,
    no_color: NoColor = False,
) -> None:
    """List the benchmarks of a checkout, or run one.

    They are not part of an installed package.
    """
    programs = {path.stem: path for path in _programs("benchmarks")}
    if not programs:
        raise CliError("the benchmarks are not installed", hint="run it in a checkout of the sources")
    if name is None:
        rows = [{"name": stem, "about": about(path)} for stem, path in programs.items()]
        show_rows(rows, ("name", "about"), output, color=colored(no_color))
    elif name not in programs:
        raise CliError(f"no benchmark {name!r}", hint=f"there are {', '.join(programs)}", exit_code=NOT_FOUND)
    else:
        raise typer.Exit(_run(programs[name]))


def about(program: Path) -> str:
    """The first sentence of a program's docstring."""
    said = ast.get_docstring(ast.parse(program.read_text())) or ""
    return " ".join(said.partition("\n\n")[0].split())


def _programs(folder: str, installed: str | None = None) -> list[Path]:
    """The programs in a folder of an installed package, else in that of the checkout that this is."""
    folders = [*([_PACKAGE / installed] if installed else []), _PACKAGE.parent / folder]
    found = next((one for one in folders if one.is_dir()), None)
    return [] if found is None else sorted(path for path in found.glob("*.py") if not path.stem.startswith("_"))


def _run(program: Path) -> int:
    return subprocess.run([sys.executable, str(program)], check=False).returncode  # noqa: S603 - one of our own
