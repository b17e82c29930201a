"""A node whose actors, agents, records and errors carry texts that a page must show and never obey."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import pulsing as pul
from pulsing.agent import agent
from pulsing.exceptions import PulsingError

MARKS = (
    "<script>window.harmed = 1</script>",
    "<img src=x onerror='window.harmed = 1'>",
    '"><svg onload="window.harmed = 1">',
    "javascript:window.harmed = 1",
    "<iframe srcdoc='<script>top.harmed = 1</script>'></iframe>",
    "{{constructor.constructor('window.harmed = 1')()}}",
    "</td></tr></table><style>* { display: none }</style>",
    "\u202etxt.exe\u2066",
    "nul\0 bell\a escape\x1b[31m",
    "line\u2028break\r\nreturn",
    "שלום עולם",
    "%3Cscript%3E&lt;b&gt;&#60;",
    "ẗ̴̢̛͎̗ͅo̶̙͌ẅ̵̱́ḛ̶̂r̷̺̈́",
    "w" * 10_000,
    "👩‍👩‍👧‍👦" * 50,
)
HOSTILE = [f"{MARKS[number % len(MARKS)]} {number}" for number in range(500)]
RIGHT_TO_LEFT = "שלום"
LONG_NAME = "w" * 240


@pul.remote
class Guest:
    """<b onclick='window.harmed = 1'>Bold</b> promises."""

    def refuse(self, why: str) -> None:
        """<script>window.harmed = 1</script>"""
        raise ValueError(why)


@agent(role=HOSTILE[0], goal=HOSTILE[1], backstory="\n".join(mark[:80] for mark in MARKS), note=MARKS[2])
class Medium:
    """Speaks in tongues."""

    def say(self, text: str) -> str:
        """Say it again."""
        return text


async def refused_at_the_door() -> int:
    """How many of the texts are no names."""
    refused = 0
    for text in HOSTILE:
        try:
            await Guest.spawn(name=text, public=True)
        except ValueError:
            refused += 1
    return refused


async def main() -> None:
    """Serve until killed."""
    system = await pul.init("127.0.0.1:0")
    assert await refused_at_the_door() == len(HOSTILE)
    for name in (RIGHT_TO_LEFT, LONG_NAME):
        await Guest.spawn(name=name, public=True)
    medium = await Medium.spawn(name="medium", public=True)
    gone = await Guest.spawn(name="gone")
    await system.stop("gone")
    queue = await system.queue.write("curses", bucket_column="id", num_buckets=2)
    await queue.put([{"id": str(number), text[:200]: text} for number, text in enumerate(HOSTILE)])
    await (await system.topic.write("curses")).publish({MARKS[0]: MARKS[1]})
    for text in HOSTILE:
        guest = await Guest.spawn(public=False)
        await system.inner.ask_node(system.node_id, "tag_actor", str(guest.ref.actor_id), {"note": text})
        for sent in (guest.refuse(text), gone.refuse(text), medium.say(text)):
            with contextlib.suppress(PulsingError):
                await sent
    with contextlib.suppress(PulsingError):
        await (await pul.resolve(RIGHT_TO_LEFT)).refuse(HOSTILE[0])
    sys.stdout.write(f"{system.admin_url}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
