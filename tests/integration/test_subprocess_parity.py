"""What programs expect of `subprocess`: by the standard library, through an actor of this node, and of another one."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import pulsing.subprocess as subprocess
from pulsing.subprocess import DEVNULL, PIPE, STDOUT
from tests.integration.subprocess_places import PYTHON, two_nodes

Start = Callable[..., Any]


class Place:
    """The functions of `pulsing.subprocess` at one place."""

    def __init__(self, name: str, keywords: dict[str, Any]) -> None:
        self.name = name
        self._keywords = keywords

    def __getattr__(self, name: str) -> Start:
        return lambda *args, **kwargs: getattr(subprocess, name)(*args, **self._keywords, **kwargs)


@pytest.fixture(params=["native", "here", "elsewhere"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Where programs of a test run."""
    monkeypatch.setenv("USE_POLSING_SUBPROCESS", "1")
    with two_nodes() as nodes:
        yield Place(request.param, nodes.keywords(request.param))


def python(program: str, *args: str) -> list[str]:
    return [PYTHON, "-c", program, *args]


# --- codes and outputs -----------------------------------------------------------------------------------------------


def test_call_gives_the_exit_code(place: Place) -> None:
    assert place.call(["sh", "-c", "exit 47"]) == 47


def test_check_call_raises_for_any_code_but_zero(place: Place) -> None:
    assert place.check_call(["true"]) == 0
    with pytest.raises(subprocess.CalledProcessError) as raised:
        place.check_call(["sh", "-c", "exit 47"])
    assert raised.value.returncode == 47


def test_check_output_gives_the_output_and_keeps_it_in_the_error(place: Place) -> None:
    assert place.check_output(["sh", "-c", "echo out; echo err >&2"], stderr=STDOUT) == b"out\nerr\n"
    with pytest.raises(subprocess.CalledProcessError) as raised:
        place.check_output(["sh", "-c", "echo out; exit 3"])
    assert (raised.value.returncode, raised.value.output) == (3, b"out\n")
    with pytest.raises(ValueError, match="stdout"):
        place.check_output(["true"], stdout=PIPE)


def test_run_captures_both_outputs(place: Place) -> None:
    done = place.run(["sh", "-c", "echo out; echo err >&2; exit 2"], capture_output=True)

    assert (done.returncode, done.stdout, done.stderr) == (2, b"out\n", b"err\n")
    assert done.args == ["sh", "-c", "echo out; echo err >&2; exit 2"]


def test_run_refuses_what_excludes_each_other(place: Place) -> None:
    with pytest.raises(ValueError, match="capture_output is mutually exclusive with stdout/stderr"):
        place.run(["true"], capture_output=True, stdout=PIPE)
    with pytest.raises(ValueError, match="stdin and input are mutually exclusive"):
        place.run(["cat"], stdin=DEVNULL, input=b"x")


