"""How a process inside Ray gets into the cluster, and stays known to those who come later."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import Any

from pulsing.config import SystemConfig, config_from
from pulsing.core.system import System
from pulsing.exceptions import AuthFailed, PulsingTimeoutError
from pulsing.integrations.ray.mirror import Mirror
from pulsing.integrations.ray.registry import BEAT_S, find_registry
from pulsing.logs import logger_of
from pulsing.node import Node
from pulsing.node.credentials import Credentials, Secret
from pulsing.runtime import ActorSystem, start_system
from pulsing.transport.address import join_address
from pulsing.transport.threads import in_own_thread

logger = logger_of("pulsing.ray")

ANSWER_TIMEOUT_S = 30.0
"""How long Ray may take to start the registry; a cold worker takes a few seconds."""
JOIN_TIMEOUT_S = 3.0
"""How long to wait for a member that is slow to answer."""
REFUSED_S = 1.0
"""If the first round of dials has ended sooner and in vain, nobody listens at any of the addresses."""
GOODBYE_TIMEOUT_S = 1.0
_ASK_AGAIN_S = 0.5


async def start_in_ray() -> ActorSystem:
    """Start a system on the interface by which Ray reaches this process, and join those that are registered."""
    import ray
    import ray.util.metrics

    config = config_from(addr=join_address(ray.util.get_node_ip_address(), 0))
    # One dashboard in each worker would be more than anybody looks at; members show up in that of any other node.
    config = replace(config, admin=bool(config.admin))
    registry = await in_own_thread("pulsing-ray", lambda: find_registry(config.cluster))
    token = None if _has_own_secret(config) else await _common_secret(registry)
    system = await start_system(config, before_joining=lambda inner: _give_secret(inner, token, config.cluster))
    try:
        entry = Entry(system.inner, registry, token)
        await entry.join()
        if config.settings is None or config.settings["metrics.ray_mirror"].value:
            system.inner.tasks.start(Mirror(system.inner, ray.util.metrics).run(_ray_runs), "metrics for Ray")
    except BaseException:
        await system.inner.shutdown(drain=0)
        raise
    return system


def _has_own_secret(config: SystemConfig) -> bool:
    return any((config.passphrase, config.passphrase_file, config.token_file, config.insecure))


async def _common_secret(registry: Any) -> bytes:
    async def ask() -> bytes:
        while True:
            token: bytes | None = await registry.secret.remote()
            if token is not None:
                return token
            await asyncio.sleep(_ASK_AGAIN_S)

    token: bytes = await _answer(ask())
    return token


def _give_secret(system: System, token: bytes | None, cluster: str) -> None:
    if token is not None:
        system.credentials = Credentials("token", [Secret(token)], cluster)


async def _answer(reply: Any, timeout: float = ANSWER_TIMEOUT_S) -> Any:
    try:
        return await asyncio.wait_for(reply, timeout)
    except asyncio.TimeoutError:
        raise PulsingTimeoutError("asking Ray for the other processes", int(timeout * 1000)) from None


class Entry:
    """What the registry knows of one system, kept fresh as long as that runs.

    Args:
        system: the system.
        registry: the handle of Ray's actor.
        token: the common secret, None where the settings name another.
    """

    def __init__(self, system: System, registry: Any, token: bytes | None) -> None:
        self._system = system
        self._registry = registry
        self._record = {"addr": system.addr, "token": token}
        self._worker = secrets.token_hex(8)
        self._epoch = ""

    async def join(self) -> None:
        """Register, join through all that are known, and see to it that this stays so.

        Raises:
            AuthFailed: the others use another secret.
        """
        members = await self._register()
        self._system.leaving.append(self._drop)
        self._system.tasks.start(self._keep_known(), "ray registry")
        if members and not await self._join_through(members):
            logger.warning("no process answers of those that Ray's registry knows: %s", ", ".join(members))

    async def _register(self) -> list[str]:
        answer = await _answer(self._registry.register.remote(self._worker, self._record))
        if not answer["agree"]:
            hint = "processes of this Ray cluster were given another secret while this one was away: start it anew"
            raise AuthFailed(self._system.addr, hint)
        self._epoch = answer["epoch"]
        members: list[str] = answer["members"]
        return members

    async def _join_through(self, members: list[str]) -> bool:
        join, began = self._system.join_through, self._system.now()
        assert join is not None
        # Those who are gone refuse at once; those who are only slow get time.
        if await join(members, None) or (
            self._system.now() - began > REFUSED_S and await join(members, JOIN_TIMEOUT_S)
        ):
            return True
        node = self._system.router
        if isinstance(node, Node) and (failure := node.auth_failure) is not None:
            raise AuthFailed(failure.addr, failure.hint)
        return False

    async def _keep_known(self) -> None:
        while _ray_runs():
            await asyncio.sleep(BEAT_S)
            try:
                if _ray_runs() and not await _answer(self._registry.beat.remote(self._worker, self._epoch)):
                    await self._register_again()
            except PulsingTimeoutError as error:
                logger.warning("this process may be unknown to those who start next: %s", error)
            except Exception as error:
                # Ray's own, of which there are many: the registry was cleaned up, or Ray was shut down.
                logger.info("no longer known to Ray's registry: %s", str(error).partition("\n")[0])
                return

    async def _register_again(self) -> None:
        """Those who came between the registry's death and now may not have heard of each other."""
        members = await self._register()
        if members and self._system.join_through is not None:
            await self._system.join_through(members, JOIN_TIMEOUT_S)

    async def _drop(self) -> None:
        if not _ray_runs():
            return
        try:
            await _answer(self._registry.drop.remote(self._worker), GOODBYE_TIMEOUT_S)
        except Exception as error:
            logger.debug("leaving without telling Ray's registry: %s", str(error).partition("\n")[0])


def _ray_runs() -> bool:
    """Asking a handle when Ray has been shut down would start a new Ray."""
    import ray

    return bool(ray.is_initialized())
