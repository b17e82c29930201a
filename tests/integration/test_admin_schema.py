"""What the specification promises holds on a live node, under requests that a machine makes up from it.

More of them by `PULSING_EXAMPLES`.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import pulsing as pul
from pulsing.admin.server import start_admin
from pulsing.admin.settings import AdminSettings, NamedToken, Role
from tests.campaigns.noted import note

TOKENS: dict[Role, str] = {
    "viewer": "viewer-token-0123456789",
    "operator": "operator-token-0123456789",
    "admin": "admin-token-0123456789",
}
KNOWN = {
    "ignored_auth": "whoever sends too many wrong tokens gets 429, and probes are open",
    "positive_data_acceptance": "a schema cannot say that offset and limit have a largest sum, nor which names exist",
}
"""Checks that are left out, and why."""
SETTINGS = """
[[operations]]
include-path-regex = "/health/(checks/{name}|live|ready|startup)$"
[operations.checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503]
"""
"""A check that is critical answers 503, for probes: enough restarts of one actor make one so, or a busy machine."""
NEVER_ENDING = "/stream|/tail|/cluster/join|/session"
"""Streams have no end to wait for; joining waits for seeds; sessions would end the run's own."""
EXAMPLES = int(os.environ.get("PULSING_EXAMPLES", "1"))
"""of each operation in each phase"""


class EchoActor:
    """Something to call."""

    def echo(self, value: Any = None) -> Any:
        """Give it back."""
        return value


Echo: Any = pul.remote(EchoActor)


@pytest.mark.timeout(240 + 6 * EXAMPLES)
@pytest.mark.parametrize(("role", "phases"), [("admin", "examples,coverage,fuzzing,stateful"), ("viewer", "fuzzing")])
async def test_no_request_that_fits_the_specification_or_misses_it_breaks_a_promise(
    role: Role, phases: str, tmp_path: Path
) -> None:
    tokens = tuple(NamedToken.of(one, one, token) for one, token in TOKENS.items())
    settings = AdminSettings(addr="127.0.0.1:0", tokens=tokens, actions_per_s=1e6)
    async with await pul.actor_system(addr="127.0.0.1:0", admin=False) as system:
        await Echo.spawn(name="echo", system=system)
        server = await start_admin(system, settings)
        try:
            status, output = await schemathesis(server.url, TOKENS[role], phases, tmp_path)
        finally:
            await server.stop()
    note(**{f"requests_as_{role}": int(re.findall(r"(\d+) generated", output)[0])})
    assert status == 0, output[-8_000:]
    assert int(re.findall(r"Tested: (\d+)", output)[0]) > 50, output[-2_000:]


async def schemathesis(url: str, token: str, phases: str, folder: Path) -> tuple[int, str]:
    (folder / "schemathesis.toml").write_text(SETTINGS)
    run = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        f"{url}/api/v1/openapi.json",
        "--header",
        f"Authorization: Bearer {token}",
        "--exclude-checks",
        ",".join(KNOWN),
        "--exclude-path-regex",
        NEVER_ENDING,
        "--phases",
        phases,
        "--max-examples",
        str(EXAMPLES),
        "--request-timeout",
        "20",
        "--seed",
        "1",
        "--no-color",
        "--generation-database",
        "none",
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(run.communicate(), 200 + 6 * EXAMPLES)
    return run.returncode or 0, output.decode("utf-8", "replace")
