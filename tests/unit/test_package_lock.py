"""The lock has what development asks for, by hash. Where these fail, `make lock` writes it anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = (Path(__file__).parents[2] / "requirements/dev.txt").read_text()
_PIN = re.compile(r"^([\w.-]+)(?:\[[^]]*])?==(\S+)", re.MULTILINE)


def wanted(extra: str) -> Iterator[Requirement]:
    """What an extra of this package asks for here, those of other extras that it names included."""
    for text in metadata.requires("pulsing") or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        if requirement.name == "pulsing":
            for named in requirement.extras:
                yield from wanted(named)
        else:
            yield requirement


def test_everything_that_development_asks_for_is_locked_in_a_version_that_fits() -> None:
    locked: dict[str, set[str]] = {}
    for name, version in _PIN.findall(LOCK):
        locked.setdefault(canonicalize_name(name), set()).add(version)

    missing = [
        str(requirement)
        for requirement in wanted("dev")
        if not any(
            requirement.specifier.contains(version) for version in locked.get(canonicalize_name(requirement.name), ())
        )
    ]

    assert missing == []


def test_every_locked_version_has_a_hash() -> None:
    assert LOCK.count("==") > 50
    assert [pin for pin in re.split(r"\n(?=\S)", LOCK) if _PIN.match(pin) and "--hash=sha256:" not in pin] == []
