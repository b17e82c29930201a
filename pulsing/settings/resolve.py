"""From all places where something is set to one value for each setting, and the place that it is from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pulsing.settings.errors import SettingError, did_you_mean, nearest
from pulsing.settings.files import find_file, read_file
from pulsing.settings.option import Option
from pulsing.settings.table import BY_KEY, OPTIONS, OTHER_VARIABLES

Source = Literal["argument", "flag", "env", "file", "default"]

HIDDEN = "•••"
_PREFIX = "PULSING_"
_BY_VARIABLE = {option.env: option for option in OPTIONS if option.env is not None}
_SECTIONS = tuple({f"{_PREFIX}{option.key.split('.')[0].upper()}_" for option in OPTIONS if "." in option.key})
# What Kubernetes tells of a service in every container; `<SERVICE>_PORT` is a URL there.
_OF_A_SERVICE = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?$")
_URL = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True)
class Setting:
    """The value of a setting, and who chose it."""

    option: Option
    value: Any
    source: Source
    place: str = ""
    """the variable, file or flag"""

    @property
    def shown(self) -> Any:
        """The value as it may be shown: a secret is hidden."""
        return HIDDEN if self.option.secret and self.value else self.value

    def __repr__(self) -> str:
        return f"Setting({self.option.key}={self.shown!r}, {self.source!r}, {self.place!r})"


Settings = Mapping[str, Setting]
"""Every setting by its key."""


def resolve(
    environ: Mapping[str, str],
    *,
    arguments: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    node: bool = False,
    folder: Path | None = None,
) -> Settings:
    """Choose a value for every setting: argument, else flag, else environment, else file, else default.

    Args:
        environ: the environment variables.
        arguments: what the program said, by key.
        flags: what the command line said, by key; texts are read by the kind of their setting.
        node: whether where to listen and whom to join may come from environment and file.
        folder: where files are looked for; by default the current one.

    Raises:
        SettingError: a name means nothing, or a value is of the wrong kind.
    """
    found = {option.key: Setting(option, option.default, "default") for option in OPTIONS}
    for setting in (*_from_file(environ, folder or Path()), *_from_environ(environ)):
        if node or not setting.option.node_only:
            found[setting.option.key] = setting
    for setting in _from_flags(flags or {}):
        found[setting.option.key] = setting
    for key, value in (arguments or {}).items():
        option = BY_KEY[key]
        # Signatures have defaults too; where nothing else can set an option, one that is passed on says nothing.
        if not (option.node_only and not node and value == option.default):
            found[key] = Setting(option, value, "argument")
    return found


def option_named(key: str, where: str) -> Option:
    """The option of a key.

    Raises:
        SettingError: there is none; the nearest is named.
    """
    if key not in BY_KEY:
        raise SettingError(f"{where}: there is no setting {key!r}{did_you_mean(key, BY_KEY)}")
    return BY_KEY[key]


def _from_file(environ: Mapping[str, str], folder: Path) -> Iterator[Setting]:
    path = find_file(environ, folder)
    for key, value in ({} if path is None else read_file(path)).items():
        option = option_named(key, str(path))
        yield Setting(option, option.from_file(value, f"{path}: {key}"), "file", str(path))


def _from_environ(environ: Mapping[str, str]) -> Iterator[Setting]:
    for name, text in environ.items():
        if not name.startswith(_PREFIX) or name in OTHER_VARIABLES:
            continue
        option = _BY_VARIABLE.get(name)
        if option is None:
            _refuse_misspelt(name, text)
        elif text.strip():
            yield Setting(option, option.from_text(text, name), "env", name)


def _from_flags(flags: Mapping[str, Any]) -> Iterator[Setting]:
    for key, value in flags.items():
        option = option_named(key, "--set")
        if option.secret:
            # Every user of the machine reads the arguments of a process.
            raise SettingError(f"{key} is a secret: set it by {option.env or 'a file'}, not on a command line")
        read = option.from_text(value, f"--set {key}") if isinstance(value, str) else value
        yield Setting(option, read, "flag", "command line")


def _refuse_misspelt(name: str, text: str) -> None:
    """Raise for a variable that was meant for us.

    Not for every `PULSING_…`: a service of that name makes Kubernetes set `PULSING_SERVICE_HOST` and others in every
    container beside it, and a program may have variables of its own.
    """
    if _OF_A_SERVICE.search(name) or (name.endswith("_PORT") and _URL.match(text)):
        return
    known = [variable.removeprefix(_PREFIX) for variable in _BY_VARIABLE]
    near = nearest(name.removeprefix(_PREFIX), known)
    if near is not None or name.startswith(_SECTIONS):
        hint = f"; did you mean {_PREFIX}{near}?" if near else ""
        raise SettingError(f"{name} sets nothing{hint}")
