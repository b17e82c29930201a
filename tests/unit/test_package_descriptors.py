"""What a forked child lets go of."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pulsing.descriptors import keep_from_children
from pulsing.streaming.backends.sqlite_folder import locked

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks on this system")


def exit_code_of_child(work: Callable[[], object]) -> int:
    """Run something in a forked child."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@contextmanager
def living_child() -> Iterator[None]:
    """A forked child that does nothing."""
    ready, is_ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(is_ready, b"x")
        while True:
            signal.pause()
    os.read(ready, 1)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ready)
        os.close(is_ready)


def test_the_end_of_a_connection_is_noticed_though_a_forked_child_lives() -> None:
    here, there = socket.socketpair()
    there.settimeout(20)
    keep_from_children(here.fileno())
    with living_child():
        here.close()
        assert there.recv(1) == b""
    there.close()


def test_a_lock_ends_with_its_process_though_a_forked_child_lives(tmp_path: Path) -> None:
    lock = locked(tmp_path / "lock")
    with living_child():
        os.close(lock)
        os.close(locked(tmp_path / "lock"))


def test_a_child_can_close_what_it_has_no_more() -> None:
    here, there = socket.socketpair()
    keep_from_children(here.fileno())
    assert exit_code_of_child(here.close) == 0
    there.settimeout(20)
    here.sendall(b"still there")
    assert there.recv(100) == b"still there"
    here.close()
    there.close()


def test_what_a_number_stands_for_later_is_the_childs_as_well(tmp_path: Path) -> None:
    here, there = socket.socketpair()
    number = here.fileno()
    keep_from_children(number)
    here.close()
    there.close()
    path = tmp_path / "written"
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(file, number)
    assert exit_code_of_child(lambda: os.write(number, b"by the child")) == 0
    assert path.read_bytes() == b"by the child"
    os.close(number)
    if file != number:
        os.close(file)
