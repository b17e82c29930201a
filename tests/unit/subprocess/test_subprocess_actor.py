"""The actor of a process, called as any other actor is."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import PulsingSystemError
from pulsing.subprocess import PIPE, ProcessActor
from pulsing.testing import wait_until

Process: Any = ProcessActor


def is_running(pid: int) -> bool:
    """Whether a process is there that is more than a row in the table."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_everything_can_be_done_while_somebody_waits() -> None:
    async with await pul.actor_system() as system:
        process = await Process.spawn(["cat"], stdin=PIPE, stdout=PIPE, system=system)
        waiting = asyncio.create_task(process.wait())
        reading = asyncio.create_task(process.stdout_readline())

        assert await process.poll() is None
        assert await process.stdin_write(b"word\n") == 5
        await process.stdin_flush()
        assert await reading == b"word\n"
        await process.kill()

        assert await waiting == -signal.SIGKILL
        assert (await process.poll(), await process.returncode()) == (-signal.SIGKILL, -signal.SIGKILL)


async def test_its_pipes_are_methods() -> None:
    async with await pul.actor_system() as system:
        program = "import sys; sys.stderr.write('e1\\ne2\\n'); print(sys.stdin.read().upper())"
        keywords = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE, "text": True, "system": system}
        process = await Process.spawn([sys.executable, "-c", program], **keywords)

        assert await process.stdin_write("grüße") == 5
        await process.stdin_close()
        assert await process.stderr_readlines() == ["e1\n", "e2\n"]
        assert await process.stdout_read(2) == "GR"
        assert await process.stdout_read() == "ÜSSE\n"
        assert isinstance(await process.stdout_fileno(), int)
        await process.stdout_close()
        assert await process.wait(float("inf")) == 0
        with pytest.raises(ValueError, match="timeout is a number of seconds"):
            await process.wait(float("nan"))


async def test_what_is_no_pipe_gives_none_and_takes_nothing() -> None:
    async with await pul.actor_system() as system:
        process = await Process.spawn(["true"], system=system)

        assert await process.stdout_read() is None
        assert await process.stderr_readline() is None
        with pytest.raises(OSError, match="OSError: stdin is not PIPE"):
            await process.stdin_write(b"x")
        assert await process.communicate() == (None, None)


async def test_a_timeout_leaves_it_running_and_communicate_goes_on() -> None:
    async with await pul.actor_system() as system:
        process = await Process.spawn(["sh", "-c", "read x; echo $x"], stdin=PIPE, stdout=PIPE, system=system)
        with pytest.raises(PulsingSystemError, match="TimeoutExpired"):
            await process.wait(0.01)

        assert await process.communicate(b"late\n", 30) == (b"late\n", None)


async def test_its_end_is_that_of_the_group() -> None:
    async with await pul.actor_system() as system:
        process = await Process.spawn(["sh", "-c", "sleep 300 & echo $!; wait"], stdout=PIPE, system=system)
        child = int(await process.stdout_readline())
        assert is_running(child)

        await system.stop(process)

        await wait_until(lambda: not is_running(child), 30)


async def test_a_program_that_is_not_there_is_an_error_of_the_constructor() -> None:
    async with await pul.actor_system() as system:
        with pytest.raises(FileNotFoundError):
            await Process.spawn(["no-such-program"], system=system)
