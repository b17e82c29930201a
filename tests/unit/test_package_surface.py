"""The names that users import, pinned: a change here is a change of the contract."""

from __future__ import annotations

import inspect
import pydoc
import re
import subprocess
import sys
from typing import Any

import pytest

import pulsing as pul
import pulsing.core as core

PULSING = {
    "Actor", "ActorClass", "ActorId", "ActorProxy", "ActorRef", "ActorSystem", "MailboxOptions", "Message", "NodeId",
    "PulsingActorError", "PulsingBusinessError", "PulsingError", "PulsingRuntimeError", "PulsingSystemError",
    "PulsingTimeoutError", "PulsingUnsupportedError", "StreamMessage", "TLSConfig", "__version__", "actor_system",
    "as_any", "cleanup_ray", "current_actor", "get_system", "init", "init_inside_ray", "init_inside_torchrun",
    "is_initialized", "mount", "queue", "refer", "register_type", "remote", "resolve", "shutdown", "spawn",
    "topic", "unmount",
}  # fmt: skip

CORE = {
    "Actor", "ActorClass", "ActorId", "ActorProxy", "ActorRef", "ActorSystem", "Message", "NodeId",
    "PYTHON_ACTOR_SERVICE_NAME", "PulsingActorError", "PulsingError", "PulsingRuntimeError", "PythonActorService",
    "PythonActorServiceProxy", "StreamMessage", "StreamReader", "StreamWriter", "SystemActorProxy", "SystemConfig",
    "as_any", "get_python_actor_service", "get_system", "get_system_actor", "init", "is_initialized", "mount", "remote",
    "resolve", "shutdown", "unmount", "DEFAULT_ASK_TIMEOUT",
}  # fmt: skip


def test_the_package_exports_what_was_promised() -> None:
    assert set(pul.__all__) == PULSING
    for name in pul.__all__:
        assert getattr(pul, name) is not None


def test_the_core_exports_what_was_promised() -> None:
    assert set(core.__all__) >= CORE
    for name in core.__all__:
        assert getattr(core, name) is not None
    with pytest.raises(AttributeError):
        _ = core.nothing


@pytest.mark.parametrize("name", sorted(PULSING & CORE))
def test_both_doors_lead_to_the_same_object(name: str) -> None:
    assert getattr(pul, name) is getattr(core, name)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("core.remote", "Actor ActorClass remote resolve get_actor_metadata"),
        ("core.proxy", "ActorProxy"),
        ("core.service", "SystemActorProxy get_system_actor PythonActorService"),
        ("core.helpers", "mount unmount run_sync run_until_signal spawn_and_run"),
        ("streaming.storage", "BucketStorage"),
        ("streaming.backend", "StorageBackend MemoryBackend register_backend get_backend_class list_backends"),
        ("streaming.queue", "Queue QueueReader write_queue read_queue"),
        ("streaming.sync_queue", "SyncQueue SyncQueueReader"),
        (
            "streaming.manager",
            "StorageManager get_storage_manager ensure_storage_managers get_bucket_ref get_topic_broker",
        ),
        ("streaming.pubsub", "TopicWriter TopicReader PublishMode PublishResult write_topic read_topic"),
        ("streaming.broker", "TopicBroker"),
    ],
)
def test_names_are_found_in_the_files_that_are_their_homes(module: str, names: str) -> None:
    found = __import__(f"pulsing.{module}", fromlist=["x"])
    for name in names.split():
        assert hasattr(found, name)
    assert not hasattr(found, "nothing")


def parameters(function: Any) -> dict[str, Any]:
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


EMPTY = inspect.Parameter.empty
RESTARTS = {
    "restart_policy": "never",
    "max_restarts": 3,
    "min_backoff": 0.1,
    "max_backoff": 30.0,
    "restart_window": 60.0,
}


def test_signatures_and_defaults_are_those_of_the_contract() -> None:
    init = {"addr": None, "seeds": None, "passphrase": None, "head_addr": None, "is_head_node": False}
    assert parameters(pul.init) == init
    assert parameters(pul.actor_system).items() >= init.items()
    assert parameters(pul.spawn) == {"actor": EMPTY, "name": None, "public": False, **RESTARTS, "mailbox": None}
    assert parameters(pul.refer) == {"actorid": EMPTY}
    assert parameters(pul.resolve) == {"name": EMPTY, "cls": None, "node_id": None, "timeout": None}
    assert parameters(pul.mount) == {"instance": EMPTY, "name": EMPTY, "public": True}
    assert parameters(pul.unmount) == {"name": EMPTY}
    assert parameters(pul.ActorProxy) == {"actor_ref": EMPTY, "method_names": None, "async_methods": None}
    options = parameters(pul.ActorClass)
    assert list(options)[:5] == ["cls", "restart_policy", "max_restarts", "min_backoff", "max_backoff"]
    assert options.items() >= {**RESTARTS, "max_concurrency": 1000, "threaded": False, "cancellable": False}.items()
    assert parameters(pul.MailboxOptions) == {"capacity": 1000, "policy": "block"}
    assert core.DEFAULT_ASK_TIMEOUT == 30.0
    assert core.PYTHON_ACTOR_SERVICE_NAME == "system/python_actor_service"


@pytest.mark.shared_resources
def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "fastapi uvicorn cryptography ray typer rich prometheus_client numpy torch pydantic"
    script = f"import pulsing, sys; print(*(m for m in {heavy!r}.split() if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == []


def test_the_members_of_a_system_are_shown_by_help() -> None:
    shown = pydoc.plain(pydoc.render_doc(pul.ActorSystem))

    for name in ("resolve", "refer", "stop", "shutdown", "members", "remote_system", "all_named_actors", "statistics"):
        assert re.search(rf"\b{name}\(\W*self", shown)
    assert inspect.signature(pul.ActorSystem.stop).parameters["timeout"].default == 30.0
