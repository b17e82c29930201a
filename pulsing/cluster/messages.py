"""What members say to each other, and how it looks in bytes. Whatever else arrives is a `BadMessage`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgpack  # type: ignore[import-untyped]

from pulsing.cluster.member import GRAVITY, NOTHING, Member, Status
from pulsing.cluster.names import Change, Entry
from pulsing.cluster.seeds import parse_address

MAX_PAYLOAD = 64 * 1024
MAX_NAME = 256
MAX_METADATA = 4096
_CEILING = (1 << 62) - 1
"""Above every incarnation, version and sequence number that a process can count to."""


class BadMessage(ValueError):
    """A peer sent bytes that are no message of this protocol; they are counted and dropped."""


@dataclass(frozen=True, slots=True)
class Rumour:
    """Something said about a member, and by whom it was first said."""

    member: Member
    by: int
    """The accuser of a suspect or dead member; the member itself for its own statements."""
    refused: bool = False
    """The accuser was refused by the member's host, which is stronger than silence."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there? A suspect is told what it is accused of, so that it can refute at once."""

    seq: int
    view: int
    """Fingerprint of the sender's view, so that a disagreement can be seen."""
    rumour: Rumour | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to a `Ping`, and what a helper passes on when its ping was answered."""

    seq: int
    view: int
    lag_ms: int = 0
    """How late the loop of the sender's actors is; shown to people, and never a reason to suspect it."""


@dataclass(frozen=True, slots=True)
class PingReq:
    """Ping somebody for me."""

    seq: int
    target: int


@dataclass(frozen=True, slots=True)
class Nack:
    """I pinged it for you and heard nothing, but I am here."""

    seq: int


@dataclass(frozen=True, slots=True)
class Gossip:
    """Rumours that are still news."""

    rumours: tuple[Rumour, ...]


