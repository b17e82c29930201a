"""What happens to the book of a consumer group, and what is to be done about it: the words of `ledger`."""

from __future__ import annotations

from dataclasses import dataclass

# --- what happens ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """A member says that it is there."""

    consumer: str
    token: int
    """tells apart two readers with the same consumer id"""
    ack_wait: float
    max_deliver: int
    joins: bool = False
    """takes over from a reader with the same consumer id"""


@dataclass(frozen=True, slots=True)
class Borrow:
    """A member wants records."""

    consumer: str
    limit: int
    earliest: int
    """the oldest offset that there is"""
    end: int
    """the offset that the next record gets"""


@dataclass(frozen=True, slots=True)
class Ack:
    """A loan is done with."""

    offset: int
    loan: int


@dataclass(frozen=True, slots=True)
class Nack:
    """A loan comes back, to be lent again after `delay` seconds."""

    offset: int
    loan: int
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Extend:
    """A loan is to last for another `ack_wait`."""

    offset: int
    loan: int


@dataclass(frozen=True, slots=True)
class Undo:
    """What was lent could not be handed over, and does not count as a delivery."""

    offset: int
    loan: int
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Buried:
    """A record is in the dead queue and needs no reader any more."""

    offset: int


@dataclass(frozen=True, slots=True)
class Leave:
    """A member goes."""

    consumer: str
    token: int


@dataclass(frozen=True, slots=True)
class Seek:
    """The group is to go on from an offset; everything on loan is forgotten."""

    consumer: str
    offset: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = Report | Borrow | Ack | Nack | Extend | Undo | Buried | Leave | Seek | Tick

# --- what is to be done ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lend:
    """Hand a record to the member that asked."""

    offset: int
    loan: int
    count: int
    """its deliveries with this one"""


@dataclass(frozen=True, slots=True)
class Bury:
    """Put a record into the dead queue, then say that it is `Buried`."""

    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Records that the group had not acknowledged are gone: tell the member that asked."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The event was in order. Without this effect it was too late, or nobody's to say."""


@dataclass(frozen=True, slots=True)
class Save:
    """The committed offset has changed."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Members that wait may find something now."""


Effect = Lend | Bury | Lost | Accepted | Save | Wake
