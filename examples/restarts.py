"""An actor that fails for good, comes back with fresh state, and is given up when it fails too often."""

import asyncio

import pulsing as pul
from pulsing.exceptions import PulsingSystemError


@pul.remote(restart_policy="on-failure", max_restarts=1, min_backoff=0.01)
class Connection:
    def __init__(self):
        self.requests = 0

    def request(self):
        self.requests += 1
        return self.requests

    def lose(self):
        raise PulsingSystemError("the other side is gone", recoverable=False)


async def main():
    await pul.init()
    connection = await Connection.spawn(name="connection")
    ended = connection.ref.watch()
    print("requests:", await connection.request(), await connection.request())
    for _ in range(2):
        try:
            await connection.lose()
        except PulsingSystemError as error:
            print("failed:", error)
        try:
            print("requests:", await connection.request())
        except pul.PulsingRuntimeError:
            print("given up:", (await ended).reason)
    await pul.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
