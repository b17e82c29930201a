"""Joining over loopback: seeds, a head node, secrets, and what each mistake is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import pulsing as pul
from pulsing.cluster import joining
from pulsing.exceptions import AddressInUse, AuthFailed, JoinTimeout
from pulsing.testing import wait_until


async def node(addr: str | None = "127.0.0.1:0", **options: object) -> pul.ActorSystem:
    return await pul.actor_system(addr, admin=False, **options)  # type: ignore[arg-type]


async def close(*systems: pul.ActorSystem) -> None:
    for system in systems:
        await system.shutdown(drain=0)


async def test_nodes_of_one_user_join_by_their_token_file() -> None:
    first = await node()
    second = await node(seeds=[first.addr])
    assert [m["status"] for m in await second.members()] == ["Alive", "Alive"]
    await close(second, first)


async def test_a_node_without_an_address_binds_where_its_seed_is() -> None:
    first = await node()
    second = await node(None, seeds=[first.addr])
    assert second.addr.startswith("127.0.0.1:")
    assert len(await first.members()) == 2
    await close(second, first)


async def test_a_wrong_passphrase_is_told_and_leaves_nothing_open() -> None:
    first = await node(passphrase="correct horse battery staple")
    with pytest.raises(AuthFailed) as caught:
        await node(seeds=[first.addr], passphrase="another long pass phrase")
    assert "passphrase" in caught.value.hint
    with pytest.raises(AuthFailed):
        await node(seeds=[first.addr])
    assert len(await first.members()) == 1
    await close(first)


async def test_a_passphrase_encrypts_links() -> None:
    first = await node(passphrase="correct horse battery staple")
    second = await node(seeds=[first.addr], passphrase="correct horse battery staple")
    assert (await second.inner.inspect("cluster"))["tls"] is True
    await close(second, first)


async def test_a_node_of_another_cluster_is_refused() -> None:
    first = await node(cluster="one")
    with pytest.raises(AuthFailed):
        await node(seeds=[first.addr], cluster="two")
    await close(first)


async def test_a_refusal_is_not_waited_with_where_joining_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "FIRST_ROUND_S", 30.0)
    first = await node(cluster="one")
    with pytest.raises(AuthFailed):
        await asyncio.wait_for(node(seeds=[first.addr], cluster="two", join_timeout=60), 20)
    await close(first)


async def test_an_unreachable_seed_is_no_error_unless_joining_has_a_limit(
    free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    lonely = await node(seeds=[f"127.0.0.1:{free_port}"])
    assert f"goes on trying: 127.0.0.1:{free_port} (nobody listens there)" in caplog.text
    assert len(await lonely.members()) == 1
    with pytest.raises(JoinTimeout, match=str(free_port)):
        await node(seeds=[f"127.0.0.1:{free_port}"], join_timeout=0.2)
    late = await node(f"127.0.0.1:{free_port}")

    async def joined() -> bool:
        return len(await late.members()) == 2

    await wait_until(joined, 15.0)
    await close(late, lonely)


async def test_the_admin_plane_as_a_seed_is_told_from_a_node_with_another_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = await pul.actor_system("127.0.0.1:0", admin_addr="127.0.0.1:0")
    assert first.admin_url is not None
    addr = first.admin_url.removeprefix("http://")
    with pytest.raises(AuthFailed, match=f"{addr}.*as the admin plane of a node does"):
        await node(seeds=[addr])
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []
    await close(first)


async def test_a_taken_port_is_told() -> None:
    first = await node()
    with pytest.raises(AddressInUse, match="already in use"):
        await node(first.addr)
    await close(first)


async def test_its_own_address_among_the_seeds_is_nothing_special(
    free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    addr = f"127.0.0.1:{free_port}"
    alone = await node(addr, seeds=[addr])
    assert len(await alone.members()) == 1
    assert caplog.records == []
    await close(alone)


async def test_workers_join_their_head_and_see_each_other() -> None:
    head = await node(None, is_head_node=True)
    workers = [await node(None, head_addr=head.addr) for _ in range(2)]

    async def complete() -> bool:
        return all([len(await system.members()) == 3 for system in (head, *workers)])

    await wait_until(complete)
    assert (await workers[0].inner.inspect("cluster"))["mode"] == "head"
    await close(*workers, head)


@pytest.mark.parametrize("addr", ["nonsense", "127.0.0.1", "127.0.0.1:99999", "a b:1"])
async def test_an_address_that_cannot_be_read_is_a_value_error(addr: str) -> None:
    with pytest.raises(ValueError, match="invalid socket address syntax"):
        await node(addr)
    with pytest.raises(ValueError, match="invalid socket address syntax"):
        await node(seeds=[addr])


async def test_one_text_in_place_of_a_list_of_seeds_is_told_as_such() -> None:
    with pytest.raises(ValueError, match="seeds is a list of addresses, not one"):
        await node(seeds="127.0.0.1:7000")


async def test_why_a_name_among_the_seeds_led_nowhere_is_told() -> None:
    with pytest.raises(JoinTimeout, match=r"no-such-host\.invalid cannot be looked up"):
        await node(seeds=["dns://no-such-host.invalid:7000"], join_timeout=0.5)


async def test_nodes_join_over_ipv6_past_a_seed_that_is_not_there(free_port: int) -> None:
    first = await node("[::1]:0")
    assert first.addr.startswith("[::1]:")
    second = await node(None, seeds=[f"[::1]:{free_port}", first.addr])
    assert second.addr.startswith("[::1]:")
    assert len(await first.members()) == len(await second.members()) == 2
    await close(second, first)


@pytest.mark.parametrize("scheme", ["", "dns://"])
async def test_nodes_join_by_a_host_name(scheme: str) -> None:
    first = await node("127.0.0.1:0")
    port = first.addr.rpartition(":")[2]
    second = await node("127.0.0.1:0", seeds=[f"{scheme}localhost:{port}"])
    assert len(await first.members()) == len(await second.members()) == 2
    await close(second, first)


async def test_a_wildcard_is_never_advertised() -> None:
    with pytest.raises(ValueError, match="cannot dial"):
        await node(advertise="0.0.0.0:7000")


async def test_insecure_nodes_join_each_other_only_and_create_no_actors_for_others() -> None:
    open_one, closed_one = await node(insecure=True), await node()
    with pytest.raises(AuthFailed):
        await node(seeds=[closed_one.addr], insecure=True)
    with pytest.raises(AuthFailed):
        await node(seeds=[open_one.addr])
    other = await node(seeds=[open_one.addr], insecure=True)
    assert len(await open_one.members()) == 2
    assert other.inner.creates_for_others is False
    await close(other, open_one, closed_one)


async def test_a_loose_token_file_is_refused_with_the_repair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    first = await node()
    await close(first)
    (tmp_path / "pulsing" / "cluster.token").chmod(0o644)
    with pytest.raises(AuthFailed, match="chmod"):
        await node()


async def test_the_name_of_a_node_that_left_is_free_at_once_everywhere() -> None:
    first = await node()
    second = await node(seeds=[first.addr])
    await second.spawn(Sleeper(), name="sleeper", public=True)
    await first.resolve("sleeper", timeout=5)
    await close(second)
    with pytest.raises(pul.PulsingRuntimeError):
        await first.resolve("sleeper")
    await close(first)


class Sleeper(pul.Actor):
    async def receive(self, msg: object) -> object:
        await asyncio.sleep(0)
        return msg
