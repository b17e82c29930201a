"""`placement="ray"`: Ray finds the place for a process and starts it, and has no part in what comes then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pulsing.exceptions import PulsingRuntimeError
from pulsing.integrations.ray.resources import check_feasible, in_words_of_ray
from pulsing.integrations.ray.token import HINT, explained
from pulsing.placement import Launch
from pulsing.transport.threads import in_own_thread

PLACE_TIMEOUT_S = 25.0
"""How long Ray may look for a place: less than a process may take altogether, so that this error comes first."""


class RayLauncher:
    """Starts processes on the nodes of the Ray cluster to which this process belongs."""

    @property
    def host(self) -> str:
        """The interface by which other nodes of Ray's reach this process."""
        address: str = _running_ray().util.get_node_ip_address()
        return address

    async def launch(self, wanted: Launch) -> RayProcess:
        """Start a process with the resources that are wanted, once Ray has them free.

        Raises:
            PulsingRuntimeError: Ray is not running here, no node could ever have them, or none has within 25 s.
            AuthFailed: Ray refuses this process for want of its token.
        """
        with explained():
            return await self._launch(wanted)

    async def _launch(self, wanted: Launch) -> RayProcess:
        ray = _running_ray()
        resources = in_words_of_ray(wanted.resources)
        await in_own_thread("pulsing-ray", lambda: check_feasible(resources, ray.nodes()))
        host = await in_own_thread("pulsing-ray", lambda: _start_host(resources))
        try:
            pid = await asyncio.wait_for(host.pid.remote(), PLACE_TIMEOUT_S)
        except asyncio.TimeoutError:
            ray.kill(host, no_restart=True)
            raise PulsingRuntimeError(
                f"Ray has found no place for {wanted.label} within {PLACE_TIMEOUT_S:g} s: wanted "
                f"{_in_words(resources)}, free {_in_words(ray.available_resources())}"
            ) from None
        except asyncio.CancelledError:
            ray.kill(host, no_restart=True)
            raise
        except Exception as error:
            raise PulsingRuntimeError(f"Ray cannot start a process for {wanted.label}: {error}") from error
        return RayProcess(host, pid, wanted.bootstrap)


class RayProcess:
    """A process that Ray has started."""

    def __init__(self, host: Any, pid: int, bootstrap: bytes) -> None:
        self._host = host
        self._pid = pid
        here = _running_ray().get_runtime_context().get_node_id()
        self._served = asyncio.ensure_future(host.serve.remote(bootstrap, here))

    @property
    def pid(self) -> int:
        return self._pid

    async def wait(self) -> str:
        import ray

        await asyncio.wait([self._served])
        error = None if self._served.cancelled() else self._served.exception()
        if isinstance(error, ray.exceptions.RayTaskError):
            return f"ended: {error.cause}"
        return "ended" if error is None else _first_words(error)

    def terminate(self) -> None:
        if _runs():
            self._host.end.remote()

    def kill(self) -> None:
        if _runs():
            _running_ray().kill(self._host, no_restart=True)


def _start_host(wanted: Mapping[str, Any]) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # The node of an actor is wanted in its own process, not in one that only asks for it.
    from pulsing.integrations.ray.host import Host

    options = {key: value for key, value in wanted.items() if key != "node_id"}
    if "node_id" in wanted:
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(wanted["node_id"], soft=False)
    # Our supervisor restarts the actor: a process that Ray restarted would know nothing of it.
    options = {"num_cpus": 1, **options, "max_restarts": 0, "max_task_retries": 0, "max_concurrency": 4}
    try:
        return ray.remote(Host).options(**options).remote()
    except (ValueError, TypeError) as error:
        raise PulsingRuntimeError(f"Ray does not take these resources: {error}") from error


def _running_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise PulsingRuntimeError("placement='ray' needs Ray: pip install 'pulsing[ray]'") from error
    if not ray.is_initialized():
        raise PulsingRuntimeError(f"placement='ray' needs a running Ray: call ray.init() first; {HINT}")
    return ray


def _runs() -> bool:
    """Whether Ray is still there; it ends its processes itself when it is shut down."""
    import ray

    return bool(ray.is_initialized())


def _in_words(resources: Mapping[str, Any]) -> str:
    shown = {key: value for key, value in resources.items() if ":" not in key}
    return ", ".join(f"{key}={value}" for key, value in shown.items()) or "nothing"


def _first_words(error: BaseException) -> str:
    """How Ray says it, without its advice of several lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"ended, as Ray says: {lines[0] if lines else type(error).__name__}"
