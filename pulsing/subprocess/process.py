"""The actor of a process: `subprocess.Popen` as methods that can be called from any node."""

from __future__ import annotations

import asyncio
import locale
import math
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from pulsing.core.actor import current_actor
from pulsing.core.remote import remote
from pulsing.core.timers import check_seconds
from pulsing.subprocess.child import Child
from pulsing.subprocess.ends import End, Output, text_decoder
from pulsing.subprocess.guard import Guard


@remote
class ProcessActor:
    """Runs one program, at the head of a process group of its own; signals go to the whole group.

    No method waits for another one that is at work: a process can be killed while somebody waits for it or reads. When
    the actor stops, the group is killed.

    Args:
        args, stdin, stdout, stderr, cwd, env, shell: as of `subprocess.Popen`, on the node of the actor.
        encoding, errors, text: with any of them the methods take and give text, else bytes.
        bufsize: taken for the sake of `subprocess.Popen`; nothing is buffered here.
        executable, umask: as of `subprocess.Popen`.

    Raises:
        OSError, ValueError: as of `subprocess.Popen`; nothing runs then.
    """

    def __init__(
        self,
        args: Any,
        *,
        stdin: Any = None,
        stdout: Any = None,
        stderr: Any = None,
        cwd: Any = None,
        env: Any = None,
        shell: bool = False,
        encoding: str | None = None,
        errors: str | None = None,
        text: bool = False,
        bufsize: int = -1,
        executable: Any = None,
        umask: int = -1,
    ) -> None:
        self._is_text = bool(text or encoding or errors)
        self._encoding = encoding or locale.getpreferredencoding(False)
        self._errors = errors or "strict"
        self._communication: asyncio.Task[tuple[Any, Any]] | None = None
        self._guard: Guard | None = None
        self._child = Child(
            args,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=env,
            shell=shell,
            executable=executable,
            umask=umask,
        )
        popen = self._child.popen
        self._stdin = None if popen.stdin is None else End(popen.stdin)
        self._stdout = None if popen.stdout is None else self._output(popen.stdout)
        self._stderr = None if popen.stderr is None else self._output(popen.stderr)

    def _output(self, file: Any) -> Output:
        return Output(End(file), text_decoder(self._encoding, self._errors) if self._is_text else None)

    async def on_start(self, actor_id: Any) -> None:
        """Have the group ended should this node's process be killed."""
        # The host needs this class, and this class needs the guard of the host.
        from pulsing.subprocess.host import host_of

        self._guard = host_of(current_actor().system).guard
        self._guard.watch(self._child.pid)

    async def on_stop(self) -> None:
        """Kill what is left of the group."""
        if self._communication is not None:
            self._communication.cancel()
        for end in self._ends():
            end.close()
        await self._child.end()
        if self._guard is not None:
            self._guard.forget(self._child.pid)

    def _detach(self) -> None:
        """Let the process go on when whoever has started it is gone."""
        for output in (self._stdout, self._stderr):
            if output is not None:
                output.outlives_reader = True

    def _ends(self) -> list[End]:
        outputs = [output.end for output in (self._stdout, self._stderr) if output is not None]
        return outputs if self._stdin is None else [self._stdin, *outputs]

    # --- the process -------------------------------------------------------------------------------------------------

    def pid(self) -> int:
        """The number of the process on the node of the actor."""
        return self._child.pid

    def returncode(self) -> int | None:
        """Its exit code, or the number of the signal that ended it, negated; None while it runs."""
        return self._child.returncode

    def poll(self) -> int | None:
        """The same as `returncode`."""
        return self._child.returncode

    async def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and give its return code.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds, and goes on. Callers get a
                PulsingSystemError that names it.
        """
        code: int = await self._within(timeout, asyncio.shield(self._child.ended))
        return code

    async def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Write all of `input`, read all output, and wait for the end of the process.

        After a timeout nothing is lost: the next call goes on.

        Returns:
            What came out of stdout and stderr; None for what is no pipe.

        Raises:
            subprocess.TimeoutExpired: as of `wait`.
            ValueError: input is given to a call that goes on.
        """
        if self._communication is not None and input:
            raise ValueError("Cannot send input after starting communication")
        if self._communication is None:
            self._communication = asyncio.ensure_future(self._communicate(input))
        outputs: tuple[Any, Any] = await self._within(timeout, asyncio.shield(self._communication))
        return outputs

    async def _communicate(self, input: Any) -> tuple[Any, Any]:
        _, stdout, stderr, _ = await asyncio.gather(
            self._feed(input), self.stdout_read(), self.stderr_read(), asyncio.shield(self._child.ended)
        )
        return stdout, stderr

    async def _feed(self, input: Any) -> None:
        if self._stdin is None:
            return
        try:
            if input:
                await self.stdin_write(input)
        except BrokenPipeError:
            pass  # it does not want to know all of it
        finally:
            self._stdin.close()

    async def _within(self, timeout: float | None, what: Awaitable[Any]) -> Any:
        timeout = None if timeout == math.inf else timeout
        check_seconds(timeout, "timeout")
        try:
            return await asyncio.wait_for(what, timeout)
        except asyncio.TimeoutError:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self._child.popen.args, timeout) from None

    def send_signal(self, sig: int) -> None:
        """Send a signal to the group, unless the process has ended."""
        self._child.signal(sig)

    def terminate(self) -> None:
        """Send SIGTERM to the group."""
        self._child.signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the group."""
        self._child.signal(signal.SIGKILL)

    # --- its pipes ---------------------------------------------------------------------------------------------------

    async def stdin_write(self, data: Any) -> int:
        """Write all of `data` to stdin, and return its length.

        Raises:
            OSError: stdin is no pipe, or the process reads it no longer (BrokenPipeError).
        """
        if self._stdin is None:
            raise OSError("stdin is not PIPE")
        await self._stdin.write(data.encode(self._encoding, self._errors) if isinstance(data, str) else data)
        return len(data)

    async def stdin_flush(self) -> None:
        """Do nothing: nothing that was written is kept back."""

    async def stdin_close(self) -> None:
        """Let the process see the end of its input."""
        if self._stdin is not None:
            self._stdin.close()

    def stdin_fileno(self) -> int | None:
        """The number of the pipe in the process of the actor."""
        return None if self._stdin is None else self._stdin.fileno()

    async def stdout_read(self, n: int = -1) -> Any:
        """`n` bytes or characters of stdout, fewer at its end, all for a negative `n`; None where it is no pipe."""
        return None if self._stdout is None else await self._stdout.read(n)

    async def stdout_readline(self) -> Any:
        """The next line of stdout with its end, empty when there are no more; None where it is no pipe."""
        return None if self._stdout is None else await self._stdout.readline()

    async def stdout_readlines(self) -> list[Any] | None:
        """All lines of stdout that are still to come; None where it is no pipe."""
        return None if self._stdout is None else await self._stdout.readlines()

    async def stdout_chunks(self) -> AsyncIterator[bytes]:
        """The bytes of stdout as they come, for one reader who takes all of them."""
        if self._stdout is not None:
            async for chunk in self._stdout.chunks():
                yield chunk

    async def stdout_close(self) -> None:
        """Take nothing more of stdout: the process gets SIGPIPE when it writes."""
        if self._stdout is not None:
            self._stdout.end.close()

    def stdout_fileno(self) -> int | None:
        """The number of the pipe in the process of the actor."""
        return None if self._stdout is None else self._stdout.end.fileno()

    async def stderr_read(self, n: int = -1) -> Any:
        """`n` bytes or characters of stderr, fewer at its end, all for a negative `n`; None where it is no pipe."""
        return None if self._stderr is None else await self._stderr.read(n)

    async def stderr_readline(self) -> Any:
        """The next line of stderr with its end, empty when there are no more; None where it is no pipe."""
        return None if self._stderr is None else await self._stderr.readline()

    async def stderr_readlines(self) -> list[Any] | None:
        """All lines of stderr that are still to come; None where it is no pipe."""
        return None if self._stderr is None else await self._stderr.readlines()

    async def stderr_chunks(self) -> AsyncIterator[bytes]:
        """The bytes of stderr as they come, for one reader who takes all of them."""
        if self._stderr is not None:
            async for chunk in self._stderr.chunks():
                yield chunk

    async def stderr_close(self) -> None:
        """Take nothing more of stderr: the process gets SIGPIPE when it writes."""
        if self._stderr is not None:
            self._stderr.end.close()

    def stderr_fileno(self) -> int | None:
        """The number of the pipe in the process of the actor."""
        return None if self._stderr is None else self._stderr.end.fileno()