def test_what_is_not_captured_goes_where_the_callers_own_output_goes(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    place.run(["sh", "-c", "echo out; echo err >&2"])

    assert capfd.readouterr() == ("out\n", "err\n")


def test_devnull_swallows_and_gives_nothing(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    place.run(["sh", "-c", "cat; echo out"], stdin=DEVNULL, stdout=DEVNULL)

    assert capfd.readouterr() == ("", "")


def test_a_signal_that_ends_a_program_is_its_code(place: Place) -> None:
    assert place.call(["sh", "-c", "kill -15 $$"]) == -signal.SIGTERM


# --- pipes and files -------------------------------------------------------------------------------------------------


def test_input_comes_out_again(place: Place) -> None:
    data = os.urandom(3_000_000)

    assert place.run(["cat"], input=data, capture_output=True).stdout == data


def test_much_goes_both_ways_at_once(place: Place) -> None:
    program = "import sys; d = sys.stdin.buffer.read(); sys.stderr.buffer.write(d); sys.stdout.buffer.write(d[::-1])"
    data = os.urandom(400_000)

    process = place.Popen(python(program), stdin=PIPE, stdout=PIPE, stderr=PIPE)
    with process:
        assert process.communicate(data) == (data[::-1], data)


def test_communicate_writes_after_what_was_written_before(place: Place) -> None:
    with place.Popen(["cat"], stdin=PIPE, stdout=PIPE) as process:
        process.stdin.write(b"pear")
        assert process.communicate(b"banana") == (b"pearbanana", None)


def test_a_program_that_reads_nothing_does_not_fail_its_caller(place: Place) -> None:
    with place.Popen(["true"], stdin=PIPE) as process:
        assert process.communicate(b"x" * 1_000_000) == (None, None)
        assert process.returncode == 0


def test_writing_to_a_program_that_has_ended_breaks_the_pipe(place: Place) -> None:
    with place.Popen(["true"], stdin=PIPE, bufsize=0) as process:
        process.wait(30)
        with pytest.raises(BrokenPipeError) as raised:
            process.stdin.write(b"x")
        assert raised.value.errno == errno.EPIPE


def test_files_and_their_numbers_serve_as_streams(place: Place, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"strawberry")
    with (tmp_path / "in").open("rb") as given, (tmp_path / "out").open("wb") as taken:
        assert place.call(["sh", "-c", "cat; echo err >&2"], stdin=given, stdout=taken.fileno(), stderr=STDOUT) == 0

    assert (tmp_path / "out").read_bytes() == b"strawberryerr\n"


def test_stderr_goes_to_a_file_of_its_own(place: Place, tmp_path: Path) -> None:
    with (tmp_path / "err").open("w") as taken:
        assert place.check_output(["sh", "-c", "echo out; echo err >&2"], stderr=taken) == b"out\n"

    assert (tmp_path / "err").read_text() == "err\n"


@pytest.mark.parametrize(
    "same", [lambda taken: taken, lambda taken: taken.fileno(), lambda taken: os.dup(taken.fileno())]
)
def test_two_outputs_into_one_file_keep_their_order(place: Place, tmp_path: Path, same: Callable[[Any], Any]) -> None:
    program = "".join(f"echo {word} >&{1 + word % 2};" for word in range(20))
    with (tmp_path / "both").open("wb") as taken:
        stderr = same(taken)
        assert place.call(["sh", "-c", program], stdout=taken, stderr=stderr) == 0
        if isinstance(stderr, int) and stderr != taken.fileno():
            os.close(stderr)

    assert (tmp_path / "both").read_text().split() == [str(word) for word in range(20)]


def test_outputs_that_are_not_redirected_keep_their_order_where_they_go_into_one_file(
    place: Place, tmp_path: Path
) -> None:
    usual = [os.dup(1), os.dup(2)]
    with (tmp_path / "both").open("wb") as taken:
        try:
            os.dup2(taken.fileno(), 1)
            os.dup2(taken.fileno(), 2)
            code = place.call(["sh", "-c", "".join(f"echo {word} >&{1 + word % 2};" for word in range(20))])
        finally:
            for number, copy in zip((1, 2), usual, strict=True):
                os.dup2(copy, number)
                os.close(copy)

    assert code == 0
    assert (tmp_path / "both").read_text().split() == [str(word) for word in range(20)]


@pytest.mark.parametrize("form", [{}, {"text": True}, {"bufsize": 0}])
def test_a_program_reads_what_another_one_writes(place: Place, form: dict[str, Any]) -> None:
    first = place.Popen(["sh", "-c", "echo b; echo a"], stdout=PIPE, **form)
    second = place.Popen(["sh", "-c", "sort"], stdin=first.stdout, stdout=PIPE)
    first.stdout.close()

    assert second.communicate(timeout=30)[0] == b"a\nb\n"
    assert (first.wait(30), second.returncode) == (0, 0)


def test_a_program_that_writes_on_ends_with_the_one_that_reads_it(place: Place) -> None:
    first = place.Popen(["sh", "-c", "while :; do echo y; done"], stdout=PIPE)
    second = place.Popen(["sh", "-c", "head -n 1"], stdin=first.stdout, stdout=PIPE)
    first.stdout.close()

    assert second.communicate(timeout=30)[0] == b"y\n"
    assert first.wait(30) == -signal.SIGPIPE


def test_a_pipe_that_was_closed_is_no_input(place: Place) -> None:
    with place.Popen(["true"], stdout=PIPE) as first:
        first.stdout.close()
        with pytest.raises(ValueError):
            place.Popen(["cat"], stdin=first.stdout)


def test_a_file_without_a_number_is_refused(place: Place) -> None:
    with pytest.raises(ValueError):
        place.Popen(["true"], stdout=io.BytesIO())


def test_a_pipe_without_a_buffer_gives_what_there_is(place: Place) -> None:
    with place.Popen(["cat"], stdin=PIPE, stdout=PIPE, bufsize=0) as process:
        process.stdin.write(b"ab")
        assert process.stdout.read(100) == b"ab"
        process.stdin.write(b"cd")
        assert process.stdout.read(1) == b"c"
        assert process.stdout.read(1) == b"d"


def test_what_could_not_be_written_is_said_at_the_end_of_the_block(place: Place) -> None:
    process = place.Popen(["true"], stdin=PIPE, bufsize=1 << 24)
    process.stdin.write(b"x" * (1 << 23))
    with pytest.raises(BrokenPipeError), process:
        pass

    assert process.returncode == 0
    assert process.stdin.closed


def test_a_size_that_is_no_number_is_a_type_error(place: Place) -> None:
    with pytest.raises(TypeError):
        place.Popen(["true"], bufsize="orange")


def test_no_size_is_the_usual_one(place: Place) -> None:
    assert place.Popen(["true"], bufsize=None).wait() == 0


def test_two_names_for_text_must_not_differ(place: Place) -> None:
    with pytest.raises(subprocess.SubprocessError, match="universal_newlines"):
        place.Popen(["true"], text=False, universal_newlines=True)


def test_input_of_the_wrong_kind_is_told_at_once_and_ends_the_program(place: Place) -> None:
    with pytest.raises(TypeError):
        place.run(["cat"], input="text", stdout=PIPE)
    with pytest.raises((TypeError, AttributeError)):
        place.run(["cat"], input=b"bytes", stdout=PIPE, text=True)


def test_leaving_the_block_closes_the_pipes_and_waits(place: Place) -> None:
    with place.Popen(["cat"], stdin=PIPE, stdout=PIPE) as process:
        pass

    assert process.returncode == 0
    assert process.stdin.closed
    assert process.stdout.closed


def test_closing_the_output_ends_a_program_that_goes_on_writing(place: Place) -> None:
    program = "import os\nwhile True: os.write(1, b'x' * 65536)"
    with place.Popen(python(program), stdout=PIPE, stderr=DEVNULL) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(30) != 0


# --- text ------------------------------------------------------------------------------------------------------------


def test_text_has_one_kind_of_line_end(place: Place) -> None:
    program = "import os; os.write(1, b'one\\r\\ntwo\\rthree\\n')"

    assert place.check_output(python(program), text=True) == "one\ntwo\nthree\n"
    with place.Popen(python(program), stdout=PIPE, universal_newlines=True) as process:
        assert list(process.stdout) == ["one\n", "two\n", "three\n"]


def test_encodings_hold_for_both_ways(place: Place) -> None:
    done = place.run(["cat"], input="grüße\n", capture_output=True, encoding="utf-16")

    assert done.stdout == "grüße\n"


def test_what_cannot_be_decoded_is_replaced_if_so_wished(place: Place) -> None:
    program = "import os; os.write(1, b'a\\xffb')"

    assert place.check_output(python(program), encoding="utf-8", errors="replace") == "a\ufffdb"
    with pytest.raises(UnicodeDecodeError):
        place.check_output(python(program), encoding="utf-8")


def test_a_character_may_come_in_parts(place: Place) -> None:
    program = "import os, time\nfor part in (b'\\xe2', b'\\x82', b'\\xac\\n'):\n os.write(1, part); time.sleep(0.05)"
    with place.Popen(python(program), stdout=PIPE, encoding="utf-8") as process:
        assert process.stdout.readline() == "€\n"


def test_lines_go_back_and_forth(place: Place) -> None:
    with place.Popen(["cat"], stdin=PIPE, stdout=PIPE, text=True, bufsize=1) as process:
        for word in ("one\n", "two\n"):
            process.stdin.write(word)
            assert process.stdout.readline() == word


# --- time and signals ------------------------------------------------------------------------------------------------


def test_wait_with_a_timeout_leaves_the_program_running(place: Place) -> None:
    with place.Popen(["sleep", "60"]) as process:
        with pytest.raises(subprocess.TimeoutExpired) as raised:
            process.wait(timeout=0.05)
        assert (raised.value.cmd, raised.value.timeout) == (["sleep", "60"], 0.05)
        assert process.poll() is None
        process.kill()
        assert process.wait(30) == -signal.SIGKILL


def test_communicate_takes_what_is_left_after_reads_and_waits(place: Place) -> None:
    with place.Popen(["sh", "-c", "echo first; read line; echo $line"], stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout.readline() == b"first\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
        assert process.communicate(b"second\n", timeout=30) == (b"second\n", None)


def test_communicate_keeps_what_came_before_a_timeout(place: Place) -> None:
    program = "import os\nos.write(1, b'before')\nimport signal\nsignal.sigwait({signal.SIGUSR1})\nprint('after')"
    masked = f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGUSR1}}); exec({program!r})"
    with place.Popen(python(masked), stdout=PIPE) as process:
        seen = None
        deadline = time.monotonic() + 30
        while not seen and time.monotonic() < deadline:
            with pytest.raises(subprocess.TimeoutExpired) as raised:
                process.communicate(timeout=0.1)
            seen = raised.value.output
        assert seen == b"before"
        process.send_signal(signal.SIGUSR1)
        assert process.communicate(timeout=30)[0] == b"beforeafter\n"


