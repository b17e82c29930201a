"""A process on a node, with the interface of `subprocess.Popen`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import signal
import subprocess
import time
import weakref
from collections.abc import Callable, Mapping
from typing import IO, Any, cast

from pulsing.core.proxy import ActorProxy
from pulsing.core.ref import ActorRef
from pulsing.core.streams import StreamReader
from pulsing.exceptions import ActorNotFound, ActorStopped, PulsingError, SystemStopped
from pulsing.subprocess.arguments import UNSET, end_in_one, file_number, own_copy, refuse
from pulsing.subprocess.files import FarInput, FarOutput, Inbox, Pump, far_output, pump_between, pump_from, pump_to
from pulsing.subprocess.home import check_thread, system_for, wait_for
from pulsing.subprocess.ledger import check_needs
from pulsing.subprocess.order import Order
from pulsing.subprocess.outlet import is_placed_by_ray
from pulsing.subprocess.places import Started, start
from pulsing.subprocess.talk import Talk
from pulsing.subprocess.text import Text

PIPE, STDOUT, DEVNULL = subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL

PATIENCE_S = 1e9
"""The deadline of calls that may take as long as the process likes; a lost link ends them."""
ANSWER_S = 30.0

_ENDED = (ActorStopped, ActorNotFound)


class _Hold:
    """Kept by all who may still want something of a process; when nobody has it, the process is let go of."""


class FarPopen:
    """Starts a process on a node; arguments as of `subprocess.Popen`.

    Raises:
        ValueError: an argument makes no sense on another node.
        OSError: the program cannot be started.
        PulsingRuntimeError: there is no node for it, or its node refuses (Forbidden).
    """

    def __init__(
        self,
        args: Any,
        *,
        placement: Any = "local",
        system: Any = None,
        name: str | None = None,
        resources: Mapping[str, Any],
        bufsize: int | None = -1,
        executable: Any = None,
        stdin: Any = None,
        stdout: Any = None,
        stderr: Any = None,
        close_fds: bool = True,
        shell: bool = False,
        cwd: Any = None,
        env: Mapping[Any, Any] | None = None,
        universal_newlines: bool | None = None,
        start_new_session: bool = False,
        encoding: str | None = None,
        errors: str | None = None,
        text: bool | None = None,
        umask: int = -1,
        pipesize: int = -1,
        detach: bool = False,
        **nowhere: Any,
    ) -> None:
        refuse(nowhere)
        if bufsize is None:
            bufsize = -1
        if not isinstance(bufsize, int):
            raise TypeError("bufsize must be an integer")
        if text is not None and universal_newlines is not None and bool(text) != bool(universal_newlines):
            raise subprocess.SubprocessError("text and universal_newlines are two names for one thing, and differ")
        self.args = args
        self.stdin: IO[Any] | None = None
        self.stdout: IO[Any] | None = None
        self.stderr: IO[Any] | None = None
        self._text = Text(bool(text or universal_newlines or encoding or errors), encoding, errors)
        if stdout == STDOUT:
            raise ValueError("STDOUT can only be used for stderr")
        if detach and is_placed_by_ray(placement):
            raise ValueError("detach is not for a program that Ray places: its process ends with the one that wants it")
        before = far_output(stdin)
        files = {
            "stdin": PIPE if before is not None else file_number(stdin),
            "stdout": file_number(stdout),
            "stderr": file_number(stderr),
        }
        if end_in_one(files["stdout"], files["stderr"]):
            files["stderr"] = STDOUT
        order = Order(
            os.fspath(args) if isinstance(args, (str, bytes, os.PathLike)) else [os.fspath(word) for word in args],
            stdin=PIPE if files["stdin"] >= 0 else DEVNULL if stdin is None else files["stdin"],
            stdout=PIPE if stdout is None or files["stdout"] >= 0 else files["stdout"],
            stderr=PIPE if files["stderr"] == UNSET or files["stderr"] >= 0 else files["stderr"],
            executable=None if executable is None else os.fspath(executable),
            cwd=None if cwd is None else os.fspath(cwd),
            env=None if env is None else {os.fspath(key): os.fspath(value) for key, value in env.items()},
            shell=bool(shell),
            umask=umask,
            # Ray counts what it gives away itself, and in words of its own.
            needs=None if is_placed_by_ray(placement) else check_needs(resources),
            name=name,
            detach=bool(detach),
        )
        self._system = system_for(system)
        # What blocks is not to be found out when the process runs.
        check_thread(self._system)
        self._open(wait_for(self._system, start(self._system, placement, order, resources)))
        try:
            self._plumb(order, files, before, bufsize)
        except BaseException:
            self.close()
            raise

    def _open(self, started: Started) -> None:
        self.pid = started.pid
        self.node_id = started.node_id
        self.proxy = ActorProxy(started.ref)
        self._code: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._pumps: list[Pump] = []
        self._talk: Talk | None = None
        self._hold = _Hold()
        loop, stream = self._system.loop, started.stream
        # Another thread drops the stream: by this it is closed where it lives.
        self._let_go = weakref.finalize(self._hold, _close_on, loop, stream)
        loop.call_soon_threadsafe(self._begin, _follow(stream, self._code), f"end of process {self.pid}")

    def _begin(self, work: Any, name: str) -> None:
        self._system.tasks.start(work, name)

    def _plumb(self, order: Order, files: Mapping[str, int], before: FarOutput | None, bufsize: int) -> None:
        """Open our ends of the pipes, and carry to and from files what is no pipe of ours."""
        if order.stdin == PIPE:
            far_input = FarInput(self._send, self._end_input, self._hold)
            if files["stdin"] >= 0:
                # Not waited for: whoever types into a terminal may never end.
                pump_from(os.dup(files["stdin"]), far_input)
            elif before is not None:
                pump_between(before, far_input)
            else:
                self.stdin = self._text.writer(far_input, bufsize)
        for name, usual in (("stdout", 1), ("stderr", 2)):
            if getattr(order, name) != PIPE:
                continue
            inbox = Inbox(self._system.loop)
            work = _fill(inbox, self.proxy.ref, f"{name}_chunks")
            self._system.loop.call_soon_threadsafe(self._begin, work, f"{name} of process {self.pid}")
            target = usual if files[name] == UNSET else files[name]
            if target == PIPE:
                setattr(self, name, self._text.reader(FarOutput(inbox, self._hold), bufsize))
            else:
                self._pumps.append(pump_to(inbox, own_copy(target), self._hold))

    # --- the process -------------------------------------------------------------------------------------------------

    @property
    def returncode(self) -> int | None:
        """As of `subprocess.Popen`; known as soon as it has come here."""
        return self._code.result() if self._code.done() and not self._code.exception() else None

    def poll(self) -> int | None:
        """The return code, None while the process runs.

        Raises:
            PulsingRuntimeError: its node can no longer be reached.
        """
        return self._code.result() if self._code.done() else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and until its output has been written where it goes.

        Raises:
            subprocess.TimeoutExpired: it still runs.
            PulsingRuntimeError: its node can no longer be reached.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._code.done():
            check_thread(self._system)
        done, _ = concurrent.futures.wait([self._code], None if timeout is None else max(0.0, timeout))
        if not done or not all(pump.wait_drained(deadline) for pump in self._pumps):
            raise subprocess.TimeoutExpired(self.args, cast("float", timeout))
        return self._code.result()

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Write all of `input`, read all output, and wait for the end; as of `subprocess.Popen`.

        Raises:
            subprocess.TimeoutExpired: it still runs; what was read is kept for the next call.
            ValueError: input is given to a call that goes on.
        """
        if self._talk is not None and input:
            raise ValueError("Cannot send input after starting communication")
        if self._talk is None:
            self._talk = Talk(self.stdin, self.stdout, self.stderr, input)
        deadline = None if timeout is None else time.monotonic() + timeout
        talk = self._talk
        if not talk.wait(deadline):
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout, *talk.so_far())
        try:
            self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as late:
            raise subprocess.TimeoutExpired(self.args, cast("float", timeout), *talk.so_far()) from late
        return self._text.decode(talk.stdout), self._text.decode(talk.stderr)

    def send_signal(self, sig: int) -> None:
        """Send a signal to the process group, unless the process has ended."""
        if self.poll() is None:
            try:
                self._call("send_signal", int(sig), timeout=ANSWER_S)
            except _ENDED:
                pass

    def terminate(self) -> None:
        """Send SIGTERM to the group."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the group."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """End whatever is left of the process, and keep nothing of it there; may be called twice, and never raises."""
        for file in (self.stdin, self.stdout, self.stderr):
            try:
                if file is not None:
                    file.close()
            except (OSError, ValueError, RuntimeError):
                pass  # what was not yet written is lost with the process
        if hasattr(self, "_let_go"):
            self._let_go()

    def __enter__(self) -> FarPopen:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            for file in (self.stdout, self.stderr, self.stdin):
                if file is not None:
                    file.close()
        finally:
            try:
                if exc[0] is None or not issubclass(cast("type", exc[0]), KeyboardInterrupt):
                    self.wait()
            finally:
                self.close()

    # --- what its pipes need -----------------------------------------------------------------------------------------

    def _call(self, method: str, *args: Any, timeout: float) -> Any:
        return wait_for(self._system, _request(self.proxy, method, args, timeout))

    def _send(self, data: bytes) -> None:
        try:
            self._call("stdin_write", data, timeout=PATIENCE_S)
        except _ENDED as error:
            raise BrokenPipeError from error

    def _end_input(self) -> None:
        proxy = self.proxy
        if self._code.done():
            return  # nothing reads there any more

        async def end() -> None:
            try:
                await _request(proxy, "stdin_close", (), ANSWER_S)
            except PulsingError:
                pass  # it has ended, or cannot be reached: nothing reads there any more

        try:
            self._system.loop.call_soon_threadsafe(self._begin_end, end)
        except RuntimeError:
            pass  # the loop is closed

    def _begin_end(self, end: Callable[[], Any]) -> None:
        self._system.tasks.start(end(), f"end of input of process {self.pid}")


async def _request(proxy: ActorProxy, method: str, args: tuple[Any, ...], timeout: float) -> Any:
    return await proxy.ref.request(method, args, None, timeout)


async def _follow(stream: StreamReader, code: concurrent.futures.Future[int]) -> None:
    """Take the return code when it comes; the stream stays open, because its end is that of the process."""
    try:
        async for item in stream:
            if not code.done():
                code.set_result(item)
    except ActorStopped:
        # The node shuts down, and kills what it has started for others; their codes come too late for its streams.
        if not code.done():
            code.set_result(-signal.SIGKILL)
    except PulsingError as error:
        if not code.done():
            code.set_exception(error)
    finally:
        if not code.done():
            code.set_exception(SystemStopped())


async def _fill(inbox: Inbox, ref: ActorRef, method: str) -> None:
    """Take what a process writes, as there is room for it."""
    stream: StreamReader | None = None
    try:
        stream = await ref.request(method, (), None, ANSWER_S, True)
        async for chunk in stream:
            if not await inbox.put(chunk):
                break
    except _ENDED:
        pass  # it was let go of before it was read
    except PulsingError as error:
        inbox.finish(error)
    finally:
        inbox.finish()
        if stream is not None:
            await stream.aclose()


def _close_on(loop: asyncio.AbstractEventLoop, stream: StreamReader) -> None:
    try:
        loop.call_soon_threadsafe(stream._channel.close)
    except RuntimeError:
        pass  # the loop is closed, and the stream with it
