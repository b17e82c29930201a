"""Fuzzes the decoder of frames and the session behind it, guided by coverage.

    pip install atheris
    python -m tests.fuzz.fuzz_frames -max_total_time=600 -max_len=8192 CORPUS_DIRECTORY

With an empty or no directory it starts from frames of each kind. A crash leaves the input that caused it beside it, and
`python -m tests.fuzz.fuzz_frames FILE` runs that one again. Anything but a protocol error counts as a crash, as does
an input that takes longer than the time limit or more than the memory limit.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import atheris

from tests.campaigns.noted import note

with atheris.instrument_imports(include=["pulsing.wire"]):
    from tests.fuzz.inputs import feed, messages

NOTE_EVERY = 10_000
"""The fuzzer ends the process without coming back, so what it did is told meanwhile."""


class Tally:
    """Feeds the target, and tells of how many inputs there were, of the slowest, and of the most memory."""

    def __init__(self) -> None:
        self._inputs = 0
        self._slowest_s = 0.0

    def feed(self, data: bytes) -> None:
        """Let the target have one input."""
        before = time.process_time()
        feed(data)
        self._slowest_s = max(self._slowest_s, time.process_time() - before)
        self._inputs += 1
        if self._inputs % NOTE_EVERY == 0:
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            note(inputs=self._inputs, slowest_ms=self._slowest_s * 1000, most_memory_MiB=most)


def main() -> None:
    """Run the fuzzer with the options of libFuzzer."""
    arguments = [sys.argv[0], "-timeout=1", "-rss_limit_mb=600", *sys.argv[1:]]
    with tempfile.TemporaryDirectory() as seeds:
        for number, message in enumerate(messages()):
            Path(seeds, str(number)).write_bytes(message[:8192])
        if not any(Path(argument).is_file() for argument in sys.argv[1:]):
            arguments.append(seeds)
        atheris.Setup(arguments, Tally().feed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
