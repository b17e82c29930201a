"""Fuzzes the decoder of frames and the session behind it, guided by coverage.

    pip install atheris
    python -m tests.fuzz.fuzz_frames -max_total_time=600 -max_len=8192 CORPUS_DIRECTORY

With an empty or no directory it starts from frames of each kind. A crash leaves the input that caused it beside it, and
`python -m tests.fuzz.fuzz_frames FILE` runs that one again. Anything but a protocol error counts as a crash, as does
an input that takes longer than the time limit or more than the memory limit.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pulsing.wire"]):
    from tests.fuzz.inputs import feed, messages


def main() -> None:
    """Run the fuzzer with the options of libFuzzer."""
    arguments = [sys.argv[0], "-timeout=1", "-rss_limit_mb=600", *sys.argv[1:]]
    with tempfile.TemporaryDirectory() as seeds:
        for number, message in enumerate(messages()):
            Path(seeds, str(number)).write_bytes(message[:8192])
        if not any(Path(argument).is_file() for argument in sys.argv[1:]):
            arguments.append(seeds)
        atheris.Setup(arguments, feed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