def test_run_kills_what_takes_too_long_and_shows_what_it_wrote(place: Place) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        place.run(["sleep", "60"], timeout=0.1)
    with pytest.raises(subprocess.TimeoutExpired) as raised:
        place.check_output(["sh", "-c", "echo early; exec sleep 60"], timeout=3)
    assert raised.value.output == b"early\n"


@pytest.mark.parametrize(
    ("method", "args", "number"),
    [("send_signal", (signal.SIGINT,), signal.SIGINT), ("terminate", (), signal.SIGTERM), ("kill", (), signal.SIGKILL)],
)
def test_signals_arrive(place: Place, method: str, args: tuple[int, ...], number: int) -> None:
    program = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print('x', flush=True); time.sleep(60)"
    )
    with place.Popen(python(program), stdout=PIPE) as process:
        process.stdout.readline()
        getattr(process, method)(*args)
        assert process.wait(30) == -number
        getattr(process, method)(*args)  # to one that has ended: nothing happens


# --- where and how ---------------------------------------------------------------------------------------------------


def test_a_program_starts_in_a_directory(place: Place) -> None:
    below = Path.cwd() / "pulsing"

    assert place.check_output(["pwd"], cwd=below, text=True) == f"{below}\n"
    assert place.check_output(["pwd"], cwd=os.fsencode(below), text=True) == f"{below}\n"


