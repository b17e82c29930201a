"""A large bucket in a file: how long it takes to open, and to read at its beginning, middle and end.

Run `python benchmarks/streaming_large.py --records 10000000`; ten million records are a file of about 2.5 GB, which is
made in the folder for temporary files and removed afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time

from streaming import BATCH, record

from pulsing.streaming.backends.sqlite import SqliteBackend

READ = 50_000


async def fill(store: SqliteBackend, records: int) -> None:
    """Put so many records."""
    block = [record(number) for number in range(1_000)]
    for _ in range(records // len(block)):
        await store.put_batch(block)


async def read(store: SqliteBackend, offset: int, rounds: int) -> tuple[float, float]:
    """Records a second from an offset on, a hundred a call, and the microseconds of the processor that each takes."""
    rates, costs = [], []
    for _ in range(rounds):
        start, busy = time.perf_counter(), time.process_time()
        for at in range(offset, offset + READ, BATCH):
            assert len(await store.get(BATCH, at)) == BATCH
        rates.append(READ / (time.perf_counter() - start))
        costs.append((time.process_time() - busy) / READ * 1e6)
    return statistics.median(rates), statistics.median(costs)


async def measure(folder: str, records: int, rounds: int) -> None:
    """Fill, open again, read."""
    store = SqliteBackend(0, folder, durability="normal")
    start = time.perf_counter()
    await fill(store, records)
    print(f"filled with {records:,} records at {records / (time.perf_counter() - start):,.0f}/s")
    await store.close()
    start = time.perf_counter()
    store = SqliteBackend(0, folder, durability="normal")
    await store.open()
    print(f"opened {store.path.stat().st_size / 2**30:.2f} GiB in {time.perf_counter() - start:.3f} s")
    for name, offset in (("beginning", 0), ("middle", records // 2), ("end", records - READ)):
        rate, cost = await read(store, offset, rounds)
        print(f"read at the {name:<10} {rate:>12,.0f}/s, {cost:.2f} µs of the processor each")
    await store.close()


def main() -> None:
    """Measure, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(folder, options.records, options.rounds))


if __name__ == "__main__":
    main()
