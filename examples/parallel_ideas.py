"""Several agents have ideas at the same time, and a judge, who answers in JSON, picks the best.

python examples/parallel_ideas.py               # the model "echo": no key, no network
python examples/parallel_ideas.py gpt-4o-mini   # a real one: needs OPENAI_API_KEY and pip install 'pulsing[llm]'
"""

import asyncio
import sys

from pulsing.agent import agent, extract_field, llm, runtime

MODEL = sys.argv[1] if len(sys.argv) > 1 else "echo"

VIEWS = {
    "a gardener": "Plant a tree for every meeting that is cancelled",
    "a clockmaker": "Make all meetings ten minutes shorter",
    "a sailor": "Meet standing, on deck",
}


@agent(role="Thinker", goal="Have one idea that nobody else has")
class Thinker:
    def __init__(self, view, hint):
        self.view = view
        self.hint = hint

    async def think(self, question):
        model = await llm(model=MODEL, temperature=1.0)
        task = f"You are {self.view}. Answer {question!r} in one sentence; the user gives you a hint."
        return str(await model.ainvoke([("system", task), ("human", self.hint)]))


@agent(role="Judge", goal="Be fair")
class Judge:
    async def score(self, idea):
        model = await llm(model=MODEL, temperature=0.0)
        reply = await model.ainvoke([("system", 'Rate the idea. Answer in JSON: {"score": 0 to 10}'), ("human", idea)])
        score = extract_field(str(reply), "score")
        # A model may answer in prose all the same, as "echo" always does; then long ideas count as good ones.
        return score if isinstance(score, (int, float)) else min(len(idea.split()), 10)


async def main():
    async with runtime():
        thinkers = [await Thinker.spawn(view, hint) for view, hint in VIEWS.items()]
        judge = await Judge.spawn(name="judge")
        ideas = await asyncio.gather(*(thinker.think("How do we have fewer meetings?") for thinker in thinkers))
        scores = await asyncio.gather(*(judge.score(idea) for idea in ideas))
        for score, idea in sorted(zip(scores, ideas, strict=True), reverse=True):
            print(f"{score:2} {idea}")


if __name__ == "__main__":
    asyncio.run(main())
