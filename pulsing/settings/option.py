"""One thing that can be set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pulsing.settings.errors import SettingError
from pulsing.settings.kinds import Kind


@dataclass(frozen=True)
class Option:
    """A line of the table."""

    key: str
    """its name in files and for `--set`; a dot stands between section and name"""
    kind: Kind
    default: Any
    doc: str
    unset: str = ""
    """what holds where the default is None"""
    variable: str | None = None
    """its environment variable where that is not `PULSING_` and the key in capitals"""
    secret: bool = False
    file_only: bool = False
    node_only: bool = False
    """where to listen and whom to join: programs say it by arguments, the commands that are a node by file and
    environment as well"""

    @property
    def env(self) -> str | None:
        """The environment variable that sets it; None where only a file can."""
        return None if self.file_only else self.variable or f"PULSING_{self.key.upper().replace('.', '_')}"

    def from_text(self, text: str, where: str) -> Any:
        """The value that a text means.

        Raises:
            SettingError: the text means none; `where` says who wrote it.
        """
        try:
            return self.kind.from_text(text)
        except (ValueError, TypeError):
            raise self._misread(text, where) from None

    def from_file(self, value: Any, where: str) -> Any:
        """The value that one of a file means.

        Raises:
            SettingError: it is of another kind.
        """
        try:
            return self.kind.from_file(value)
        except (ValueError, TypeError):
            raise self._misread(value, where) from None

    def _misread(self, value: Any, where: str) -> SettingError:
        # What was meant as a secret must not come back in a log.
        got = "something else" if self.secret else repr(value)
        return SettingError(f"{where}: expected {self.kind.name}, got {got}")
