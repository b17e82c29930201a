"""Commands about settings: what is in effect and why, whether a file is right, and a file to begin with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from pulsing.cli.connection import NoColor, Output, colored
from pulsing.cli.errors import USAGE, CliError
from pulsing.cli.output import Format, show_object, show_rows, write_line
from pulsing.settings import Setting, SettingError, Settings, resolve
from pulsing.settings.describe import as_toml, schema

File = Annotated[Path | None, typer.Option("--config", help="A file instead of those that are looked for.")]
_COLUMNS = ("key", "value", "source", "place")

config = typer.Typer(no_args_is_help=True, help="See where each setting comes from, and check files of settings.")


@config.command("show")
def show(
    file: File = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what somebody has set.")] = False,
    output: Output = Format.table,
    no_color: NoColor = False,
) -> None:
    """Show the value of every setting and where it comes from, as a node started here would have it. Secrets are
    hidden."""
    settings = read_settings(file)
    rows = [_row(setting) for setting in settings.values() if not changed or setting.source != "default"]
    show_rows(rows, _COLUMNS, output, color=colored(no_color))


@config.command("validate")
def validate(
    file: Annotated[Path | None, typer.Argument(help="A file; by default what a node started here would read.")] = None,
) -> None:
    """Check settings without starting anything; exit 2 and one line when something is wrong."""
    settings = read_settings(file)
    check_settings(settings)
    made = [setting for setting in settings.values() if setting.source != "default"]
    places = sorted({setting.place for setting in made})
    write_line(f"{len(made)} settings, all right{': ' if places else ''}{', '.join(places)}")


@config.command("init")
def init(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("pulsing.toml"),
) -> None:
    """Write a file with every setting, each explained and left at its default."""
    try:
        with file.open("x") as new:
            new.write(as_toml())
    except FileExistsError as error:
        raise CliError(f"{file} is there already; nothing was written") from error
    except OSError as error:
        raise CliError(f"cannot write {file}: {error.strerror}") from error
    write_line(str(file))


@config.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of a file of settings, for editors."""
    show_object(schema(), Format.json, color=False)


def read_settings(file: Path | None, flags: dict[str, Any] | None = None) -> Settings:
    """The settings of a node that is started here.

    Raises:
        CliError: one of them is wrong.
    """
    if file is not None:
        if not file.is_file():
            raise CliError(f"{file} is no file", hint="pulsing config init makes one", exit_code=USAGE)
        # In the environment, so that what the node starts reads the same file.
        os.environ["PULSING_CONFIG"] = str(file)
    try:
        return resolve(os.environ, flags=flags, node=True)
    except SettingError as error:
        raise CliError(str(error), hint="pulsing config schema lists the settings", exit_code=USAGE) from error


def check_settings(settings: Settings) -> None:
    """Refuse values that exclude each other, or that nothing can be made of.

    Raises:
        CliError: they do.
    """
    from pulsing.admin.environment import settings_from
    from pulsing.config import system_config

    try:
        system_config(settings)
        settings_from(settings)
    except ValueError as error:
        raise CliError(str(error), exit_code=USAGE) from error


def _row(setting: Setting) -> dict[str, Any]:
    value = setting.shown
    return {
        "key": setting.option.key,
        "value": list(value) if isinstance(value, tuple) else value,
        "source": setting.source,
        "place": setting.place,
        "default": setting.option.default,
        "unset": setting.option.unset,
        "env": setting.option.env,
        "type": setting.option.kind.name,
        "doc": setting.option.doc,
    }
