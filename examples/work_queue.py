"""Workers that share the buckets of a queue, and a listener that hears what they have done by a topic."""

import asyncio

import pulsing as pul

WORKERS = 2
JOBS = 8


@pul.remote
class Worker:
    def __init__(self, rank):
        self.rank = rank

    async def work(self):
        jobs = await pul.queue.read("jobs", rank=self.rank, world_size=WORKERS)
        done = await pul.topic.write("done")
        for job in await jobs.get(limit=JOBS):
            await done.publish({"job": job["id"], "square": job["id"] ** 2}, mode="wait_all_acks")


async def main():
    await pul.init()
    squares = {}
    heard = await pul.topic.read("done")
    heard.add_callback(lambda message: squares.update({message["job"]: message["square"]}))
    await heard.start()

    jobs = await pul.queue.write("jobs")
    await jobs.put([{"id": number} for number in range(JOBS)])
    workers = [await Worker.spawn(rank, name=f"worker-{rank}") for rank in range(WORKERS)]
    await asyncio.gather(*(worker.work() for worker in workers))

    print(sorted(squares.items()))
    await heard.stop()
    await pul.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
