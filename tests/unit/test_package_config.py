"""What a system is made with."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pulsing import ActorSystem
from pulsing.config import SystemConfig, TLSConfig, config_from
from pulsing.exceptions import ActorStopped, Overloaded
from pulsing.streaming.manager import local_manager


def test_each_step_gives_a_new_value() -> None:
    config = SystemConfig.with_addr("127.0.0.1:0")
    assert config.with_seeds(["a:1"]).seeds == ("a:1",)
    assert config.seeds == ()
    assert config.with_passphrase("secret").is_tls_enabled()
    assert not config.is_tls_enabled()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.addr = "x"  # type: ignore[misc]


def test_the_secret_never_shows() -> None:
    assert "hush" not in repr(SystemConfig.standalone().with_passphrase("hush"))


def test_head_and_worker_clear_each_other() -> None:
    head = SystemConfig.standalone().with_head_addr("h:1").with_head_node()
    assert (head.is_head_node, head.head_addr) == (True, None)
    worker = head.with_head_addr("h:1")
    assert (worker.is_head_node, worker.contacts) == (False, ("h:1",))


@pytest.mark.parametrize(
    "settings",
    [
        {"is_head_node": True, "head_addr": "h:1"},
        {"insecure": True, "passphrase": "x"},
        {"insecure": True, "allow_pickle": True},
        {"insecure": True, "tls": TLSConfig("ca", "cert", "key")},
        {"join_timeout": 0},
        {"join_timeout": float("nan")},
        {"events_kept": 0},
        {"detector": "slow"},
        {"seeds": "127.0.0.1:7000"},
    ],
)
def test_what_excludes_each_other_is_refused(settings: Any) -> None:
    with pytest.raises(ValueError):
        SystemConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"cluster": 5}, "cluster is a text, not a value of type int"),
        ({"passphrase": b"secret"}, "passphrase is a text, not a value of type bytes"),
        ({"admin": "yes"}, "admin is True or False, not a value of type str"),
    ],
)
def test_a_value_of_another_type_is_refused_and_not_shown(settings: Any, error: str) -> None:
    with pytest.raises(TypeError, match=f"^{error}$"):
        SystemConfig(**settings)


def test_a_system_has_a_network_when_it_listens_or_joins() -> None:
    assert not SystemConfig.standalone().networked
    assert SystemConfig.with_addr("a:1").networked
    assert SystemConfig(seeds=("a:1",)).networked
    assert SystemConfig(is_head_node=True).networked


def test_arguments_win_over_the_environment() -> None:
    environment = {"PULSING_PASSPHRASE": "env", "PULSING_ADMIN": "off"}
    config = config_from(environment)
    assert (config.passphrase, config.admin, config.insecure) == ("env", False, None)
    config = config_from(environment, passphrase="given", admin=True)
    assert (config.passphrase, config.admin) == ("given", True)
    assert config_from({"PULSING_INSECURE": "1"}).insecure is True


def test_files_and_certificates_may_come_from_the_environment() -> None:
    tls = {"PULSING_TLS_CA": "ca.pem", "PULSING_TLS_CERT": "node.pem", "PULSING_TLS_KEY": "node.key"}
    config = config_from({"PULSING_PASSPHRASE_FILE": "phrase", "PULSING_TOKEN_FILE": "new,old", **tls})
    assert (config.passphrase_file, config.token_file) == ("phrase", ("new", "old"))
    assert config.tls == TLSConfig("ca.pem", "node.pem", "node.key")
    assert config.is_tls_enabled()
    given = config_from({"PULSING_TOKEN_FILE": "env", **tls}, token_file="given", tls=TLSConfig("a", "b", "c"))
    assert (given.token_file, given.tls) == ("given", TLSConfig("a", "b", "c"))


def test_half_a_set_of_certificates_is_refused_by_what_is_missing() -> None:
    with pytest.raises(ValueError, match="go together; PULSING_TLS_KEY is not set"):
        config_from({"PULSING_TLS_CA": "ca.pem", "PULSING_TLS_CERT": "node.pem"})


async def test_a_system_remembers_as_much_as_it_is_told_to() -> None:
    environment = {
        "PULSING_EVENTS_CAPACITY": "2",
        "PULSING_DEAD_LETTERS_CAPACITY": "3",
        "PULSING_ACTORS_ENDED": "1",
        "PULSING_QUEUE_BASE_PATH": "elsewhere",
    }
    async with await ActorSystem.create(config_from(environment, admin=False)) as system:
        for name in ("a", "b"):
            await system.spawn(Echo(), name=name)
            await system.stop(name)
        lost = await system.spawn(Echo(), name="lost")
        await system.stop("lost")
        for _ in range(5):
            with pytest.raises(ActorStopped):
                await lost.tell("nobody hears")

        assert len(system.events.recent(100)) == 2
        assert len(system.dead_letters.recent(100)) == 3
        assert [ended.name for ended in system.inner.ended] == ["actors/lost"]
        assert local_manager(system).base_storage_path == "elsewhere"


async def test_budgets_of_a_node_are_settings() -> None:
    environment = {
        "PULSING_NODE_MAILBOX": "7",
        "PULSING_NODE_MAILBOX_BYTES": "900",
        "PULSING_NODE_USER_BYTES": "1000000",
        "PULSING_NODE_PUBLIC_NAMES": "12",
        "PULSING_DEAD_LETTERS_KEEP_BYTES": "20",
    }
    async with await ActorSystem.create(config_from(environment, addr="127.0.0.1:0", admin=False)) as system:
        await system.spawn(Echo(), name="usual")
        await system.spawn(Echo(), name="own", mailbox=3)
        capacities = [
            (await system.inspect("actor", {"actor": name}))["mailbox_detail"]["capacity"] for name in ("usual", "own")
        ]
        echo = await system.resolve("usual")
        assert await echo.ask("x") == "x"
        cell = system.inner.registry.by_path("actors/usual")
        assert cell is not None and cell.mailbox is not None and cell.mailbox.max_bytes == 900
        with pytest.raises(Overloaded, match="public names"):
            for number in range(20):  # the node itself has some
                await system.spawn(Echo(), name=f"n{number}", public=True)
        for name in ("a", "b"):
            lost = await system.spawn(Echo(), name=name)
            await system.stop(name)
            with pytest.raises(ActorStopped):
                await lost.tell("a text of ten")
        letters: list[Any] = await system.inspect("dead_letters")
    assert capacities == [7, 3]
    assert system.inner.router is not None and system.inner.router.budget.limit == 1_000_000  # type: ignore[attr-defined]
    assert [letter["replayable"] for letter in letters] == [True, False]


class Echo:
    async def receive(self, message: Any) -> Any:
        return message
