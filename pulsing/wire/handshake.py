"""How two nodes prove to each other that they share a secret, inside the headers of a WebSocket upgrade.

The shape is that of SCRAM-PLUS: the dialler proves first, so that a port scanner gets nothing to test guesses on;
each proof is an HMAC bound to fresh nonces, to both node ids, to the cluster's name, to what was negotiated and to
the channel underneath, so that it is of no use on another connection. The third proof, sent as the first message,
answers the acceptor's nonce: without it a recorded request could be replayed on a channel without TLS.

    dialler                                                            acceptor
      │  Authorization: Pulsing <id>.<nonce>.<p_c>   Pulsing-Link: offer  │
      │ ────────────────────────────────────────────────────────────────▶ │ checks p_c
      │  101  Pulsing-Auth: <id>.<nonce>.<p_s>      Pulsing-Link: choice  │
      │ ◀──────────────────────────────────────────────────────────────── │
      │ checks p_s                p_f, 32 bytes                           │
      │ ────────────────────────────────────────────────────────────────▶ │ checks p_f

Nothing here touches a socket, a clock or a random source: nonces are passed in.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pulsing.ids import NodeId

Headers: TypeAlias = "Sequence[tuple[str, str]]"

LABEL = "pulsing-link-v1"
VERSIONS = (1, 1)
"""The lowest and the highest version of the frames that this release speaks."""

NONCE_BYTES = 32

AUTHORIZATION = "Authorization"
AUTH = "Pulsing-Auth"
LINK = "Pulsing-Link"
CHALLENGE = "WWW-Authenticate"

_PROVEN = "Pulsing"
_INSECURE = "Pulsing-Insecure"
_CREDENTIAL = re.compile(r"Pulsing ([0-9a-f]{16})\.([0-9a-f]{64})\.([0-9a-f]{64})")
_CLAIM = re.compile(r"Pulsing-Insecure ([0-9a-f]{16})")
_TERMS = re.compile(r"[!-~]{1,256}")
_RANGE = re.compile(r"([0-9]{1,4})-([0-9]{1,4})")
_NUMBER = re.compile(r"[0-9]{1,5}")

_DENIED = b"This port is for nodes of one cluster. Set the same passphrase or token file, and the same cluster name.\n"

# OpenSSL's own limit refuses 64 MiB, which is exactly what N = 2**16 with r = 8 needs.
_SCRYPT_MEMORY = 65 * 1024 * 1024


def salt_of(cluster: str) -> bytes:
    """The salt of a cluster's secrets."""
    return hashlib.sha256(f"{LABEL}|{cluster}".encode()).digest()


def root_of_passphrase(passphrase: str, cluster: str) -> bytes:
    """Stretch a passphrase: 64 MiB and about a quarter of a second, so that guessing is slow. Releases the GIL."""
    text = unicodedata.normalize("NFC", passphrase).encode()
    return hashlib.scrypt(text, salt=salt_of(cluster), n=2**16, r=8, p=1, maxmem=_SCRYPT_MEMORY, dklen=32)


def root_of_token(token: bytes, cluster: str) -> bytes:
    """Extract from a random token, which needs no stretching."""
    return _hmac(salt_of(cluster), token)


def link_key(root: bytes) -> bytes:
    """The key of all proofs: HKDF-Expand of the root (RFC 5869, one block)."""
    return _hmac(root, b"pulsing auth\x01")


def tls_binding(certificate: bytes) -> bytes:
    """What ties a proof to one TLS server: the digest of its certificate in DER."""
    return hashlib.sha256(certificate).digest()


def plain_binding(host: str, port: int) -> bytes:
    """What ties a proof to one plain listener: the address that the dialler reached, as both ends see it."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return hashlib.sha256(_pack("plain", address.packed, port.to_bytes(2, "big"))).digest()


@dataclass(frozen=True)
class Terms:
    """What one node is willing to agree to."""

    versions: tuple[int, int] = VERSIONS
    pickle: bool = False
    control_port: int | None = None
    """Announced by the acceptor; a dialler has no use for it."""

    def offer(self) -> str:
        """The dialler's header."""
        return f"v={self.versions[0]}-{self.versions[1]};pickle={int(self.pickle)}"

    def range(self) -> str:
        """The acceptor's header where no version is common to both."""
        return f"v={self.versions[0]}-{self.versions[1]}"

    def choose(self, offer: str) -> Choice | None:
        """The acceptor's decision about an offer, or None where no version is common to both."""
        fields = _fields(offer)
        versions = _RANGE.fullmatch(fields.get("v", ""))
        if versions is None:
            return None
        version = min(self.versions[1], int(versions[2]))
        if version < max(self.versions[0], int(versions[1])):
            return None
        return Choice(version, self.pickle and fields.get("pickle") == "1", self.control_port)

    def covers(self, choice: Choice) -> bool:
        """Whether an acceptor's choice lies within this offer."""
        low, high = self.versions
        return low <= choice.version <= high and (self.pickle or not choice.pickle)


