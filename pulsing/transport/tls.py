"""TLS of node links: encryption by a throw-away certificate, identity by the proof that is bound to it.

Nobody checks the certificate itself. What the dialler checks is that the acceptor, who proves that it knows the
secret, proves it over the very certificate that the dialler was shown; see `pulsing.wire.handshake`.
"""

from __future__ import annotations

import datetime
import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from pulsing.transport.address import is_loopback

Mode: TypeAlias = Literal["passphrase", "token", "insecure"]

# Fixed and wide, because nobody checks them: no node is refused for a wrong clock.
_NOT_BEFORE = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
_NOT_AFTER = datetime.datetime(2049, 12, 31, tzinfo=datetime.timezone.utc)


def listens_with_tls(mode: Mode, host: str) -> bool:
    """Whether a listener bound to `host` speaks TLS."""
    return mode == "passphrase" or (mode == "token" and not is_loopback(host))


def dials_with_tls(mode: Mode, host: str) -> Sequence[bool]:
    """How a dialler reaches `host`: with or without TLS, in the order of the attempts.

    With a secret only a loopback target is ever tried plain, and TLS after it where the answer shows that the other
    end may speak TLS: it is bound to all interfaces, or has a passphrase and says so. Never the other way round: that
    would be a downgrade.
    """
    if mode == "insecure" or (mode == "token" and is_loopback(host)):
        return (False, True)
    return (True,)


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate and its key, made for one process."""

    der: bytes
    pem: bytes = field(repr=False)
    """Certificate and key."""


class TlsIdentity:
    """The contexts of one node; its certificate is made when first needed."""

    verifies = False

    def listens(self, mode: Mode, host: str) -> bool:
        """Whether a listener bound to `host` speaks TLS."""
        return listens_with_tls(mode, host)

    def dials(self, mode: Mode, host: str) -> Sequence[bool]:
        """How a dialler reaches `host`, with or without TLS, in the order of the attempts."""
        return dials_with_tls(mode, host)

    def server_name(self, host: str) -> str:
        """What the dialler of `host` expects in the acceptor's certificate: nothing."""
        return ""

    @property
    def shown(self) -> bytes:
        """The certificate that listeners show, in DER."""
        return self.certificate.der

    @cached_property
    def certificate(self) -> Certificate:
        """The node's throw-away certificate.

        Raises:
            RuntimeError: the extra `tls` is not installed.
        """
        return make_certificate()

    @cached_property
    def server_context(self) -> ssl.SSLContext:
        """For listeners."""
        context = restricted(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.num_tickets = 0
        with _as_file(self.certificate.pem) as path:
            context.load_cert_chain(path)
        return context

    @cached_property
    def client_context(self) -> ssl.SSLContext:
        """For dials."""
        return unverified_client_context()


def unverified_client_context() -> ssl.SSLContext:
    """The one context that verifies no certificate.

    Whoever uses it must go on to check the acceptor's proof, which covers the certificate that was shown.
    """
    context = restricted(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def make_certificate() -> Certificate:
    """Make a self-signed P-256 certificate with its key.

    Raises:
        RuntimeError: the extra `tls` is not installed.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise RuntimeError(
            "TLS needs the package 'cryptography': pip install 'pulsing[tls]'. A node without a passphrase on a "
            "loopback address does without TLS."
        ) from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "node")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(x509.random_serial_number()).not_valid_before(_NOT_BEFORE).not_valid_after(_NOT_AFTER)
    )
    certificate = builder.sign(key, hashes.SHA256())
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = key_pem + certificate.public_bytes(serialization.Encoding.PEM)
    return Certificate(certificate.public_bytes(serialization.Encoding.DER), pem)


def restricted(context: ssl.SSLContext) -> ssl.SSLContext:
    """What holds for every link: TLS 1.3, nothing resumed, one protocol inside."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path that reads as `content`, because OpenSSL takes a key from a file only; nothing stays on a disk."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("pulsing-certificate"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "certificate.pem")
        path.touch(0o600)
        path.write_bytes(content)
        yield str(path)
