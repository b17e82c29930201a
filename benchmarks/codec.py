"""How many values and calls the wire codec encodes and decodes a second: `python benchmarks/codec.py`."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from functools import partial

from pulsing.wire.codec import FrameCodec
from pulsing.wire.frames import Ask, Reply
from pulsing.wire.values import Codec

CODEC = Codec()
FRAMES = FrameCodec(CODEC)

VALUES = {
    "small call as a list": ["incr", [], {}],
    "small call as a tuple": ("incr", [], {}),
    "record with a payload": {"id": 7, "name": "x" * 20, "tags": ["a", "b"], "payload": b"z" * 64},
    "5,000 floats": [float(number) for number in range(5_000)],
    "4 MiB of bytes": bytes(4 << 20),
}


def round_trip(value: object) -> None:
    """One value, encoded and decoded."""
    CODEC.decode(CODEC.encode(value))


def small_call() -> None:
    """One call without arguments and its answer, each encoded and decoded."""
    FRAMES.decode(FRAMES.encode(Ask(1, 1 << 100, "incr", (), {}, 30_000)).head)
    FRAMES.decode(FRAMES.encode(Reply(1, 1)).head)


def rate(run: Callable[[], object]) -> float:
    """Runs a second, the best of five."""
    timer = timeit.Timer(run)
    number, _ = timer.autorange()
    return number / min(timer.repeat(5, number))


def main() -> None:
    """Print one line for each kind of value, and one for a call with its answer."""
    for name, value in VALUES.items():
        print(f"{name:24} {rate(partial(round_trip, value)):>12,.0f} round trips/s")
    calls = rate(small_call)
    print(f"{'ask and reply':24} {calls:>12,.0f} calls/s ({1e6 / calls:.1f} µs each)")


if __name__ == "__main__":
    main()
