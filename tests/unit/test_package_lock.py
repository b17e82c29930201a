"""The locks have what development asks for, by hash, and the oldest that is allowed. `make lock` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
LOCK = (REQUIREMENTS / "dev.txt").read_text()
OLDEST = (REQUIREMENTS / "oldest-3.10.txt").read_text()
_PIN = re.compile(r"^([\w.-]+)(?:\[[^]]*])?==(\S+)", re.MULTILINE)


def wanted(extra: str, **environment: str) -> Iterator[Requirement]:
    """What an extra of this package asks for here, or elsewhere, those of other extras that it names included."""
    for text in metadata.requires("pulsing") or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({**environment, "extra": extra}):
            continue
        if requirement.name == "pulsing":
            for named in requirement.extras:
                yield from wanted(named, **environment)
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


def test_the_oldest_versions_that_are_allowed_are_those_that_are_tried() -> None:
    tried = {canonicalize_name(name): Version(version) for name, version in _PIN.findall(OLDEST)}
    allowed = {
        canonicalize_name(requirement.name): Version(bound.version)
        for requirement in wanted("test", python_version="3.10", python_full_version="3.10.13")
        for bound in requirement.specifier
        if bound.operator == ">="
    }

    assert len(allowed) > 15
    assert {name: tried.get(name) for name in allowed} == allowed


@pytest.mark.parametrize("lock", [LOCK, OLDEST], ids=["dev", "oldest"])
def test_every_locked_version_has_a_hash(lock: str) -> None:
    assert lock.count("==") > 50
    assert [pin for pin in re.split(r"\n(?=\S)", lock) if _PIN.match(pin) and "--hash=sha256:" not in pin] == []