@dataclass(frozen=True, slots=True)
class Sync:
    """One half of a push-pull: everything that the sender holds about members."""

    rumours: tuple[Rumour, ...]
    reply: bool
    """Whether the receiver shall send its half back."""


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of name maps that the sender holds, by node."""

    versions: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Pull:
    """Send me what changed in the names of a node since this version."""

    node_id: int
    since: int


@dataclass(frozen=True, slots=True)
class Delta:
    """Part of the answer to a `Pull`: takes a replica from version `since` to `upto`."""

    node_id: int
    since: int
    upto: int
    whole: bool
    """The parts together are the whole map, because the replica was too far behind for a difference."""
    last: bool
    changes: tuple[Change, ...]


Message = Ping | Ack | PingReq | Nack | Gossip | Sync | Versions | Pull | Delta

KINDS: Mapping[type[Message], str] = MappingProxyType(
    {
        Ping: "ping",
        Ack: "ack",
        PingReq: "ping_req",
        Nack: "nack",
        Gossip: "gossip",
        Sync: "sync",
        Versions: "versions",
        Pull: "pull",
        Delta: "delta",
    }
)
"""What operators call each kind of message."""


def encode(message: Message) -> bytes:
    """Write a message as bytes."""
    code = _CODES[type(message)]
    packed = [pack(getattr(message, name)) for name, (pack, _) in _LAYOUT[code][1].items()]
    payload: bytes = msgpack.packb([code, *packed], unicode_errors="replace")
    return payload


def decode(payload: bytes) -> Message:
    """Read a message.

    Raises:
        BadMessage: the bytes are not a message, or a value in it is out of its bounds.
    """
    if len(payload) > MAX_PAYLOAD:
        raise BadMessage(f"{len(payload)} bytes, at most {MAX_PAYLOAD} are allowed")
    try:
        raw = msgpack.unpackb(payload)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise BadMessage(f"not msgpack: {error}") from None
    code, *values = _list(raw, at_least=1)
    if not isinstance(code, str) or code not in _LAYOUT:
        raise BadMessage(f"unknown kind of message {code!r:.40}")
    kind, fields = _LAYOUT[code]
    if len(values) != len(fields):
        raise BadMessage(f"{kind.__name__} has {len(fields)} fields, got {len(values)}")
    message: Message = kind(*(unpack(value) for (_, unpack), value in zip(fields.values(), values, strict=True)))
    return message


def carries_names(payload: bytes) -> bool:
    """Whether a payload looks like a `Delta`, the one kind of message that may have much to say; nothing is decoded."""
    return payload[1:3] == _NAMES_BEGIN


def size_of(change: Change) -> int:
    """How many bytes a change takes in a `Delta`."""
    return len(msgpack.packb(_pack_change(change), unicode_errors="replace"))


def checked_entry(entry: Entry) -> Entry:
    """Refuse an entry that other nodes would refuse.

    Raises:
        ValueError: a text or the metadata is too large, or the metadata is not JSON-able.
    """
    _unpack_entry(_pack_entry(entry))
    return entry


def _unchanged(value: Any) -> Any:
    return value


def _list(raw: Any, *, at_least: int = 0, at_most: int = MAX_PAYLOAD) -> list[Any]:
    if type(raw) is not list or not at_least <= len(raw) <= at_most:
        raise BadMessage(f"expected a list of {at_least} to {at_most}, got {raw!r:.40}")
    return raw


def _record(raw: Any, length: int) -> list[Any]:
    return _list(raw, at_least=length, at_most=length)


def _integer(limit: int) -> Callable[[Any], int]:
    def unpack(raw: Any) -> int:
        if type(raw) is not int or not 0 <= raw <= limit:
            raise BadMessage(f"expected an integer from 0 to {limit}, got {raw!r:.40}")
        return raw

    return unpack


def _text(limit: int) -> Callable[[Any], str]:
    def unpack(raw: Any) -> str:
        if type(raw) is not str or len(raw) > limit:
            raise BadMessage(f"expected a text of at most {limit} characters, got {raw!r:.40}")
        return raw

    return unpack


def _flag(raw: Any) -> bool:
    if type(raw) is not bool:
        raise BadMessage(f"expected a boolean, got {raw!r:.40}")
    return raw


_count = _integer(_CEILING)
_fingerprint = _integer((1 << 32) - 1)
_port = _integer(65535)
_short = _text(MAX_NAME)
_long = _text(4096)


def _node_id(raw: Any) -> int:
    if type(raw) is not int or not 0 < raw < 1 << 64:
        raise BadMessage(f"expected a node id, got {raw!r:.40}")
    return raw


def _address(raw: Any) -> str:
    text = _short(raw)
    try:
        if text and parse_address(text).all_addresses:
            raise BadMessage(f"expected the address of one node, got {text!r}")
    except ValueError as error:
        raise BadMessage(str(error)) from None
    return text


_STATUSES: tuple[Status, ...] = tuple(GRAVITY)


def _pack_member(member: Member) -> list[Any]:
    return [
        member.node_id,
        member.addr,
        GRAVITY[member.status],
        member.incarnation,
        member.name,
        member.admin_url,
        member.control_port,
        member.version,
        dict(member.metadata),
    ]


def _unpack_member(raw: Any) -> Member:
    node_id, addr, status, incarnation, name, admin_url, control_port, version, metadata = _record(raw, 9)
    return Member(
        _node_id(node_id),
        _address(addr),
        _STATUSES[_integer(len(_STATUSES) - 1)(status)],
        _count(incarnation),
        _short(name),
        _long(admin_url),
        _port(control_port),
        _short(version),
        _unpack_labels(metadata),
    )


def _unpack_labels(raw: Any) -> Mapping[str, str]:
    if type(raw) is not dict or len(raw) > 32:
        raise BadMessage("expected at most 32 labels of a member")
    return {_short(key): _short(value) for key, value in raw.items()} if raw else NOTHING


def _pack_rumour(rumour: Rumour) -> list[Any]:
    return [_pack_member(rumour.member), rumour.by, rumour.refused]


def _unpack_rumour(raw: Any) -> Rumour:
    member, by, refused = _record(raw, 3)
    return Rumour(_unpack_member(member), _node_id(by), _flag(refused))


def _pack_entry(entry: Entry) -> list[Any]:
    return [
        entry.actor_id.to_bytes(16, "big"),
        entry.class_name,
        entry.module,
        entry.file,
        dict(entry.metadata),
    ]


def _unpack_entry(raw: Any) -> Entry:
    actor_id, class_name, module, file, metadata = _record(raw, 5)
    if type(actor_id) is not bytes or len(actor_id) != 16:
        raise BadMessage("expected an actor id")
    if not is_metadata(metadata):
        raise BadMessage(f"the metadata of a name must be JSON-able and take at most {MAX_METADATA} bytes")
    return Entry(int.from_bytes(actor_id, "big"), _long(class_name), _long(module), _long(file), True, metadata)


def is_metadata(value: Any) -> bool:
    """Whether a name can be published with this: a JSON-able dict, not deep, of at most `MAX_METADATA` bytes."""
    return type(value) is dict and _is_plain(value, depth=4) and len(msgpack.packb(value)) <= MAX_METADATA


def _is_plain(value: Any, depth: int) -> bool:
    if type(value) is dict:
        return depth > 0 and all(type(k) is str and _is_plain(v, depth - 1) for k, v in value.items())
    if type(value) is list or type(value) is tuple:
        return depth > 0 and all(_is_plain(item, depth - 1) for item in value)
    if type(value) is int:
        return -(1 << 63) <= value < 1 << 64
    return value is None or type(value) in (str, bool, float)


def _pack_change(change: Change) -> list[Any]:
    return [change.version, change.path, _pack_entry(change.entry) if change.entry else None]


def _unpack_change(raw: Any) -> Change:
    version, path, entry = _record(raw, 3)
    return Change(_count(version), _short(path), None if entry is None else _unpack_entry(entry))


def _tuple_of(
    pack: Callable[[Any], Any], unpack: Callable[[Any], Any]
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    return (lambda items: [pack(i) for i in items]), (lambda raw: tuple(unpack(i) for i in _list(raw)))


def _optional(
    pack: Callable[[Any], Any], unpack: Callable[[Any], Any]
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    return (lambda item: None if item is None else pack(item)), (lambda raw: None if raw is None else unpack(raw))


def _unpack_version(raw: Any) -> tuple[int, int]:
    node_id, version = _record(raw, 2)
    return _node_id(node_id), _count(version)


_Fields = dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]]
_SEQ = (_unchanged, _count)
_VIEW = (_unchanged, _fingerprint)
_NODE = (_unchanged, _node_id)
_BOOL = (_unchanged, _flag)
_RUMOURS = _tuple_of(_pack_rumour, _unpack_rumour)

_LAYOUT: dict[str, tuple[type[Any], _Fields]] = {
    "p": (Ping, {"seq": _SEQ, "view": _VIEW, "rumour": _optional(_pack_rumour, _unpack_rumour)}),
    "a": (Ack, {"seq": _SEQ, "view": _VIEW, "lag_ms": _SEQ}),
    "q": (PingReq, {"seq": _SEQ, "target": _NODE}),
    "n": (Nack, {"seq": _SEQ}),
    "g": (Gossip, {"rumours": _RUMOURS}),
    "s": (Sync, {"rumours": _RUMOURS, "reply": _BOOL}),
    "v": (Versions, {"versions": _tuple_of(list, _unpack_version)}),
    "u": (Pull, {"node_id": _NODE, "since": _SEQ}),
    "d": (
        Delta,
        {
            "node_id": _NODE,
            "since": _SEQ,
            "upto": _SEQ,
            "whole": _BOOL,
            "last": _BOOL,
            "changes": _tuple_of(_pack_change, _unpack_change),
        },
    ),
}
_CODES: dict[type[Any], str] = {kind: code for code, (kind, _) in _LAYOUT.items()}
_NAMES_BEGIN: bytes = msgpack.packb(_CODES[Delta])
