"""What a type checker sees of decorated classes, with the plugin switched on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

# Only what the sample needs is looked at: the whole package would take half a minute.
SETTINGS = """
[mypy]
strict = true
implicit_reexport = true
plugins = pulsing.mypy
follow_imports = skip

[mypy-pulsing,pulsing.agent,pulsing.agent.base,pulsing.core,pulsing.core.*,pulsing.exceptions,pulsing.ids]
follow_imports = silent
"""

SAMPLE = """
import pulsing as pul
from pulsing.agent import agent

@pul.remote
class Counter:
    def __init__(self, start: int = 0) -> None:
        self.value = start

@pul.remote(max_concurrency=1)
class Narrow: ...

@agent(role="reader")
class Reader: ...

async def use() -> None:
    reveal_type(await Counter.spawn(1, name="c"))
    reveal_type(await Narrow.resolve("c", timeout=1))
    reveal_type(await Narrow.with_options(name="n").spawn())
    reveal_type(await Reader.spawn())
    reveal_type(Counter(1).value)
    Counter.spwan()
    Counter("one")
"""


def seen_by_mypy(folder: Path, settings: str) -> list[str]:
    (folder / "mypy.ini").write_text(settings)
    (folder / "sample.py").write_text(SAMPLE)
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-codes", "sample.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=55, check=False)
    assert not done.stderr, done.stderr
    return [line.partition(": ")[2].replace("builtins.", "") for line in done.stdout.splitlines()]


def test_decorated_classes_can_be_spawned_in_the_eyes_of_mypy(tmp_path: Path) -> None:
    proxy = 'note: Revealed type is "pulsing.core.proxy.ActorProxy"'
    assert seen_by_mypy(tmp_path, SETTINGS) == [
        *[proxy] * 4,
        'note: Revealed type is "int"',
        'error: "type[Counter]" has no attribute "spwan"',
        'error: Argument 1 to "Counter" has incompatible type "str"; expected "int"',
    ]
