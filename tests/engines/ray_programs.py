"""Programs for a Ray cluster: each connects, does one thing, and prints what it saw as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray

import pulsing as pul
import pulsing.subprocess as subprocess
from pulsing.core.helpers import run_sync
from pulsing.integrations.ray import init_in_ray
from pulsing.integrations.ray.registry import NAMESPACE, find_registry
from pulsing.testing import wait_until
from tests.engines.ray_cluster import HOSTS
from tests.integration.placed import Worker

LIMIT_S = 30.0
CLUSTER = "pulsing"


class Member:
    """A process of Ray that takes part."""

    async def start(self) -> str:
        return (await pul.init_inside_ray()).inner.addr

    async def start_twice(self) -> bool:
        one, two = await asyncio.gather(pul.init_inside_ray(), pul.init_inside_ray())
        return one is two

    async def mirrors(self) -> bool:
        await pul.init_inside_ray()
        return any(task.get_name().endswith("metrics for Ray") for task in asyncio.all_tasks())

    async def wait_for(self, number: int) -> int:
        await wait_until(lambda: count_alive() == number, LIMIT_S)
        return count_alive()

    async def ask(self, name: str) -> int:
        proxy = await pul.resolve(name, timeout=LIMIT_S)
        answer: int = await proxy.as_any().incr(1)
        return answer

    async def measure_start(self) -> tuple[float, float]:
        before, began = own_memory(), time.monotonic()
        await pul.init_inside_ray()
        return own_memory() - before, time.monotonic() - began


class Plain:
    """An actor of Ray's, to compare with."""

    def add(self, number: int) -> int:
        return number


class Counter:
    """Mounts itself, as users of Ray do it."""

    def __init__(self, name: str) -> None:
        self.count = 0
        pul.mount(self, name=name)

    def incr(self, by: int = 1) -> int:
        self.count += by
        return self.count

    def where(self) -> str:
        return pul.get_system().inner.addr

    def pid(self) -> int:
        return os.getpid()


class Watcher:
    """Calls nothing of ours; whoever started the system was Ray."""

    def look(self) -> int:
        deadline = time.monotonic() + LIMIT_S
        while count_alive() < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        return count_alive()


class Later(Counter):
    """Like `Counter`, in an actor whose methods run on a loop."""

    async def where_later(self) -> str:
        return self.where()


def own_memory() -> float:
    """MiB of this process that are its own, or its share of what others have too."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def count_alive() -> int:
    return [member.status.lower() for member in pul.get_system().inner.members_view()].count("alive")


def actor(cls: type, place: int | None = None, **options: Any) -> Any:
    """One of Ray's actors, on one of the nodes."""
    resources = {} if place is None else {"resources": {f"place{place}": 0.01}}
    return ray.remote(cls).options(num_cpus=0, **resources, **options)


def wait_for_nodes(number: str) -> None:
    deadline = time.monotonic() + 60
    while sum(node["Alive"] for node in ray.nodes()) < int(number):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def three_nodes() -> dict[str, Any]:
    """One process on each node, all at once; the driver comes last."""
    members = [actor(Member, place).remote() for place in range(3)]
    addresses = ray.get([member.start.remote() for member in members])

    async def look() -> int:
        system = await pul.init_inside_ray()
        await wait_until(lambda: count_alive() == 4, LIMIT_S)
        await system.shutdown()
        return 4

    driver = asyncio.run(look())
    # What has left is not counted any more.
    seen = ray.get([member.wait_for.remote(3) for member in members])
    return {"hosts": [addr.rpartition(":")[0] for addr in addresses], "seen": seen, "driver": driver}


def many_at_once() -> dict[str, Any]:
    """Twelve processes, none of which can know of another, and each asks twice."""
    members = [actor(Member).remote() for _ in range(12)]
    same = ray.get([member.start_twice.remote() for member in members])
    return {"same": all(same), "seen": sorted(set(ray.get([member.wait_for.remote(12) for member in members])))}


