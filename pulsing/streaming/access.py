"""The way from a handle to the buckets of its queue: how the queue is set up, where each bucket is, and where now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pulsing.core import ActorRef
from pulsing.core.system import System
from pulsing.exceptions import ActorStopped, NotOwner
from pulsing.streaming.finding import GONE, MAX_REDIRECTS, ask_manager, get_bucket_ref
from pulsing.streaming.manager import local_manager
from pulsing.streaming.ownership.catalogue import QueueDiffers, QueueSettings
from pulsing.streaming.ownership.takeover import shares_calls

CALL_TIMEOUT_S = 30.0
LOOK_AGAIN_S = 20.0
"""How long a reader lets its node wait for a queue that nobody has written to, before it looks for itself."""


class QueueAccess:
    """What a handle knows of its queue's buckets; it follows them when they move.

    Args:
        system: the system to work from.
        topic: name of the queue.
        num_buckets: how many buckets there are.
        settings: what the handle wants, or expects, of the queue.
    """

    def __init__(self, system: Any, topic: str, num_buckets: int, settings: QueueSettings) -> None:
        self.topic = topic
        self.num_buckets = num_buckets
        self._inner: System = getattr(system, "inner", system)
        self._settings = settings
        self._settled = False
        self._shares_calls = False
        """whether single records that come together are put by one call"""
        self._buckets: dict[int, ActorRef] = {}

    async def is_set_up(self) -> bool:
        """Whether somebody has put anything into the queue, or set it up."""
        return self._settled or await self._find()

    async def follow(
        self,
        bucket_id: int,
        method: str,
        args: tuple[Any, ...],
        args_after_move: tuple[Any, ...] | None = None,
        timeout: float = CALL_TIMEOUT_S,
    ) -> Any:
        """Call a method that may be called twice of a bucket, wherever it is now; None while there is no queue."""
        if not await self.is_set_up():
            return None
        lost: Exception | None = None
        for _ in range(MAX_REDIRECTS + 1):
            ref = self._buckets.get(bucket_id) or await self._locate(bucket_id)
            try:
                return await ref.request(method, args, None, timeout)
            except GONE as error:
                self._forget(bucket_id)
                if has_failed(error):
                    raise
                if not await self._find():
                    return None
                args = args if args_after_move is None else args_after_move
                lost = error
        raise self._not_found(bucket_id, lost) from lost

    async def existing_buckets(self) -> list[int]:
        """The buckets that some live node holds, and of a queue in a server all."""
        if not await self.is_set_up():
            return []
        existing: list[int] = await ask_manager(self._inner, "existing_buckets", self.topic)
        return existing

    async def call_bucket(self, bucket_id: int, method: str, *args: Any) -> Any:
        """Call a method that may be called twice of a bucket that there is, wherever it is now."""
        answer = await self.follow(bucket_id, method, args)
        if answer is None:
            resource = f"bucket {bucket_id} of {self.topic}"
            raise NotOwner(resource, message=f"{resource} is gone: the queue was deleted")
        return answer

    def check_bucket(self, bucket_id: int) -> None:
        """Raise ValueError unless the queue has the bucket."""
        if isinstance(bucket_id, bool) or not isinstance(bucket_id, int) or not 0 <= bucket_id < self.num_buckets:
            raise ValueError(f"queue {self.topic!r} has buckets 0 to {self.num_buckets - 1}, not {bucket_id!r}")

    def reads_only(self) -> None:
        """Have no opinion on the bucket column, which is the writers' business."""
        self._settings = replace(self._settings, bucket_column=None)

    def check_known(self) -> None:
        """Raise ValueError if this node knows that the queue was set up otherwise."""
        known = local_manager(self._inner).catalogue.settings(self.topic)
        if known is not None:
            self._compare(known, self._settings)

    async def wait_set_up(self, timeout: float) -> None:
        """Wait a while for the first put, `timeout` seconds at most."""
        timeout = min(timeout, LOOK_AGAIN_S)
        await ask_manager(self._inner, "wait_set_up", self.topic, self._settings.to_dict(), timeout)

    async def _settle(self) -> None:
        """Fix the settings of the queue, or check them against those that are fixed."""
        self._allow_folder()
        fixed = QueueSettings.from_dict(await ask_manager(self._inner, "declare", self.topic, self._settings.to_dict()))
        self._compare(fixed, self._settings)
        self._shares_calls = shares_calls(fixed)
        self._settled = True

    async def _find(self) -> bool:
        """Check the settings if the queue has any; reading creates no queue."""
        self._allow_folder()
        fields = await ask_manager(self._inner, "lookup", self.topic, self._settings.to_dict())
        if fields is None:
            return False
        fixed = QueueSettings.from_dict(fields)
        self._compare(fixed, self._settings)
        self._shares_calls = shares_calls(fixed)
        self._settled = True
        return True

    def _allow_folder(self) -> None:
        manager = local_manager(self._inner)
        if self._settings.storage_path is not None:
            manager.folders.allow(self._settings.storage_path)

    def _compare(self, fixed: QueueSettings, wanted: QueueSettings) -> None:
        difference = fixed.difference(wanted)
        if difference is not None:
            raise QueueDiffers(self.topic, difference)

    async def _locate(self, bucket_id: int) -> ActorRef:
        settings = self._settings
        proxy = await get_bucket_ref(
            self._inner,
            self.topic,
            bucket_id,
            settings.batch_size,
            settings.storage_path,
            settings.backend,
            settings.backend_options,
        )
        self._buckets[bucket_id] = proxy.ref
        return proxy.ref

    def _forget(self, bucket_id: int) -> None:
        self._buckets.pop(bucket_id, None)
        self._settled = False

    def _not_found(self, bucket_id: int, error: Exception | None) -> NotOwner:
        resource = f"bucket {bucket_id} of {self.topic}"
        return NotOwner(resource, message=f"Too many redirects for {resource}: {error}")


def has_failed(error: Exception) -> bool:
    """Whether the bucket's actor could not go on: another one would fail in the same way."""
    return isinstance(error, ActorStopped) and error.reason in ("failed", "restart_limit")
