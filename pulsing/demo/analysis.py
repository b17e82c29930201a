"""What one text says about itself in numbers, and how the numbers of many texts add up."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_WORD = re.compile(r"\w+")
_IDENTIFIER = re.compile(r"\b[A-Za-z_]\w{2,}\b")
# The line that introduces a function, a class or a type in the usual languages.
_DEFINITION = re.compile(
    r"^[ \t]*(?:(?:export|public|private|static|async|pub)[ \t]+)*"
    r"(?:def|class|function|func|fn|struct|interface|trait|enum)[ \t]+[A-Za-z_]\w*",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Finding:
    """The numbers of one text."""

    lines: int
    words: int
    definitions: int
    identifiers: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The finding in plain values, as it is published."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Finding:
        """The finding that `to_dict` wrote; other keys are ignored."""
        return cls(values["lines"], values["words"], values["definitions"], values["identifiers"])


def analyse(text: str) -> Finding:
    """Count lines, words, definitions and identifiers of three letters and more, Python's keywords left out."""
    identifiers = Counter(name for name in _IDENTIFIER.findall(text) if not keyword.iskeyword(name))
    return Finding(
        lines=len(text.splitlines()),
        words=sum(1 for _ in _WORD.finditer(text)),
        definitions=sum(1 for _ in _DEFINITION.finditer(text)),
        identifiers=dict(identifiers),
    )


@dataclass
class Totals:
    """The sums over many findings."""

    files: int = 0
    lines: int = 0
    words: int = 0
    definitions: int = 0
    identifiers: Counter[str] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        """Count one more text."""
        self.files += 1
        self.lines += finding.lines
        self.words += finding.words
        self.definitions += finding.definitions
        self.identifiers.update(finding.identifiers)

    def summary(self, top: int = 10) -> dict[str, Any]:
        """The sums in plain values, with the `top` most used identifiers, most used first."""
        return {
            "files": self.files,
            "lines": self.lines,
            "words": self.words,
            "definitions": self.definitions,
            "identifiers": [list(pair) for pair in sorted(self.identifiers.items(), key=_most_used_first)[:top]],
        }


def _most_used_first(pair: tuple[str, int]) -> tuple[int, str]:
    name, uses = pair
    return -uses, name
