"""`subprocess.Popen` and its friends, here or on a node of the cluster."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from subprocess import DEVNULL, PIPE, STDOUT, CalledProcessError, CompletedProcess, TimeoutExpired
from types import GenericAlias
from typing import IO, Any

from pulsing.settings.kinds import TRUE_WORDS

_SWITCHES = ("USE_POLSING_SUBPROCESS", "USE_PULSING_SUBPROCESS")


class Popen:
    """Starts a program: by the standard library, or through an actor on a node.

    It goes through an actor if `resources` says what the process needs and `USE_POLSING_SUBPROCESS` (or
    `USE_PULSING_SUBPROCESS`) is set to 1, true, yes or on. Methods and attributes are those of `subprocess.Popen`.

    Args:
        args: the program with its arguments.
        placement: "local" for the first node that has what is needed, beginning with this one (inside Ray it means
            "ray"); "ray" for where Ray finds a place; "remote" for another node, "process" for this one; or a node's
            id.
        system: by default that of the actor in whose thread this is, else the process-wide one, else one of its own.
        name: of the actor.
        resources: `num_cpus`, `num_gpus` and `memory` in bytes that the process needs; with Ray, the resources
            that Ray knows.
        detach: let the program run on when its caller is gone, as a native one does.
        kwargs: further arguments of `subprocess.Popen`.

    Raises:
        OSError, ValueError: as of `subprocess.Popen`.
        Forbidden: the node does not allow it.
        PulsingRuntimeError: there is no place for it.
        RuntimeError: called on the loop of the system, which it would block.
    """

    args: Any
    returncode: int | None
    pid: int
    stdin: IO[Any] | None
    stdout: IO[Any] | None
    stderr: IO[Any] | None

    def __init__(
        self,
        args: Any,
        *positional: Any,
        placement: Any = "local",
        system: Any = None,
        name: str | None = None,
        resources: Any = None,
        detach: bool = False,
        **kwargs: Any,
    ) -> None:
        behind: Any
        if not _is_far(resources):
            behind = subprocess.Popen(args, *positional, **kwargs)  # noqa: S603 - what was asked for
        else:
            from pulsing.subprocess.far import FarPopen

            behind = FarPopen(
                args,
                **dict(zip(("bufsize", "executable", "stdin", "stdout", "stderr"), positional, strict=False)),
                placement=placement,
                system=system,
                name=name,
                resources=resources,
                detach=detach,
                **kwargs,
            )
        object.__setattr__(self, "_behind", behind)

    @property
    def _uses_pulsing(self) -> bool:
        return not isinstance(self._behind, subprocess.Popen)

    @property
    def _native(self) -> subprocess.Popen[Any] | None:
        return None if self._uses_pulsing else self._behind

    @property
    def _proxy(self) -> Any:
        return self._behind.proxy if self._uses_pulsing else None

    def poll(self) -> int | None:
        """The return code, None while the process runs."""
        code: int | None = self._behind.poll()
        return code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; TimeoutExpired leaves it running."""
        code: int = self._behind.wait(timeout)
        return code

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Write all of `input`, read all output, wait for the end. TimeoutExpired leaves it running."""
        outputs: tuple[Any, Any] = self._behind.communicate(input, timeout)
        return outputs

    def send_signal(self, sig: int) -> None:
        """Send a signal; on a node it goes to the whole process group."""
        self._behind.send_signal(sig)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._behind.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._behind.kill()

    def close(self) -> None:
        """Free what a node keeps of the process, and end it there; never raises, and does nothing to a native one."""
        if self._uses_pulsing:
            self._behind.close()

    def __enter__(self) -> Popen:
        self._behind.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._behind.__exit__(*exc)

    def __getattr__(self, name: str) -> Any:
        if name == "_behind":
            raise AttributeError(name)
        return getattr(self._behind, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._behind, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._behind, name)

    def __repr__(self) -> str:
        if not self._uses_pulsing:
            return repr(self._behind)
        return f"<Popen: returncode: {self.returncode} args: {self.args!r} node: {self.node_id}>"

    __class_getitem__: Any = classmethod(GenericAlias)


def run(
    args: Any,
    *,
    stdin: Any = None,
    input: Any = None,
    stdout: Any = None,
    stderr: Any = None,
    capture_output: bool = False,
    cwd: Any = None,
    env: Any = None,
    shell: bool = False,
    encoding: str | None = None,
    errors: str | None = None,
    text: bool = False,
    timeout: float | None = None,
    check: bool = False,
    placement: Any = "local",
    system: Any = None,
    name: str | None = None,
    resources: Any = None,
    **other: Any,
) -> CompletedProcess[Any]:
    """Run a program to its end; as `subprocess.run`, with the places of `Popen`.

    Raises:
        CalledProcessError: `check`, and it did not return 0.
        TimeoutExpired: it was killed, because it still ran after so many seconds; on a node its whole group was.
        ValueError: arguments exclude each other.
    """
    if capture_output:
        if stdout is not None or stderr is not None:
            raise ValueError("capture_output is mutually exclusive with stdout/stderr")
        stdout = stderr = PIPE
    if input is not None:
        if stdin is not None:
            raise ValueError("stdin and input are mutually exclusive")
        stdin = PIPE
    process = Popen(
        args,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        env=env,
        shell=shell,
        encoding=encoding,
        errors=errors,
        text=text or None,
        placement=placement,
        system=system,
        name=name,
        resources=resources,
        **other,
    )
    with process:
        try:
            output, error_output = process.communicate(input, timeout=timeout)
        except BaseException:
            # Also on Ctrl-C and whatever else: nobody is left who would end it.
            process.kill()
            process.wait()
            raise
        code = process.wait()
    if check and code:
        raise CalledProcessError(code, args, output=output, stderr=error_output)
    return CompletedProcess(args, code, output, error_output)


def call(
    args: Any,
    *,
    timeout: float | None = None,
    placement: Any = "local",
    system: Any = None,
    resources: Any = None,
    **kw: Any,
) -> int:
    """Run a program to its end, and give its return code; as `subprocess.call`, with the places of `Popen`."""
    return run(args, timeout=timeout, placement=placement, system=system, resources=resources, **kw).returncode


def check_call(
    args: Any,
    *,
    timeout: float | None = None,
    placement: Any = "local",
    system: Any = None,
    resources: Any = None,
    **kw: Any,
) -> int:
    """As `call`, but it must return 0.

    Raises:
        CalledProcessError: it did not.
    """
    where = {"placement": placement, "system": system, "resources": resources}
    return run(args, timeout=timeout, check=True, **where, **kw).returncode


def check_output(
    args: Any,
    *,
    stderr: Any = None,
    timeout: float | None = None,
    placement: Any = "local",
    system: Any = None,
    resources: Any = None,
    **kw: Any,
) -> Any:
    """Run a program to its end, and give what it wrote to stdout; as `subprocess.check_output`.

    Raises:
        CalledProcessError: it did not return 0.
        ValueError: stdout or check are given.
    """
    for name in ("stdout", "check"):
        if name in kw:
            raise ValueError(f"{name} argument not allowed, it will be overridden.")
    where = {"placement": placement, "system": system, "resources": resources}
    return run(args, stdout=PIPE, stderr=stderr, timeout=timeout, check=True, **where, **kw).stdout


def getstatusoutput(cmd: Any, *, encoding: str | None = None, errors: str | None = None, **kwargs: Any) -> Any:
    """The return code of a command of the shell, and all that it wrote, without the last line end."""
    kwargs = {**kwargs, "shell": True, "text": True, "encoding": encoding, "errors": errors}
    done = run(cmd, stdout=PIPE, stderr=STDOUT, **kwargs)
    return done.returncode, done.stdout.removesuffix("\n")


def getoutput(cmd: Any, *, encoding: str | None = None, errors: str | None = None, **kwargs: Any) -> Any:
    """All that a command of the shell wrote, without the last line end."""
    return getstatusoutput(cmd, encoding=encoding, errors=errors, **kwargs)[1]


def _is_far(resources: Any) -> bool:
    """Whether a process is started through an actor."""
    if not resources or not isinstance(resources, Mapping):
        return False
    return any(os.environ.get(name, "").strip().lower() in TRUE_WORDS for name in _SWITCHES)


__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "CalledProcessError",
    "CompletedProcess",
    "Popen",
    "TimeoutExpired",
    "call",
    "check_call",
    "check_output",
    "getoutput",
    "getstatusoutput",
    "run",
]
