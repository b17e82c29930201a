"""What an actor may ask of Ray, and whether any node of the Ray cluster could ever give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pulsing.exceptions import PulsingRuntimeError

KNOWN = (
    *("num_cpus", "num_gpus", "memory", "resources", "label_selector", "accelerator_type"),
    *("runtime_env", "lifetime", "node_id"),
)
"""Ray's own words, and `node_id`, the id of the one node of Ray's that will do."""

_TOTALS = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
"""How Ray calls in its totals what it calls otherwise in requests."""


def in_words_of_ray(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is wanted as Ray says it: an amount of anything else is one of its custom resources.

    Raises:
        PulsingRuntimeError: Ray would not understand it, or it would change who restarts the process; says which words
            there are.
    """
    others = {name: amount for name, amount in wanted.items() if name not in KNOWN}
    unknown = sorted(name for name, amount in others.items() if not _is_amount(amount))
    if unknown:
        raise PulsingRuntimeError(
            f"placement='ray' knows no resource {', '.join(unknown)}; it knows {', '.join(KNOWN)}, and other amounts"
        )
    known = {word: value for word, value in wanted.items() if word in KNOWN}
    return {**known, "resources": {**others, **(known.get("resources") or {})}} if others else known


def check_feasible(wanted: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what no live node has, busy or not: Ray would wait for ever for one that has.

    Args:
        wanted: in Ray's words.
        nodes: as `ray.nodes()` lists them.

    Raises:
        PulsingRuntimeError: names what is missing and what there is.
    """
    totals = [node.get("Resources", {}) for node in nodes if node.get("Alive") and _may_be(node, wanted)]
    if not totals:
        raise PulsingRuntimeError(
            f"Ray has no live node {wanted['node_id']}" if "node_id" in wanted else "Ray has no nodes"
        )
    amounts = _amounts(wanted)
    if any(all(total.get(name, 0) >= amount for name, amount in amounts.items()) for total in totals):
        return
    most = {name: max(total.get(name, 0) for total in totals) for name in amounts}
    missing = ", ".join(
        f"{amount:g} {name} (the most on one node is {most[name]:g})" for name, amount in amounts.items()
    )
    raise PulsingRuntimeError(f"no node of this Ray cluster has together: {missing}")


def _may_be(node: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return wanted.get("node_id") in (None, node.get("NodeID"))


def _is_amount(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _amounts(wanted: Mapping[str, Any]) -> dict[str, float]:
    named = {total: wanted[word] for word, total in _TOTALS.items() if wanted.get(word)}
    return {**named, **(wanted.get("resources") or {})}
