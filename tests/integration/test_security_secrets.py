"""The secrets of a running node are nowhere but in its memory and in the files of its user."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import pulsing as pul
from pulsing.admin.serving import login_link
from pulsing.exceptions import AuthFailed
from pulsing.node.credentials import find_credentials

PHRASE = "canary-vopod-zebru-kilat-munop-tiras"

NODE = """
import asyncio, json, logging, os, sys, traceback
logging.basicConfig(level=1)
logging.getLogger("asyncio").setLevel(logging.WARNING)
import pulsing as pul

async def main():
    settings = json.loads(sys.stdin.readline())
    system = await pul.actor_system("127.0.0.1:0", admin_addr="127.0.0.1:0", **settings)
    print(json.dumps(system.addr), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    from pulsing.config import config_from
    print(repr(config_from(**settings)), repr(vars(system.inner)), file=sys.stderr)
    try:
        await pul.actor_system("127.0.0.1:0", admin=False, seeds=[system.addr], passphrase="another of six words now")
    except Exception:
        traceback.print_exc()
    await system.shutdown(drain=0)

asyncio.run(main(), debug=True)
"""


@contextmanager
def node(log: Path, **settings: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A node in a process of its own, which logs everything there is to log."""
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", NODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(pul.__file__).parents[1])},
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(settings) + "\n")
            process.stdin.flush()
            yield process, json.loads(process.stdout.readline())
        finally:
            process.communicate("\n", timeout=40)


def command_line(pid: int) -> str:
    """What every user of the machine sees of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text()


def forms(secret: bytes) -> list[str]:
    """How a secret would look."""
    shown = [secret.hex(), secret.hex(" "), repr(secret)[2:-1]]
    return [*shown, secret.decode()] if secret.isascii() else shown


async def derived(**how: Any) -> list[bytes]:
    """A node's secret, and what is made of it."""
    credentials = find_credentials(**how)
    secrets = [secret.reveal() for secret in credentials._secrets]
    return secrets + [each.reveal() for each in (*await credentials.roots(), *await credentials.keys())]


@pytest.mark.parametrize("kind", ["passphrase_file", "token"])
async def test_no_secret_shows_in_logs_reprs_tracebacks_or_process_lists(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "phrase"
    file.write_text(PHRASE + "\n")
    settings: dict[str, Any] = {"passphrase_file": str(file)} if kind == "passphrase_file" else {}
    secrets = await derived(environ=dict(os.environ), **settings)
    log = tmp_path / "log"
    with node(log, **settings) as (process, addr):
        command = command_line(process.pid)
        friend = await pul.actor_system("127.0.0.1:0", seeds=[addr], admin=False, **settings)
        await friend.shutdown(drain=0)
        with pytest.raises(AuthFailed) as refused:
            await pul.actor_system("127.0.0.1:0", seeds=[addr], admin=False, cluster="another", **settings)
    told = log.read_text() + command + repr(refused.value) + str(refused.value)
    assert "AuthFailed" in told
    assert [form for secret in secrets for form in forms(secret) if form in told] == []


async def test_no_object_of_a_running_node_shows_a_secret_in_its_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "canary-of-the-admin-plane-" + "0" * 32
    monkeypatch.setenv("PULSING_ADMIN_TOKEN", token)
    secrets = [token.encode(), *await derived(passphrase=PHRASE)]
    async with (
        await pul.actor_system("127.0.0.1:0", passphrase=PHRASE, admin_addr="127.0.0.1:0") as system,
        await pul.actor_system("127.0.0.1:0", passphrase=PHRASE, seeds=[system.addr], admin=False),
        httpx.AsyncClient(base_url=str(system.admin_url)) as client,
    ):
        login = await login_link(system)
        assert login is not None
        code = login.partition("#login=")[2]
        whoami = await client.get("/api/v1/whoami", headers={"Authorization": f"Bearer {token}"})
        assert whoami.status_code == 200
        session = await client.post("/api/v1/session", json={"code": code}, headers={"Sec-Fetch-Site": "none"})
        secrets += [code.encode(), session.json()["token"].encode()]
        shown = [shown_of(one) for one in gc.get_objects() if belongs_to_pulsing(type(one))]
    assert len(shown) > 1000
    assert [text for text in shown if any(form in text for secret in secrets for form in forms(secret))] == []


def shown_of(one: object) -> str:
    """The repr of an object, which may be half made, or of a test that is over."""
    try:
        return repr(one)
    except Exception:
        return ""


def belongs_to_pulsing(cls: type) -> bool:
    return str(cls.__module__).startswith("pulsing")


async def test_the_scan_would_find_a_secret_that_shows() -> None:
    secrets = await derived(passphrase=PHRASE)
    assert len(secrets) == 3
    assert PHRASE in forms(secrets[0])
    assert all(secret.hex() in forms(secret) for secret in secrets)
