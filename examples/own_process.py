"""Work that would hold the loop, in a process of its own, while the loop goes on."""

import asyncio
import os

import pulsing as pul


@pul.remote
class Miller:
    """Grinds numbers in pure Python, which holds whatever loop it runs on."""

    def grind(self, rounds):
        total = 0
        for number in range(rounds):
            total = (total * 31 + number) % 1_000_003
        return total

    def pid(self):
        return os.getpid()


async def main():
    await pul.init()
    miller = await Miller.spawn(placement="process")
    print("a process of its own:", await miller.pid() != os.getpid())
    grinding = asyncio.create_task(miller.grind(3_000_000))
    turns = 0
    while not grinding.done():
        await asyncio.sleep(0.001)
        turns += 1
    print("ground to", await grinding)
    print("the loop went on meanwhile:", turns > 1)
    await pul.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
