"""Figures of membership in simulated clusters: how long a death, a freeze or a partition takes to be dealt with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pulsing.cluster.events import MemberChanged
from tests.simulation.cluster_world import Node, World, address_of

STEP_S = 0.05
PATIENCE_S = 60.0


def world_at_rest(size: int, seed: int) -> World:
    """A cluster that has joined, at a random moment of its rounds."""
    world = World(size, seed)
    for host in range(size):
        world.start(host, (address_of(0),))
    world.run_until(10.0 + 3.0 * world.random.random())
    return world


def silent_deaths(size: int, seeds: int) -> Iterator[float]:
    """Seconds from the silence of a host until the last of the others calls it dead, one for each seed."""
    for seed in range(seeds):
        world = world_at_rest(size, seed)
        victim = world.by_host[world.random.randrange(size)]
        began = world.now
        world.kill(victim, silently=True)
        yield _time_when(world, lambda: _is_dead_for_all(world, victim)) - began  # noqa: B023


def deaths_by_freezing(seeds: int, seconds: float) -> int:
    """How often anybody is called dead when one node of a small cluster is frozen once for so long."""
    deaths = 0

    def count(observer: Node, change: MemberChanged) -> None:
        nonlocal deaths
        deaths += change.after.status == "dead"

    for seed in range(seeds):
        world = world_at_rest(2 + seed % 15, seed)
        world.on_change.append(count)
        world.freeze(world.by_host[world.random.randrange(world.size)], seconds)
        world.run_until(world.now + seconds + 10.0)
    return deaths


def reunions(size: int, seeds: int, cut_s: float = 60.0) -> Iterator[float]:
    """Seconds from the end of a partition into halves until all agree again, one for each seed."""
    for seed in range(seeds):
        world = world_at_rest(size, seed)
        half = size // 2
        for one in range(half):
            for other in range(half, size):
                world.cut(one, other)
                world.cut(other, one)
        world.run_until(world.now + cut_s)
        world.heal()
        began = world.now
        yield _time_when(world, lambda: _all_agree(world)) - began  # noqa: B023


def messages_at_rest(size: int) -> float:
    """Messages that a node sends in a second while nothing happens."""
    world = world_at_rest(size, 1)
    before, began = world.sent, world.now
    world.run_until(world.now + 30.0)
    return (world.sent - before) / size / (world.now - began)


def _time_when(world: World, condition: Callable[[], bool]) -> float:
    end = world.now + PATIENCE_S
    while not condition():
        assert world.now < end, f"not within {PATIENCE_S} s, size {world.size}"
        world.run_until(world.now + STEP_S)
    return world.now


def _is_dead_for_all(world: World, victim: Node) -> bool:
    members = (node.protocol.membership.member(victim.member_id) for node in world.running())
    return all(member is not None and member.status == "dead" for member in members)


def _all_agree(world: World) -> bool:
    return all(
        sum(member.is_present for member in node.protocol.membership.members()) == world.size
        for node in world.running()
    )
