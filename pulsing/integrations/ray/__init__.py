"""Inside Ray: the processes of a Ray cluster find each other and form a cluster of their own.

Ray places and launches processes. It is never on the way of a call: those go over our own links.
"""

from __future__ import annotations

import threading
from typing import Any, cast

from pulsing.core.helpers import run_sync
from pulsing.integrations.ray.launcher import RayLauncher
from pulsing.integrations.ray.token import HINT, explained
from pulsing.integrations.sharing import shared_system
from pulsing.placement import register_launcher
from pulsing.runtime import ActorSystem, share_when_asked

INIT_TIMEOUT_S = 30.0


async def async_init_in_ray() -> ActorSystem:
    """Start the process-wide system on the running loop and join those of the other processes of this Ray cluster.

    The settings are those of `PULSING_…` variables and files. The secret is the passphrase or token file that they
    name, else one that the processes of this Ray cluster share: whoever can call actors of it can get that.

    Returns:
        The system; the one that there is, if there is one.

    Raises:
        ImportError: Ray is not installed.
        RuntimeError: `ray.init()` has not been called.
        AuthFailed: the other processes use another secret, or Ray refuses this process for want of its token.
        PulsingTimeoutError: Ray did not answer within 30 s.
    """
    _require_running()
    from pulsing.integrations.ray.joining import start_in_ray

    with explained():
        return await shared_system(start_in_ray)


def init_in_ray() -> ActorSystem:
    """The same for code that is not asynchronous; the system lives on a background loop.

    May be named as Ray's `worker_process_setup_hook`, which runs it in every worker, needed or not: the system
    is started when a task or actor there first asks for it, because Ray answers nobody before.

    Raises:
        TimeoutError: not within 30 s; and what `async_init_in_ray` raises.
    """
    _require_running()
    if _is_hook():
        share_when_asked(init_in_ray)
        # Nobody looks at what a hook returns.
        return cast("ActorSystem", None)
    return run_sync(async_init_in_ray(), timeout=INIT_TIMEOUT_S)


def cleanup() -> None:
    """Forget the cluster's entry in Ray, so that whoever starts next begins anew; nothing to do if there is none.

    Systems that run go on.

    Raises:
        ImportError: Ray is not installed.
        AuthFailed: Ray refuses this process for want of its token.
    """
    if _require_ray().is_initialized():
        from pulsing.integrations.ray.registry import end_registry

        with explained():
            end_registry()


register_launcher("ray", RayLauncher())


def _is_hook() -> bool:
    """Whether Ray calls this before it gives a worker its first task: it aborts a worker that asks others then."""
    import ray

    context = ray.get_runtime_context()
    is_worker = context.worker.mode == ray.WORKER_MODE and threading.current_thread() is threading.main_thread()
    return is_worker and not context.get_task_name()


def _require_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ImportError("pulsing.integrations.ray requires Ray: pip install 'pulsing[ray]'") from error
    return ray


def _require_running() -> None:
    if not _require_ray().is_initialized():
        raise RuntimeError(f"Ray not initialized, call ray.init() first, or run inside a Ray task or actor; {HINT}")


__all__ = ["async_init_in_ray", "cleanup", "init_in_ray"]
