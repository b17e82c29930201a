"""TLS of node links at sites that have a certificate authority of their own: both ends verify each other by it.

The proof of the common secret goes on top, over the certificate that was shown: a certificate tells who a machine is,
not that it belongs to this cluster.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pulsing.config import TLSConfig
from pulsing.transport.tls import Mode, restricted

_END = "-----END CERTIFICATE-----"


class SiteTls:
    """The contexts of a node whose certificate was issued by the site.

    Args:
        config: where authority, certificate and key are.

    Raises:
        ValueError: a file cannot be read, or certificate and key do not belong together.
    """

    verifies = True

    def __init__(self, config: TLSConfig) -> None:
        self._config = config
        self.server_context = self._context(ssl.PROTOCOL_TLS_SERVER)
        self.server_context.verify_mode = ssl.CERT_REQUIRED
        self.server_context.num_tickets = 0
        self.client_context = self._context(ssl.PROTOCOL_TLS_CLIENT)

    def listens(self, mode: Mode, host: str) -> bool:
        """Listeners speak TLS, on loopback too."""
        return True

    def dials(self, mode: Mode, host: str) -> Sequence[bool]:
        """Nobody is dialled without TLS."""
        return (True,)

    def server_name(self, host: str) -> str:
        """The name that the acceptor's certificate must hold: the one that was dialled."""
        return host

    @cached_property
    def shown(self) -> bytes:
        """The certificate that listeners show, in DER."""
        first = Path(self._config.cert).read_text(encoding="ascii").partition(_END)[0]
        return ssl.PEM_cert_to_DER_cert(first[first.index("-----BEGIN CERTIFICATE-----") :] + _END)

    def _context(self, protocol: int) -> ssl.SSLContext:
        config = self._config
        context = restricted(ssl.SSLContext(protocol))
        try:
            context.load_verify_locations(config.ca)
            # Without an answer OpenSSL would ask for the password of a key at the terminal.
            context.load_cert_chain(config.cert, config.key, password="")
        except ssl.SSLError as error:
            raise ValueError(f"{config}: {error.reason or error}") from None
        except OSError as error:
            missing = next((path for path in (config.ca, config.cert, config.key) if not Path(path).exists()), "")
            raise ValueError(f"{config}: {error.strerror} {missing}".rstrip()) from None
        return context
