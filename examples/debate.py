"""Two agents argue by turns, and a third one keeps the order; it finds them by their names.

python examples/debate.py               # the model "echo": no key, no network, it says what the notes say
python examples/debate.py gpt-4o-mini   # a real one: needs OPENAI_API_KEY and pip install 'pulsing[llm]'
"""

import asyncio
import sys

import pulsing as pul
from pulsing.agent import agent, get_agent_meta, llm, runtime

MODEL = sys.argv[1] if len(sys.argv) > 1 else "echo"

NOTES = {
    "ada": ["Tabs are one key for one level.", "Then let each reader choose how wide a tab is."],
    "bob": ["Spaces look the same everywhere.", "Readers have better things to choose."],
}


@agent(role="Debater", goal="Convince the moderator", style="brief")
class Debater:
    def __init__(self, notes):
        self.notes = list(notes)

    async def answer(self, heard):
        model = await llm(model=MODEL)
        task = (
            f"You are in a debate. You have just heard: {heard!r}. Make the point of the user's note in one sentence."
        )
        return str(await model.ainvoke([("system", task), ("human", self.notes.pop(0))]))


@agent(role="Moderator", goal="Let everybody speak as often as everybody else")
class Moderator:
    async def hold(self, names, rounds):
        said = "Tabs or spaces?"
        for _ in range(rounds):
            for name in names:
                debater = await pul.resolve(name)
                said = await debater.answer(said)
                yield name, said


async def main():
    async with runtime():
        for name, notes in NOTES.items():
            await Debater.spawn(notes, name=name)
        moderator = await Moderator.spawn(name="moderator")
        print(f"{get_agent_meta('moderator')}: tabs or spaces?")
        async for name, said in moderator.hold(list(NOTES), rounds=2):
            print(f"{name}: {said}")


if __name__ == "__main__":
    asyncio.run(main())