def mounted() -> dict[str, Any]:
    """Objects of Ray actors on two nodes are called from a third process, and from each other."""
    plain = actor(Counter, 1).remote("plain")
    later = actor(Later, 2).remote("later")
    hosts = [ray.get(plain.where.remote()), ray.get(later.where_later.remote())]
    member = actor(Member, 0).remote()
    ray.get(member.start.remote())
    through_links = [ray.get(member.ask.remote("plain")), ray.get(member.ask.remote("later"))]
    through_ray = [ray.get(plain.incr.remote()), ray.get(later.incr.remote())]
    return {"hosts": [host.rpartition(":")[0] for host in hosts], "links": through_links, "ray": through_ray}


def after_a_crash() -> dict[str, Any]:
    """The first process is killed; whoever comes later must not hang on its address."""
    first = actor(Counter, max_restarts=0).remote("first")
    second = actor(Member).remote()
    ray.get(second.start.remote())
    os.kill(ray.get(first.pid.remote()), signal.SIGKILL)
    third = actor(Member).remote()
    ray.get(third.start.remote())
    return {"seen": ray.get([member.wait_for.remote(2) for member in (second, third)])}


def registry_killed() -> dict[str, Any]:
    """The registry loses its memory: members tell it who they are and what their secret is."""
    first = actor(Member).remote()
    ray.get(first.start.remote())
    registry = find_registry(CLUSTER)
    before = ray.get(registry.peers.remote())
    ray.kill(registry, no_restart=False)
    second = actor(Member).remote()
    ray.get(second.start.remote())
    return {"before": len(before), "seen": ray.get([member.wait_for.remote(2) for member in (first, second)])}


def cleaned() -> dict[str, Any]:
    """After a clean-up the next one begins a cluster of its own; doing it twice is no error."""

    async def start() -> int:
        await pul.init_inside_ray()
        alive = count_alive()
        await pul.shutdown()
        return alive

    member = actor(Member).remote()
    ray.get(member.start.remote())
    pul.cleanup_ray()
    pul.cleanup_ray()
    gone = False
    try:
        ray.get_actor(f"registry:{CLUSTER}:1", namespace=NAMESPACE)
    except ValueError:
        gone = True
    alone = asyncio.run(start())
    return {"gone": gone, "alone": alone}


def left() -> dict[str, Any]:
    """A system that is shut down is taken out at once."""

    async def start() -> None:
        await pul.init_inside_ray()
        await pul.shutdown()

    asyncio.run(start())
    return {"known": ray.get(find_registry(CLUSTER).peers.remote())}


def without_the_token() -> dict[str, Any]:
    """What Ray and we say where Ray does not let this process in."""
    found: dict[str, Any] = {"ours": []}
    try:
        connect()
    except Exception as error:
        found["ray"] = type(error).__name__

    async def place() -> None:
        async with await pul.actor_system() as system:
            await Worker.spawn(placement="ray", system=system)

    for start in (init_in_ray, lambda: asyncio.run(place())):
        try:
            start()
        except (RuntimeError, pul.PulsingRuntimeError) as error:
            found["ours"].append(str(error))
    return found


def with_a_passphrase() -> dict[str, Any]:
    """A passphrase takes the place of the secret that Ray hands out."""

    async def start() -> str:
        await pul.init_inside_ray()
        mode = str(pul.get_system().inner.credentials.mode)
        await pul.shutdown()
        return mode

    os.environ["PULSING_PASSPHRASE"] = "correct horse battery staple of a test"
    mode = asyncio.run(start())
    del os.environ["PULSING_PASSPHRASE"]
    member = actor(Member).remote()
    ray.get(member.start.remote())
    os.environ["PULSING_PASSPHRASE"] = "correct horse battery staple of a test"
    try:
        asyncio.run(start())
    except pul.PulsingRuntimeError as error:
        return {"mode": mode, "error": type(error).__name__, "initialised": pul.is_initialized()}
    return {"mode": mode, "error": None}


