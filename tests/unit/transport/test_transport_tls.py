"""When a link is encrypted, and by what."""

from __future__ import annotations

import builtins
import ssl
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pulsing.transport import tls
from pulsing.transport.tls import Mode, TlsIdentity, dials_with_tls, listens_with_tls, make_certificate


@pytest.mark.parametrize(
    ("mode", "host", "encrypted"),
    [
        ("passphrase", "127.0.0.1", True),
        ("passphrase", "192.0.2.1", True),
        ("token", "127.0.0.1", False),
        ("token", "::1", False),
        ("token", "0.0.0.0", True),
        ("token", "192.0.2.1", True),
        ("insecure", "0.0.0.0", False),
    ],
)
def test_a_listener_speaks_tls_with_a_passphrase_or_beyond_loopback(mode: Mode, host: str, encrypted: bool) -> None:
    assert listens_with_tls(mode, host) is encrypted


@pytest.mark.parametrize(
    ("mode", "host", "attempts"),
    [
        ("passphrase", "127.0.0.1", (True,)),
        ("token", "127.0.0.1", (False, True)),
        ("token", "192.0.2.1", (True,)),
        ("token", "node-1", (True,)),
        ("insecure", "192.0.2.1", (False, True)),
    ],
)
def test_a_dialler_never_goes_from_tls_to_plain(mode: Mode, host: str, attempts: Sequence[bool]) -> None:
    assert tuple(dials_with_tls(mode, host)) == attempts


def test_only_tls_1_3_is_spoken() -> None:
    identity = TlsIdentity()
    for context in (identity.server_context, identity.client_context):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3


def test_every_identity_has_a_certificate_of_its_own() -> None:
    assert TlsIdentity().certificate.der != TlsIdentity().certificate.der


def test_the_certificate_is_kept_by_its_identity() -> None:
    identity = TlsIdentity()
    assert identity.certificate is identity.certificate


def test_the_key_of_a_certificate_does_not_show() -> None:
    assert "PRIVATE" not in repr(make_certificate())


def test_certificates_are_left_unverified_in_one_place_only() -> None:
    package = Path(tls.__file__).parents[1]
    found = [
        path.name
        for path in package.rglob("*.py")
        for line in path.read_text().splitlines()
        if "= ssl.CERT_NONE" in line
    ]
    assert found == ["tls.py"]


def test_without_memfd_the_key_is_in_a_file_for_this_user_that_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.memfd_create", raising=False)
    with tls._as_file(b"content") as name:
        path = Path(name)
        assert path.read_bytes() == b"content"
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not path.exists()


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_cryptography(name: str, *arguments: Any, **keywords: Any) -> ModuleType:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_cryptography)
    with pytest.raises(RuntimeError, match=r"pulsing\[tls\]"):
        make_certificate()