@dataclass(frozen=True)
class Choice:
    """What both ends have agreed to."""

    version: int
    pickle: bool
    control_port: int | None

    def header(self) -> str:
        """The acceptor's header."""
        control = "" if self.control_port is None else f";ctl={self.control_port}"
        return f"v={self.version};pickle={int(self.pickle)}{control}"

    @classmethod
    def parse(cls, text: str) -> Choice | None:
        """Read the acceptor's header, or None where it makes no sense."""
        fields = _fields(text)
        version, control = fields.get("v", ""), fields.get("ctl", "")
        if not _NUMBER.fullmatch(version):
            return None
        if control and not (_NUMBER.fullmatch(control) and 0 < int(control) < 65536):
            return None
        return cls(int(version), fields.get("pickle") == "1", int(control) if control else None)


@dataclass(frozen=True)
class Accepted:
    """The other end has proved that it knows the secret (in insecure mode: has said who it is)."""

    node_id: NodeId
    version: int
    pickle: bool
    control_port: int | None
    authenticated: bool = True
    status: int = 101
    headers: Headers = ()
    """For the response; empty at the dialler."""
    body: bytes = b""
    accepted: Literal[True] = True


Fault: TypeAlias = Literal["unproven", "mode", "version", "itself", "busy", "rogue", "other"]


@dataclass(frozen=True)
class Refused:
    """No link comes about; `reason` says why and, at the dialler, what to set."""

    status: int
    headers: Headers
    reason: str
    fault: Fault
    body: bytes = b""
    accepted: Literal[False] = False

    @property
    def counts(self) -> bool:
        """Whether this is a failed attempt to guess, which the acceptor limits."""
        return self.fault in ("unproven", "mode")


Outcome: TypeAlias = "Accepted | Refused"