def placed() -> dict[str, Any]:
    """An actor of ours in a process that Ray places: called, killed, restarted, ended."""

    async def use() -> dict[str, Any]:
        system = (await pul.init()).inner
        resources = {"num_cpus": 1, "resources": {"place1": 0.1}}
        chosen = Worker.with_options(resources=resources, restart_policy="on-failure", min_backoff=0.05)
        worker = await chosen.spawn(10, name="worker", placement="ray")
        calls = [await worker.add(1), await worker.add(2)]
        first = await worker.pid()
        host = next(member.addr for member in system.members_view() if member.node_id != system.node_id)
        os.kill(first, signal.SIGKILL)
        await wait_until(lambda: not Path(f"/proc/{first}").exists(), LIMIT_S)
        again = await worker.add(1)
        second = await worker.pid()
        labelled = await Worker.with_options(resources={"label_selector": {"zone": "z2"}}).spawn(placement="ray")
        labelled_too = await labelled.add(7)
        detached = await Worker.with_options(resources={"lifetime": "detached"}).spawn(placement="ray")
        third = await detached.pid()
        await system.stop("worker")
        await wait_until(lambda: not Path(f"/proc/{second}").exists(), LIMIT_S)
        await pul.shutdown()
        await wait_until(lambda: not Path(f"/proc/{third}").exists(), LIMIT_S)
        return {
            "calls": calls,
            "host": host.rpartition(":")[0],
            "again": again,
            "another": first != second,
            "labelled": labelled_too,
        }

    return asyncio.run(use())


def hooked() -> dict[str, Any]:
    """What workers see in which nothing of ours was called but the hook of Ray's, and an actor placed in such a one."""
    watchers = [actor(Watcher).remote() for _ in range(2)]
    seen = ray.get([watcher.look.remote() for watcher in watchers])

    async def place() -> int:
        await pul.init_inside_ray()
        worker = await Worker.spawn(placement="ray")
        answer: int = await worker.add(7)
        await pul.shutdown()
        return answer

    return {"seen": seen, "placed": asyncio.run(place())}


def infeasible() -> list[str]:
    """What no node of this Ray has is refused at once."""

    async def refused(resources: dict[str, Any]) -> str:
        try:
            await Worker.with_options(resources=resources).spawn(placement="ray")
        except pul.PulsingRuntimeError as error:
            return str(error)
        return "placed"

    async def ask() -> list[str]:
        await pul.init()
        asked: list[dict[str, Any]] = [{"num_gpus": 1}, {"num_cpus": 1000}, {"colour": "red"}, {"node_id": "f" * 56}]
        told = [await refused(resources) for resources in asked]
        await pul.shutdown()
        return told

    return asyncio.run(ask())


def programs() -> dict[str, Any]:
    """Programs with resources, from a process of Ray's: it finds the place, and has it back when they end."""
    os.environ["USE_POLSING_SUBPROCESS"] = "1"
    init_in_ray()
    free = ray.available_resources()["CPU"]
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True, "resources": {"num_cpus": 2, "place1": 0.1}}
    with subprocess.Popen(["sh", "-c", "echo $OMP_NUM_THREADS; read end"], stdin=subprocess.PIPE, **options) as program:
        assert program.stdout is not None
        threads = program.stdout.readline().strip()
        host = next(m.addr for m in pul.get_system().inner.members_view() if m.node_id == program.node_id)
        program.communicate("end\n", timeout=LIMIT_S)
    errors = []
    for command, resources in ((["no-such-program"], {"num_cpus": 0}), (["true"], {"num_gpus": 1})):
        try:
            subprocess.run(command, resources=resources)
        except (OSError, pul.PulsingRuntimeError) as error:
            errors.append(str(error))
    deadline = time.monotonic() + LIMIT_S
    while ray.available_resources()["CPU"] < free and time.monotonic() < deadline:
        time.sleep(0.1)
    given_back = ray.available_resources()["CPU"] == free
    run_sync(pul.shutdown())
    return {
        "threads": threads,
        "host": host.rpartition(":")[0],
        "code": program.returncode,
        "errors": errors,
        "given back": given_back,
    }


