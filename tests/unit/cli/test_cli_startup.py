"""What a command does not load, so that it starts fast."""

from __future__ import annotations

import json
import subprocess
import sys


def modules_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    program = f"import json, sys\n{statement}\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    return set(json.loads(done.stdout))


def test_the_commands_load_neither_web_nor_tables_before_they_need_them() -> None:
    loaded = modules_after("import pulsing.cli.app")

    assert loaded.isdisjoint({"fastapi", "uvicorn", "starlette", "prometheus_client", "httpx", "uvloop", "websockets"})


def test_a_program_that_only_imports_the_package_does_not_load_the_table_of_settings() -> None:
    loaded = modules_after("import pulsing")

    assert "pulsing.config" in loaded
    assert not any(name.startswith("pulsing.settings") for name in loaded)
