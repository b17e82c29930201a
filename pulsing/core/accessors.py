"""What an actor's own code finds on `self`: `ref`, `system` and `delayed`, where the class has no such names itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pulsing.core.actor import ActorContext

if TYPE_CHECKING:
    from pulsing.core.life import Life


def inject(cell: Life) -> None:
    """Set them on the instance."""
    for name in cell.spec.injected:
        # Names that the instance has by now are its own.
        if not _has(cell.actor, name):
            try:
                setattr(cell.actor, name, _accessor(cell, name))
            except Exception:
                # A class with __slots__ or one that refuses new fields reaches them through current_actor().
                return


def take_back(cell: Life, actor: Any) -> None:
    """Remove them: the instance may be mounted or spawned again."""
    for name in cell.spec.injected:
        try:
            if _is_ours(cell, name, actor.__dict__.get(name)):
                delattr(actor, name)
        except Exception:
            # As when they were set: whatever an object does when it is looked at, its actor ends.
            return


def _has(actor: Any, name: str) -> bool:
    try:
        return hasattr(actor, name)
    except Exception:
        # Its `__getattr__` raises something else than AttributeError: KeyError, as a rule.
        return False


def _is_ours(cell: Life, name: str, value: Any) -> bool:
    if name == "delayed":
        return getattr(getattr(value, "__self__", None), "_cell", None) is cell
    return value is not None and value is _accessor(cell, name)


def _accessor(cell: Life, name: str) -> Any:
    if name == "ref":
        return cell.ref
    return cell.system.facade if name == "system" else ActorContext(cell).delayed  # type: ignore[arg-type]