def held() -> None:
    """A program whose caller waits for it to end; prints its number first."""
    os.environ["USE_POLSING_SUBPROCESS"] = "1"
    init_in_ray()
    resources = {"num_cpus": 0, "place1": 0.1}
    program = subprocess.Popen(
        ["sh", "-c", "echo $$; sleep 300"], stdout=subprocess.PIPE, text=True, resources=resources
    )
    assert program.stdout is not None
    print(program.stdout.readline(), end="", flush=True)
    program.wait()


def mirrored() -> list[str]:
    """The lines of ours among the metrics that Ray exports for one node."""
    counter = actor(Counter, 1).remote("counter")
    member = actor(Member, 0).remote()
    ray.get([counter.where.remote(), member.start.remote()])
    ray.get(member.ask.remote("counter"))
    [node] = [node for node in ray.nodes() if node["NodeManagerAddress"] == HOSTS[1]]
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    deadline = time.monotonic() + 2 * LIMIT_S
    while True:
        with urllib.request.urlopen(url, timeout=LIMIT_S) as page:
            lines = [line for line in page.read().decode().splitlines() if line.startswith("ray_pulsing_")]
        if any("actor_messages_total" in line for line in lines) or time.monotonic() > deadline:
            del counter
            return lines
        time.sleep(0.5)


def mirrors() -> list[bool]:
    """Whether processes keep Ray's metrics like ours: as usual, and where a setting says no."""
    off = {"env_vars": {"PULSING_METRICS_RAY_MIRROR": "false"}}
    members = [actor(Member).remote(), actor(Member, runtime_env=off).remote()]
    found: list[bool] = ray.get([member.mirrors.remote() for member in members])
    return found


def placed_call() -> list[tuple[float, float]]:
    """Seconds of a call to an actor that Ray placed, and of one to an actor of Ray's, in three rounds."""

    async def compare() -> list[tuple[float, float]]:
        await pul.init_inside_ray()
        worker = await Worker.spawn(placement="ray")
        other = actor(Plain).remote()
        rounds = [(await timed(lambda: worker.add(1)), await timed(lambda: other.add.remote(1))) for _ in range(3)]
        await pul.shutdown()
        return rounds

    return asyncio.run(compare())


def figures() -> dict[str, Any]:
    """What a node costs inside a worker, and a call beside one of Ray's."""
    first, member = actor(Member).remote(), actor(Member).remote()
    ray.get(first.start.remote())
    memory, seconds = ray.get(member.measure_start.remote())
    counter = actor(Counter).remote("counter")

    async def compare() -> list[tuple[float, float]]:
        await pul.init_inside_ray()
        proxy = (await pul.resolve("counter", timeout=LIMIT_S)).as_any()
        rounds = []
        for _ in range(3):
            ours = await timed(lambda: proxy.incr())
            rays = await timed(lambda: counter.incr.remote())
            rounds.append((ours, rays))
        await pul.shutdown()
        return rounds

    return {"memory": memory, "seconds": seconds, "calls": asyncio.run(compare())}


async def timed(call: Callable[[], Any], number: int = 300) -> float:
    """Seconds a call takes, one after the other."""
    for _ in range(20):
        await call()
    began = time.perf_counter()
    for _ in range(number):
        await call()
    return (time.perf_counter() - began) / number


def connect(**options: Any) -> None:
    ray.init(_node_ip_address=HOSTS[0], log_to_driver=False, logging_level="error", **options)


def main(program: str, *args: str) -> None:
    if program == "without_the_token":
        print(json.dumps(without_the_token()))
        return
    hook = {"worker_process_setup_hook": "pulsing.integrations.ray.init_in_ray"}
    connect(**({"runtime_env": hook} if program == "hooked" else {}))
    try:
        pul.cleanup_ray()
        result = globals()[program](*args)
    finally:
        ray.shutdown()
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
