"""What a transport asks of whoever holds the secret: the proofs of one handshake, and what they showed.

The transport moves headers and compares nothing itself; the gate knows neither sockets nor HTTP. One gate serves
all connections of a node, in both directions, and may be used from several threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from pulsing.ids import NodeId

Headers: TypeAlias = "Sequence[tuple[str, str]]"


@dataclass(frozen=True)
class Channel:
    """What a connection runs through, as both of its ends see it."""

    host: str
    """The numeric address that the dialler reached."""
    port: int
    certificate: bytes | None = None
    """The acceptor's certificate in DER; None without TLS."""


class Proven(Protocol):
    """The other end has shown who it is."""

    @property
    def accepted(self) -> Literal[True]: ...
    @property
    def node_id(self) -> NodeId: ...
    @property
    def pickle(self) -> bool: ...
    @property
    def control_port(self) -> int | None: ...
    @property
    def authenticated(self) -> bool: ...
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def body(self) -> bytes: ...


class Denied(Protocol):
    """No connection comes about."""

    @property
    def accepted(self) -> Literal[False]: ...
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def body(self) -> bytes: ...
    @property
    def reason(self) -> str: ...
    @property
    def fault(self) -> str: ...
    @property
    def counts(self) -> bool:
        """Whether it was an attempt to guess."""
        ...


Verdict: TypeAlias = "Proven | Denied"


class DialProof(Protocol):
    """One attempt of the dialler."""

    @property
    def nonce(self) -> bytes: ...
    @property
    def confirmation(self) -> bytes | None:
        """The first message to send once accepted; None where nothing is to be confirmed."""
        ...

    def request(self, binding: bytes) -> Headers:
        """The headers of the upgrade request, for the channel that `binding` stands for."""
        ...

    def receive(self, status: int, headers: Headers) -> Verdict:
        """Judge the response to the request."""
        ...


class AnswerProof(Protocol):
    """One attempt as its acceptor sees it."""

    @property
    def own_nonce(self) -> bytes | None:
        """Set where the node has dialled itself."""
        ...

    @property
    def confirmation(self) -> bytes | None: ...
    def receive(self, headers: Headers, binding: bytes) -> Verdict:
        """Judge an upgrade request that came through the channel that `binding` stands for."""
        ...

    def confirms(self, message: bytes | bytearray) -> bool:
        """Whether the first message of the dialler is the one that is due."""
        ...


class Gate(Protocol):
    """The secrets of one node, ready for use."""

    @property
    def mode(self) -> Literal["passphrase", "token", "insecure"]: ...

    async def ready(self) -> None:
        """Wait until the keys are derived; called before anything else."""
        ...

    @property
    def attempts(self) -> int:
        """How many secrets a dialler may try, one connection each."""
        ...

    def dial(self, attempt: int) -> DialProof:
        """The proof by secret number `attempt`; `forget` it when the attempt is over."""
        ...

    def forget(self, nonce: bytes) -> bool:
        """End an attempt of this node's own; True where the node had met itself in it."""
        ...

    def answer(self) -> AnswerProof:
        """The acceptor's side of a fresh attempt."""
        ...

    def recognise(self, nonce: bytes) -> None:
        """Note that one of this node's own attempts has arrived at this node."""
        ...

    def binding(self, channel: Channel) -> bytes:
        """What ties a proof to a channel."""
        ...