class ClientHandshake:
    """The dialler's side of one attempt.

    Args:
        key: the link key, or None in insecure mode.
        node_id: this node.
        cluster: the cluster's name.
        terms: what this node offers.
        nonce: 32 fresh random bytes.
    """

    def __init__(self, key: bytes | None, node_id: NodeId, cluster: str, terms: Terms, nonce: bytes) -> None:
        assert len(nonce) == NONCE_BYTES
        self.nonce = nonce
        self.confirmation: bytes | None = None
        """The first message to send after an accepted upgrade; None where nothing is to be confirmed."""
        self._key = key
        self._node_id = node_id
        self._cluster = cluster
        self._terms = terms
        self._client: tuple[bytes | str, ...] = ()

    def request(self, binding: bytes) -> Headers:
        """The headers of the upgrade request, for the channel that `binding` stands for."""
        offer = self._terms.offer()
        if self._key is None:
            return [(AUTHORIZATION, f"{_INSECURE} {self._node_id}"), (LINK, offer)]
        self._client = (_id(self._node_id), self.nonce, binding, self._cluster, offer)
        proof = _proof(self._key, "client", self._client)
        return [(AUTHORIZATION, f"{_PROVEN} {self._node_id}.{self.nonce.hex()}.{proof.hex()}"), (LINK, offer)]

    def receive(self, status: int, headers: Headers) -> Outcome:
        """Judge the response to the request."""
        if status == 101:
            return self._accept(headers)
        if status in (102, 401):
            return self._denied(status, headers)
        if status == 400:
            return self._no_version(headers)
        if status == 429:
            return Refused(status, headers, "too many failed attempts from here; it will listen again shortly", "busy")
        return Refused(status, headers, f"it answered with HTTP status {status}, which no node does", "other")

    def _accept(self, headers: Headers) -> Outcome:
        link = _only(headers, LINK) or ""
        node_id = self._claimed(headers) if self._key is None else self._proven(headers, link)
        choice = Choice.parse(link)
        if node_id is None or choice is None or not self._terms.covers(choice):
            return Refused(101, headers, "the other node could not prove that it knows the secret", "rogue")
        return Accepted(node_id, choice.version, choice.pickle, choice.control_port, self._key is not None)

    def _claimed(self, headers: Headers) -> NodeId | None:
        claim = _CLAIM.fullmatch(_only(headers, AUTH) or "")
        return None if claim is None else NodeId.from_str(claim[1])

    def _proven(self, headers: Headers, link: str) -> NodeId | None:
        """The id that the response proves over `link`, if it does; then the confirmation is ready."""
        assert self._key is not None
        credential = _CREDENTIAL.fullmatch(f"{_PROVEN} {_only(headers, AUTH) or ''}")
        if credential is None or credential[1] == str(self._node_id):
            return None
        node_id = NodeId.from_str(credential[1])
        server = (*self._client, _id(node_id), bytes.fromhex(credential[2]), link)
        if not hmac.compare_digest(_proof(self._key, "server", server), bytes.fromhex(credential[3])):
            return None
        self.confirmation = _proof(self._key, "confirm", server)
        return node_id

    def _denied(self, status: int, headers: Headers) -> Refused:
        challenge = _only(headers, CHALLENGE)
        if self._key is not None and challenge == _INSECURE:
            return Refused(401, headers, "the other node runs insecure, this one does not", "mode")
        if self._key is None and challenge == _PROVEN:
            return Refused(401, headers, "this node runs insecure, the other one does not", "mode")
        if self._key is None and challenge == _INSECURE:
            # An insecure node refuses nobody who says a well-formed id, except its own.
            return Refused(401, headers, "the address is this node's own", "itself")
        if challenge not in (None, _PROVEN, _INSECURE):
            hint = "it asks for a token, as the admin plane of a node does: dial the address where the node listens"
            return Refused(status, headers, hint, "other")
        hint = (
            "the other node has another secret or cluster name; give both nodes the same passphrase "
            "(PULSING_PASSPHRASE) or a copy of the same token file (cluster.token), and the same cluster name "
            f"(here {self._cluster!r})"
        )
        if status == 102:
            hint += "; it answers slowly, because too many attempts from this machine have failed"
        return Refused(status, headers, hint, "unproven")

    def _no_version(self, headers: Headers) -> Refused:
        link = _only(headers, LINK) or ""
        proven = self._key is None or self._proven(headers, link) is not None
        theirs = _fields(link).get("v", "") if proven else ""
        if not _RANGE.fullmatch(theirs):
            return Refused(400, headers, "it did not understand the request", "other")
        ours = f"{self._terms.versions[0]}-{self._terms.versions[1]}"
        return Refused(400, headers, f"no common version: this node speaks {ours}, the other {theirs}", "version")


