"""Two actors, one of which calls the other by its name."""

import asyncio

import pulsing as pul


@pul.remote
class Counter:
    def __init__(self):
        self.total = 0

    def add(self, number):
        self.total += number
        return self.total


@pul.remote
class Greeter:
    async def greet(self, name):
        counter = await pul.resolve("counter")
        return f"Hello {name}, you are number {await counter.add(1)}"


async def main():
    await pul.init()
    await Counter.spawn(name="counter")
    greeter = await Greeter.spawn()
    for greeting in await asyncio.gather(*(greeter.greet(name) for name in ("Ada", "Grace", "Mary"))):
        print(greeting)
    await pul.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
