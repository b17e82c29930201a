"""The cluster's directory of names, as core asks for it."""

from __future__ import annotations

from pulsing.cluster.cluster import Cluster
from pulsing.cluster.directory import Instance as Found
from pulsing.cluster.names import Entry
from pulsing.core.registry import Instance
from pulsing.ids import ActorId, NodeId


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
            metadata={key: info[key] for key in ("kind", "card") if key in info},
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


def _instance(found: Found) -> Instance:
    entry = found.entry
    info = {"class": entry.class_name, "module": entry.module, "file": entry.file, **entry.metadata}
    leaving = found.member.status == "leaving"
    return Instance(found.path, ActorId(entry.actor_id), NodeId(found.node_id), info, leaving)
