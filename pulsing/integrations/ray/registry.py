"""Where processes of one Ray cluster find the first address: a named actor of Ray that outlives the jobs.

It only bootstraps. Whoever has joined learns of the others from the others, so its death costs nothing but that nobody
new gets in until Ray has started it again.
"""

from __future__ import annotations

import secrets
import time
import warnings
from collections.abc import Callable
from typing import Any

from pulsing.wire.handshake import VERSIONS

NAMESPACE = "pulsing"
BEAT_S = 10.0
"""How often a process says that it is alive."""
TTL_S = 3.5 * BEAT_S
"""How long an address is handed out after it was last heard of."""
GRACE_S = 1.5 * BEAT_S
"""How long a registry that has lost its memory waits for a member to tell the secret, before it makes a new one."""
_ATTEMPTS = 3
"""Ray has had races between those who make the same named actor."""


class Registry:
    """Keeps the addresses of live processes and the secret of their links.

    Plain values only: another job may run another version of this code.
    """

    def __init__(self, restarted: bool | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._epoch = secrets.token_hex(8)
        self._token: bytes | None = None
        self._members: dict[str, tuple[str, float]] = {}
        restarted = _was_restarted() if restarted is None else restarted
        self._may_decide_at = now() + GRACE_S if restarted else now()

    def secret(self) -> bytes | None:
        """The common secret, made for the first who asks; None as long as members of an earlier life may tell it."""
        if self._token is None and self._now() >= self._may_decide_at:
            self._token = secrets.token_bytes(32)
        return self._token

    def register(self, worker: str, record: dict[str, Any]) -> dict[str, Any]:
        """Take in a process with its `addr`, and its `token` if it uses the common secret.

        Returns:
            The `epoch` of this registry's life, the addresses of the other `members`, and whether all `agree` on the
            secret; one that does not is not taken in.
        """
        token = record.get("token")
        if token is not None:
            self._token = self._token or token
        if token is not None and token != self._token:
            return {"epoch": self._epoch, "members": [], "agree": False}
        others = self.peers()
        self._members[worker] = (record["addr"], self._now() + TTL_S)
        return {"epoch": self._epoch, "members": [addr for addr in others if addr != record["addr"]], "agree": True}

    def beat(self, worker: str, epoch: str) -> bool:
        """Note that a process lives; False if it has to register again."""
        known = self._members.get(worker)
        if epoch != self._epoch or known is None:
            return False
        self._members[worker] = (known[0], self._now() + TTL_S)
        return True

    def drop(self, worker: str) -> None:
        """Forget a process."""
        self._members.pop(worker, None)

    def peers(self) -> list[str]:
        """The addresses of all processes that were heard of lately."""
        now = self._now()
        self._members = {worker: known for worker, known in self._members.items() if known[1] > now}
        return [addr for addr, _ in self._members.values()]

    def clear(self) -> None:
        """Forget all processes, but not their secret."""
        self._members.clear()


def find_registry(cluster: str) -> Any:
    """The handle of a cluster's registry, which is started if there is none. Blocks while Ray does that."""
    import ray

    options = {
        "name": _name(cluster),
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "num_cpus": 0,
        "max_restarts": -1,
        "max_task_retries": -1,
        "scheduling_strategy": _preferring_head(),
    }
    for attempt in range(_ATTEMPTS):
        try:
            return ray.remote(Registry).options(**options).remote()
        except ValueError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def end_registry() -> None:
    """End the registry of the cluster that the settings name, for good."""
    import ray

    from pulsing.config import config_from

    try:
        handle = ray.get_actor(_name(config_from().cluster), namespace=NAMESPACE)
    except ValueError:
        return
    ray.kill(handle, no_restart=True)


def _name(cluster: str) -> str:
    return f"registry:{cluster}:{VERSIONS[1]}"


def _preferring_head() -> Any:
    """The head node dies with Ray anyway; other nodes come and go."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    heads = [node["NodeID"] for node in ray.nodes() if "node:__internal_head__" in node.get("Resources", {})]
    return NodeAffinitySchedulingStrategy(heads[0], soft=True) if heads else "DEFAULT"


def _was_restarted() -> bool:
    import ray

    with warnings.catch_warnings():
        # Ray's property uses another one that Ray has deprecated.
        warnings.simplefilter("ignore")
        return bool(ray.get_runtime_context().was_current_actor_reconstructed)
