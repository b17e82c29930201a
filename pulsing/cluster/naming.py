"""The cluster's directory of names, as core asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulsing.cluster.cluster import Cluster
from pulsing.cluster.directory import Instance as Found
from pulsing.cluster.messages import is_metadata
from pulsing.cluster.names import Entry
from pulsing.core.registry import Instance
from pulsing.ids import ActorId, NodeId

TEXT_BYTES = 1024
"""So much of each text of an agent's card is told to all nodes; its own node has the whole."""


class ClusterNames:
    """A name service over the directory of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._directory = cluster.directory

    def publish(self, instance: Instance) -> None:
        info = instance.info
        entry = Entry(
            actor_id=instance.actor_id.id,
            class_name=info.get("class", ""),
            module=info.get("module", ""),
            file=info.get("file", ""),
            public=True,
            metadata=_metadata(info),
        )
        self._directory.publish(instance.path, entry)

    def withdraw(self, path: str, actor_id: ActorId) -> None:
        self._directory.withdraw(path, actor_id.id)

    def instances(self, path: str) -> list[Instance]:
        return [_instance(found) for found in self._directory.lookup(path)]

    def paths(self) -> list[str]:
        return self._directory.paths()

    async def wait_for(self, path: str, timeout: float) -> bool:
        return await self._directory.wait_for(path, timeout) is not None


def _metadata(info: Mapping[str, Any]) -> dict[str, Any]:
    """What is told with a name: backstories may be whole prompts, and all nodes keep what is told."""
    metadata = {key: info[key] for key in ("kind", "card") if key in info}
    if not is_metadata(metadata):
        metadata["card"] = {key: _cut(value) for key, value in metadata["card"].items()}
    if not is_metadata(metadata):
        metadata["card"] = {**metadata["card"], "tags": {}}
    return metadata


def _cut(value: Any) -> Any:
    return value.encode()[:TEXT_BYTES].decode(errors="ignore") if isinstance(value, str) else value


def _instance(found: Found) -> Instance:
    entry = found.entry
    info = {"class": entry.class_name, "module": entry.module, "file": entry.file, **entry.metadata}
    leaving = found.member.status == "leaving"
    return Instance(found.path, ActorId(entry.actor_id), NodeId(found.node_id), info, leaving)