def test_an_environment_replaces_the_usual_one(place: Place) -> None:
    assert place.check_output(["env"], env={"LANG": "C", "TZ": "UTC"}) in (b"LANG=C\nTZ=UTC\n", b"TZ=UTC\nLANG=C\n")


def test_a_program_that_is_not_there_is_not_found(place: Place) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        place.Popen(["no-such-program"])
    assert (raised.value.errno, raised.value.filename) == (errno.ENOENT, "no-such-program")


def test_a_directory_that_is_not_there_is_not_found(place: Place) -> None:
    missing = str(Path.cwd() / "no-such-directory")
    with pytest.raises(FileNotFoundError) as raised:
        place.Popen(["true"], cwd=missing)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOENT, missing)


def test_arguments_may_be_paths_and_bytes(place: Place) -> None:
    assert place.check_output([Path(PYTHON), b"-c", "print('x')"]) == b"x\n"
    assert place.call("true") == 0


def test_arguments_may_come_from_an_iterator(place: Place) -> None:
    assert place.check_output(iter(["sh", "-c", "echo a"])) == b"a\n"


def test_an_argument_with_a_zero_byte_is_refused(place: Place) -> None:
    with pytest.raises(ValueError):
        place.Popen(["true", "a\0b"])


def test_another_executable_may_stand_behind_the_name(place: Place) -> None:
    assert place.check_output(["any name", "-c", "echo $0"], executable=shutil.which("sh"), text=True).endswith("\n")


def test_an_unknown_argument_is_a_type_error(place: Place) -> None:
    with pytest.raises(TypeError):
        place.Popen(["true"], unheard_of=1)


@pytest.mark.parametrize("place", ["native", "here"], indirect=True)
def test_the_shell_runs_commands(place: Place) -> None:
    assert place.call("exit 3", shell=True) == 3
    assert place.getstatusoutput("echo a; echo b >&2; exit 5") == (5, "a\nb")
    assert place.getoutput("echo $((1 + 1))") == "2"


@pytest.mark.parametrize("place", ["here", "elsewhere"], indirect=True)
@pytest.mark.parametrize(
    "argument",
    [
        {"preexec_fn": print},
        {"pass_fds": (0,)},
        {"process_group": 0},
        {"restore_signals": False},
        {"user": 0},
        {"extra_groups": [0]},
    ],
)
def test_what_makes_no_sense_through_an_actor_is_refused(place: Place, argument: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(argument))):
        place.Popen(["true"], **argument)


def test_an_attribute_may_be_replaced_for_a_while(place: Place) -> None:
    with place.Popen(["cat"], stdin=PIPE) as process:
        stdin = process.stdin
        with mock.patch.object(process, "stdin") as other:
            assert process.stdin is other
        assert process.stdin is stdin
