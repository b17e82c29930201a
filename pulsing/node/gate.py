"""The node's credentials as its transports use them: fresh proofs for each connection, and a memory of own dials."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from pulsing.ids import NodeId
from pulsing.node.credentials import Credentials, Mode, Secret
from pulsing.transport import Channel
from pulsing.wire.handshake import (
    NONCE_BYTES,
    ClientHandshake,
    ServerHandshake,
    Terms,
    plain_binding,
    tls_binding,
)


class LinkGate:
    """Opens a node's connections, in both directions, to whoever shares its secret.

    Args:
        credentials: the node's secrets.
        node_id: the node.
        terms: what the node offers and agrees to.
        random_bytes: the source of nonces.
    """

    def __init__(
        self,
        credentials: Credentials,
        node_id: NodeId,
        terms: Terms,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._credentials = credentials
        self._node_id = node_id
        self._terms = terms
        self._random_bytes = random_bytes
        self._keys: tuple[Secret, ...] | None = None
        self._own_dials: dict[bytes, bool] = {}

    @property
    def mode(self) -> Mode:
        """Which kind of secret this is."""
        return self._credentials.mode

    @property
    def attempts(self) -> int:
        """How many secrets a dialler may try: all of them, the newest first."""
        return max(1, len(self._ready_keys()))

    async def ready(self) -> None:
        """Derive the keys."""
        self._keys = await self._credentials.keys()

    def dial(self, attempt: int) -> ClientHandshake:
        """A fresh proof by secret number `attempt`; to be forgotten when the attempt is over."""
        key = self._ready_keys()[attempt].reveal() if self._credentials.secure else None
        nonce = self._random_bytes(NONCE_BYTES)
        self._own_dials[nonce] = False
        return ClientHandshake(key, self._node_id, self._credentials.cluster, self._terms, nonce)

    def forget(self, nonce: bytes) -> bool:
        """End an attempt of this node's own; True where the node had met itself in it."""
        return self._own_dials.pop(nonce, False)

    def answer(self) -> ServerHandshake:
        """The acceptor's side of a fresh handshake."""
        keys = [key.reveal() for key in self._ready_keys()] if self._credentials.secure else None
        nonce = self._random_bytes(NONCE_BYTES)
        return ServerHandshake(
            keys, self._node_id, self._credentials.cluster, self._terms, nonce, self._own_dials.keys()
        )

    def recognise(self, nonce: bytes) -> None:
        """Note that one of this node's own attempts has arrived at this node."""
        if nonce in self._own_dials:
            self._own_dials[nonce] = True

    def binding(self, channel: Channel) -> bytes:
        """What ties a proof to a channel: the certificate under TLS, else the address that was dialled."""
        if channel.certificate is not None:
            return tls_binding(channel.certificate)
        return plain_binding(channel.host, channel.port)

    def _ready_keys(self) -> tuple[Secret, ...]:
        if self._keys is None:
            raise RuntimeError("the gate is not ready: its keys are not derived yet")
        return self._keys