class ServerHandshake:
    """The acceptor's side of one attempt.

    Args:
        keys: the link keys that are accepted, the newest first; None in insecure mode. Empty: nobody gets in.
        node_id: this node.
        cluster: the cluster's name.
        terms: what this node agrees to.
        nonce: 32 fresh random bytes.
        own_nonces: the nonces of this node's own dials that are under way, by which it recognises itself.
    """

    def __init__(
        self,
        keys: Sequence[bytes] | None,
        node_id: NodeId,
        cluster: str,
        terms: Terms,
        nonce: bytes,
        own_nonces: Collection[bytes] = (),
    ) -> None:
        assert len(nonce) == NONCE_BYTES
        self.own_nonce: bytes | None = None
        """Set where the request turned out to be a dial of this very node."""
        self.confirmation: bytes | None = None
        """What the first message of an accepted dialler must be; None where nothing is to be confirmed."""
        self._keys = keys
        self._node_id = node_id
        self._cluster = cluster
        self._terms = terms
        self._nonce = nonce
        self._own_nonces = own_nonces

    def receive(self, headers: Headers, binding: bytes) -> Outcome:
        """Judge an upgrade request that came through the channel that `binding` stands for."""
        authorization, offer = _only(headers, AUTHORIZATION) or "", _only(headers, LINK) or ""
        if not _TERMS.fullmatch(offer):
            authorization = ""
        if self._keys is None:
            return self._open(authorization, offer)
        return self._check(self._keys, authorization, offer, binding)

    def confirms(self, message: bytes | bytearray) -> bool:
        """Whether the first message proves that the dialler answers this acceptor's nonce."""
        return self.confirmation is not None and hmac.compare_digest(self.confirmation, message)

    def _open(self, authorization: str, offer: str) -> Outcome:
        claim = _CLAIM.fullmatch(authorization)
        if claim is None:
            return self._denied("mode" if _CREDENTIAL.fullmatch(authorization) else "unproven", _INSECURE)
        if claim[1] == str(self._node_id):
            return self._denied("itself", _INSECURE)
        choice = self._terms.choose(offer)
        if choice is None:
            return Refused(400, [(LINK, self._terms.range())], "no common version", "version")
        headers = [(AUTH, f"{_INSECURE} {self._node_id}"), (LINK, choice.header())]
        node_id = NodeId.from_str(claim[1])
        return Accepted(node_id, choice.version, False, choice.control_port, authenticated=False, headers=headers)

    def _check(self, keys: Sequence[bytes], authorization: str, offer: str, binding: bytes) -> Outcome:
        credential = _CREDENTIAL.fullmatch(authorization)
        # Malformed input is judged by the same arithmetic as a wrong proof, so that time tells nothing.
        id_text, nonce_text, proof_text = credential.groups() if credential else ("0" * 16, "0" * 64, "0" * 64)
        node_id, nonce = NodeId.from_str(id_text), bytes.fromhex(nonce_text)
        client = (_id(node_id), nonce, binding, self._cluster, offer)
        key = _key_that_proves(keys, client, bytes.fromhex(proof_text))
        if credential is None or key is None:
            return self._denied("mode" if _CLAIM.fullmatch(authorization) else "unproven", _PROVEN)
        if node_id == self._node_id:
            self.own_nonce = nonce if nonce in self._own_nonces else None
            return self._denied("itself", _PROVEN)
        return self._agree(key, node_id, client, offer)

    def _agree(self, key: bytes, node_id: NodeId, client: tuple[bytes | str, ...], offer: str) -> Outcome:
        choice = self._terms.choose(offer)
        link = self._terms.range() if choice is None else choice.header()
        server = (*client, _id(self._node_id), self._nonce, link)
        proof = _proof(key, "server", server)
        headers = [(AUTH, f"{self._node_id}.{self._nonce.hex()}.{proof.hex()}"), (LINK, link)]
        if choice is None:
            return Refused(400, headers, "no common version", "version")
        self.confirmation = _proof(key, "confirm", server)
        return Accepted(node_id, choice.version, choice.pickle, choice.control_port, headers=headers)

    def _denied(self, fault: Fault, challenge: str) -> Refused:
        return Refused(401, [(CHALLENGE, challenge)], "no valid proof", fault, body=_DENIED)


def _key_that_proves(keys: Sequence[bytes], client: Iterable[bytes | str], proof: bytes) -> bytes | None:
    """The key under which the proof holds; all are tried, so that time does not tell which."""
    items = tuple(client)
    matches = [hmac.compare_digest(_proof(key, "client", items), proof) for key in keys]
    return next((key for key, match in zip(keys, matches, strict=True) if match), None)


def _proof(key: bytes, role: str, items: Iterable[bytes | str]) -> bytes:
    return _hmac(key, _pack(LABEL, role, *items))


def _pack(*items: bytes | str) -> bytes:
    """Each item behind its length, so that no two lists have the same bytes."""
    raw = [item.encode() if isinstance(item, str) else item for item in items]
    return b"".join(len(item).to_bytes(4, "big") + item for item in raw)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _id(node_id: NodeId) -> bytes:
    return node_id.id.to_bytes(8, "big")


def _only(headers: Headers, name: str) -> str | None:
    """The value of a header that must occur exactly once."""
    values = [value for key, value in headers if key.lower() == name.lower()]
    return values[0] if len(values) == 1 else None


def _fields(text: str) -> dict[str, str]:
    """The `key=value` pairs of an offer or a choice; the first of a repeated key counts."""
    pairs = [part.partition("=") for part in text.split(";")] if _TERMS.fullmatch(text) else []
    return {key: value for key, _, value in reversed(pairs)}
