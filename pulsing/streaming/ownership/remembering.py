"""Where it is remembered how queues were set up when all nodes have gone: beside their files, or in their server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pulsing.streaming.ownership.catalogue import Holding, QueueSettings
from pulsing.streaming.ownership.folders import Folders
from pulsing.streaming.ownership.keepers import place_of, store_of
from pulsing.streaming.ownership.takeover import Takeover, store_options


class SettingsKeeper(Protocol):
    """What the server of a store knows of one queue; see `settings_keeper` of the store's class."""

    async def recall(self) -> dict[str, Any] | None:
        """The settings as they were kept; None if there are none."""
        ...

    async def keep(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Keep settings unless there are some; returns those that hold."""
        ...

    async def forget(self) -> None:
        """Remove the settings of a queue that has been deleted."""
        ...


class Remembering:
    """What outlives this node.

    Args:
        folders: where this node's stores keep their files.
    """

    def __init__(self, folders: Callable[[], Folders]) -> None:
        self._folders = folders

    async def recall(self, topic: str, asked: QueueSettings) -> QueueSettings | None:
        """The settings of a queue of which nobody has told, where somebody who opens it says that it is; or None.

        Raises:
            PulsingRuntimeError: the server is away, or the folder cannot be read.
        """
        keeper = self._keeper(topic, asked)
        if keeper is not None:
            kept = await keeper.recall()
            return None if kept is None else QueueSettings.from_dict(kept)
        folders = self._folders()
        folder = folders.of(topic, asked.storage_path)
        if asked.storage_path is None and not (folders.is_unread(folder) and _keeps_files(asked)):
            return None  # those below the base were found when the node started
        return folders.recall(folder, topic) if folders.allows(folder) else None

    def noted(self, topic: str, asked: QueueSettings) -> dict[int, Holding]:
        """Who had the buckets of a queue that was recalled."""
        folders = self._folders()
        return {} if self._keeper(topic, asked) else folders.noted(folders.of(topic, asked.storage_path))

    async def keep(self, topic: str, settings: QueueSettings) -> QueueSettings:
        """Keep the settings of a queue in its server, if it has one, unless there are some; returns those that hold.

        Raises:
            PulsingRuntimeError: the server is away, or promises less than it must.
        """
        keeper = self._keeper(topic, settings)
        return settings if keeper is None else QueueSettings.from_dict(await keeper.keep(settings.to_dict()))

    async def forget(self, topic: str, settings: QueueSettings) -> None:
        """Remove what was kept of a queue that is being deleted."""
        keeper = self._keeper(topic, settings)
        if keeper is not None:
            await keeper.forget()
        folders = self._folders()
        folders.forget(folders.of(topic, settings.storage_path))

    def _keeper(self, topic: str, settings: QueueSettings) -> SettingsKeeper | None:
        try:
            store = store_of(settings)
        except (ValueError, ImportError):
            return None  # those who are to own buckets must have the store, not whoever fixes the settings
        if not hasattr(store, "settings_keeper"):
            return None
        options = store_options(settings.backend_options)
        keeper: SettingsKeeper = store.settings_keeper(place_of(self._folders(), topic, settings), options)
        return keeper


def _keeps_files(settings: QueueSettings) -> bool:
    try:
        return Takeover.of(settings).is_file_based
    except (ValueError, ImportError):
        return False  # this node has no such store
