"""Processes of this machine: a fresh interpreter, told what to do by a pipe that it inherits.

The pipe stays open as long as the process that started it lives, so that its end is the child's end as well, however
it came about. Nothing else is needed for that, and no secret shows on a command line or in an environment.
"""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

from pulsing.children import call_when_ended
from pulsing.descriptors import keep_from_children
from pulsing.exceptions import PulsingRuntimeError
from pulsing.placement.launcher import Launch

SIZE = struct.Struct(">I")
"""Stands before the bootstrap."""

_LONGEST = 60 << 10
"""A pipe takes so much without waiting for its reader."""

# With `-c` the interpreter looks for modules in the working directory first, into which anybody may have put some: it
# could be /tmp.
# Ctrl-C reaches all processes of a terminal, and what becomes of it is the parent's to say: it is ignored from the
# first moment on, until the loop has a handler for it. The one path is where this package is; what else the parent can
# import comes with the bootstrap.
_PROGRAM = (
    "import sys; sys.path[:1] == [''] and sys.path.pop(0); "
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path.insert(0, sys.argv[2]); "
    "from pulsing.placement.child import main; main(int(sys.argv[1]))"
)


class LocalLauncher:
    """Starts interpreters like this one."""

    host = "127.0.0.1"

    async def launch(self, wanted: Launch) -> LocalProcess:
        return LocalProcess(*_start(wanted.bootstrap))


def _start(bootstrap: bytes) -> tuple[subprocess.Popen[bytes], int]:
    if len(bootstrap) > _LONGEST:
        raise PulsingRuntimeError(f"the module search path takes {len(bootstrap)} bytes, more than a child can be told")
    theirs, ours = os.pipe()
    try:
        # Started on this thread, not on one of a pool: where the kernel ends children with their parent, the thread
        # that started them counts as the parent.
        process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, *_flags(), "-c", _PROGRAM, str(theirs), _package_folder()],
            pass_fds=(theirs,),
            stdin=subprocess.DEVNULL,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    keep_from_children(ours)
    try:
        os.write(ours, SIZE.pack(len(bootstrap)) + bootstrap)
    except BrokenPipeError:
        pass  # it has ended already, as whoever waits for it will see
    return process, ours


def _flags() -> list[str]:
    """How this interpreter was started, as far as that must hold for the child too."""
    return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined,no-any-return]


def _package_folder() -> str:
    return str(Path(__file__).resolve().parents[2])


class LocalProcess:
    """A child of this process; reaped as soon as it ends."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: int) -> None:
        self._process = process
        self._pipe = pipe
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        call_when_ended(process.pid, self._reap)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> str:
        return await asyncio.shield(self._ended)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def _reap(self) -> None:
        code = self._process.wait()
        os.close(self._pipe)
        if not self._ended.done():
            self._ended.set_result(_in_words(code))


def _in_words(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
