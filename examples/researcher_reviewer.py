"""A researcher on one node and a reviewer on another work on a text until the reviewer is content.

    python examples/researcher_reviewer.py               # the model "echo": no key, no network
    python examples/researcher_reviewer.py gpt-4o-mini   # a real one: needs OPENAI_API_KEY, pip install 'pulsing[llm]'

The program starts the second node itself, as a process of its own. They could as well be on two machines.
"""

import asyncio
import sys

import pulsing as pul
from pulsing.agent import agent, extract_field, llm, runtime

MODEL = sys.argv[1] if len(sys.argv) > 1 else "echo"

FACTS = ["bees dance", "the dance tells the others where the flowers are", "a long dance means a long way"]


@agent(role="Researcher", goal="Write down what is known")
class Researcher:
    def __init__(self, facts):
        self.facts = list(facts)

    async def write(self, draft, remark):
        model = await llm(model=MODEL)
        task = f"The reviewer says {remark!r}. Make one short text of the draft and the fact that the user gives you."
        return str(await model.ainvoke([("system", task), ("human", "; ".join([*draft, self.facts.pop(0)]))]))


@agent(role="Reviewer", goal="Let nothing through that lacks a reason")
class Reviewer:
    async def review(self, draft):
        model = await llm(model=MODEL, temperature=0.0)
        task = 'Does the text give a reason? Answer in JSON: {"content": true or false, "remark": "what is missing"}'
        reply = str(await model.ainvoke([("system", task), ("human", draft)]))
        # What "echo" says is no JSON: then a text of two facts is good enough.
        content = extract_field(reply, "content", fallback=";" in draft)
        return bool(content), extract_field(reply, "remark", fallback="And what is it good for?")


async def work(reviewer):
    researcher = await Researcher.spawn(FACTS, name="researcher")
    draft, remark = [], "Begin."
    for _ in FACTS:
        draft = [await researcher.write(draft, remark)]
        print(f"researcher: {draft[0]}")
        content, remark = await reviewer.review(draft[0])
        if content:
            print("reviewer: Good.")
            return
        print(f"reviewer: {remark}")


async def first_node():
    async with runtime(addr="127.0.0.1:0", admin=False) as system:
        command = [sys.executable, __file__, MODEL, system.addr]
        second = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
        try:
            await work(await pul.resolve("reviewer", cls=Reviewer, timeout=20))
        finally:
            await second.communicate(b"")


async def second_node(seed):
    async with runtime(addr="127.0.0.1:0", seeds=[seed], admin=False):
        await Reviewer.spawn(name="reviewer")
        # The first node closes this pipe when it is done, or dies.
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(second_node(sys.argv[2]) if len(sys.argv) > 2 else first_node())
