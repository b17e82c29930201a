"""Bytes changed without knowing what they mean: by the fuzzer that is guided by coverage, and blindly where it is not.

`python -m tests.fuzz.fuzz_frames` is the long form.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.inputs import feed, messages

ROOT = Path(__file__).parents[2]
SEED = 1
GUIDED = 50_000
BLIND = 50_000
LONGEST = 8192
CHANGES: tuple[Callable[[random.Random, bytearray, int], None], ...] = (
    lambda chance, data, at: data.__setitem__(at, chance.randrange(256)),
    lambda chance, data, at: data.__setitem__(at, data[at] ^ 1 << chance.randrange(8)),
    lambda chance, data, at: data.__delitem__(slice(at, at + chance.randrange(1, 16))),
    lambda chance, data, at: data.insert(at, chance.randrange(256)),
    lambda chance, data, at: data.__setitem__(slice(at, at), data[at : at + chance.randrange(1, 32)]),
)


def changed(chance: random.Random, corpus: list[bytes]) -> Iterator[bytes]:
    """Inputs without end, each made of one of the corpus by a few changes at a few places."""
    while True:
        data = bytearray(chance.choice(corpus))
        for _ in range(chance.randrange(1, 6)):
            if data:
                chance.choice(CHANGES)(chance, data, chance.randrange(len(data)))
        yield bytes(data)


def test_bytes_changed_blindly_are_taken_or_refused_with_the_one_error() -> None:
    chance = random.Random(SEED)
    corpus = [message[:LONGEST] for message in messages() if message]
    taken = 0
    for number, data in zip(range(BLIND), changed(chance, corpus), strict=False):
        try:
            is_taken = feed(data)
        except Exception as error:
            raise AssertionError(f"seed {SEED}, input {number}: {data[:400].hex()}") from error
        taken += is_taken
        if is_taken and len(data) <= LONGEST:
            corpus.append(data)  # one that was taken leads to others that nearly are
    assert 0 < taken < BLIND


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for every version and machine")
def test_the_guided_fuzzer_finds_nothing_in_a_short_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.fuzz_frames", "-max_len=8192", f"-runs={GUIDED}", f"-seed={SEED}"]
    artefacts = f"-artifact_prefix={tmp_path}/"
    done = subprocess.run([*command, artefacts], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"Done {GUIDED} runs" in done.stderr
