"""What other nodes may start on a node: nothing unless it is listed, and nobody learns more than that."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pulsing.subprocess as subprocess
from pulsing.admin.app import create_admin_app
from pulsing.admin.settings import AdminSettings
from pulsing.exceptions import Forbidden, NameTaken, PulsingBusinessError, PulsingRuntimeError
from pulsing.ids import ActorId
from pulsing.subprocess.host import HOST, HOST_NUMBER
from tests.integration.subprocess_places import Places, two_nodes
from tests.unit.admin.admin_world import NAMED, Site


@pytest.fixture(autouse=True)
def through_actors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_POLSING_SUBPROCESS", "1")


@pytest.fixture
def nodes() -> Iterator[Places]:
    with two_nodes(["cat", "env", "pwd", "true"]) as places:
        yield places


def audited(log: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The lines of the audit, as what they are."""
    return [json.loads(record.getMessage()) for record in log.records if record.name == "pulsing.audit"]


def test_a_listed_program_runs_and_leaves_a_line_without_its_arguments(
    nodes: Places, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "pulsing.audit"):
        done = subprocess.run(["cat", "/proc/self/comm"], capture_output=True, **nodes.keywords("elsewhere"))

    assert done.stdout == b"cat\n"
    (line,) = audited(caplog)
    assert line == {
        "action": "subprocess.start",
        "outcome": "started",
        "node": str(nodes.here.node_id),
        "program": "cat",
        "shell": False,
    }


@pytest.mark.parametrize(
    ("args", "options"),
    [
        (["ls"], {}),
        (["/bin/ls"], {}),
        (["./cat"], {}),
        (["cat"], {"executable": "/bin/sh"}),
        (["cat; ls"], {}),
        ("true", {"shell": True}),
        (["pwd"], {"cwd": "/"}),
        (["pwd"], {"cwd": ".."}),
        (["pwd"], {"cwd": "pulsing/../.."}),
        (["env"], {"env": {"LD_PRELOAD": "/tmp/evil.so"}}),
        (["env"], {"env": {b"PATH": b"/tmp"}}),
    ],
)
def test_everything_else_is_forbidden_and_audited(
    nodes: Places, caplog: pytest.LogCaptureFixture, args: Any, options: dict[str, Any]
) -> None:
    with caplog.at_level(logging.INFO, "pulsing.audit"), pytest.raises(Forbidden) as refusal:
        subprocess.Popen(args, **options, **nodes.keywords("elsewhere"))

    assert isinstance(refusal.value, PermissionError)
    (line,) = audited(caplog)
    assert (line["outcome"], line["node"]) == ("refused", str(nodes.here.node_id))


def test_a_listed_program_may_be_named_by_its_path(nodes: Places) -> None:
    assert subprocess.call([shutil.which("true")], **nodes.keywords("elsewhere")) == 0


def test_nothing_is_allowed_by_default(caplog: pytest.LogCaptureFixture) -> None:
    with two_nodes([]) as nodes, caplog.at_level(logging.INFO, "pulsing.audit"):
        with pytest.raises(Forbidden, match=r"subprocess\.allow_remote"):
            subprocess.Popen(["true"], **nodes.keywords("elsewhere"))

        assert subprocess.call(["true"], **nodes.keywords("here")) == 0
    assert [line["outcome"] for line in audited(caplog)] == ["refused"]


def test_without_credentials_nothing_is_allowed_whatever_is_listed() -> None:
    with two_nodes(["true"], insecure=True) as nodes, pytest.raises(Forbidden, match="insecure"):
        subprocess.Popen(["true"], **nodes.keywords("elsewhere"))


def test_a_program_gets_no_secrets_of_its_node(nodes: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "a secret")
    monkeypatch.setenv("LC_TIME", "C")

    done = subprocess.run(["env"], capture_output=True, text=True, **nodes.keywords("elsewhere"))

    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert "SOME_API_KEY" not in names
    assert {"PATH", "LC_TIME"} <= names


def test_links_out_of_the_directory_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "inside").mkdir()
    (base / "out").symlink_to(tmp_path)
    monkeypatch.setenv("PULSING_SUBPROCESS_BASE_PATH", str(base))
    with two_nodes(["pwd"]) as nodes:
        place = nodes.keywords("elsewhere")
        assert subprocess.check_output(["pwd"], **place) == os.fsencode(base) + b"\n"
        assert subprocess.check_output(["pwd"], cwd="inside", **place) == os.fsencode(base / "inside") + b"\n"
        with pytest.raises(Forbidden, match=r"subprocess\.base_path"):
            subprocess.Popen(["pwd"], cwd="out", **place)


def order(nodes: Places, values: Any) -> Any:
    """Send a node an order as no honest node would."""
    elsewhere = nodes.elsewhere.node_id.id
    ref = nodes.here.inner.bind(ActorId.of(elsewhere, HOST_NUMBER), HOST)

    async def send() -> Any:
        return await ref.request("start", (values,), None, 30.0)

    return nodes.do(send())


@pytest.mark.parametrize(
    "values",
    [
        {"args": ["true"], "stdin": 5},
        {"args": ["true"], "stdout": -2},
        {"args": []},
        {"args": [1]},
        {"args": ["true"], "umask": "x"},
        {"args": ["true"], "preexec_fn": "os.abort"},
        {"args": ["true"], "needs": {"num_cpus": -1e9}},
        {},
        [],
        7,
    ],
)
def test_orders_that_make_no_sense_are_refused(nodes: Places, values: Any) -> None:
    with pytest.raises((PulsingBusinessError, PulsingRuntimeError)):
        order(nodes, values)


def test_who_asks_by_no_link_gets_nothing(nodes: Places) -> None:
    """As a call over REST would come."""
    ref = nodes.elsewhere.inner.bind(ActorId.of(nodes.elsewhere.node_id.id, HOST_NUMBER), HOST)

    async def send() -> Any:
        return await ref.request("start", ({"args": ["true"]},), None, 30.0)

    with pytest.raises(Forbidden):
        nodes.do(send())


def test_a_name_that_is_taken_leaves_no_program_running(nodes: Places) -> None:
    keywords = {"stdin": subprocess.PIPE, "name": "cat", **nodes.keywords("elsewhere")}
    with subprocess.Popen(["cat"], **keywords), pytest.raises(NameTaken):
        subprocess.Popen(["cat"], **keywords)
    # What would be left behind is noticed after every test.


def test_whoever_administers_a_node_cannot_reach_what_others_have_started(nodes: Places) -> None:
    async def call() -> int:
        admin = create_admin_app(nodes.elsewhere, AdminSettings(tokens=NAMED))
        site = Site(nodes.elsewhere, admin)
        client = await site.client()
        answer = await client.post("/api/v1/actors/cat/call", json={"method": "kill"})
        await site.clients.aclose()
        await site.plane.close()
        return answer.status_code

    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, name="cat", **nodes.keywords("elsewhere")) as process:
        assert nodes.do(call()) == 403
        assert process.poll() is None


def test_the_actor_of_a_process_cannot_be_spawned_from_elsewhere(nodes: Places) -> None:
    actor: Any = subprocess.ProcessActor

    async def spawn() -> Any:
        return await actor.spawn(["true"], system=nodes.here, placement=nodes.elsewhere.node_id)

    with pytest.raises(Forbidden):
        nodes.do(spawn())


def test_the_door_of_a_node_that_is_about_to_end_is_closed(nodes: Places) -> None:
    nodes.do(nodes.elsewhere.inner.drain(0.0))

    with pytest.raises(PulsingRuntimeError, match="leaving"):
        subprocess.Popen(["true"], **nodes.keywords("elsewhere"))
