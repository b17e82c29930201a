"""What a command does not load, so that it starts fast."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import Any

import pytest
import typer

import pulsing as pul
from pulsing.cli.app import app


def modules_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    program = f"import json, sys\n{statement}\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    return set(json.loads(done.stdout))


def test_the_commands_load_neither_web_nor_tables_before_they_need_them() -> None:
    loaded = modules_after("import pulsing.cli.app")

    assert loaded.isdisjoint({"fastapi", "uvicorn", "starlette", "prometheus_client", "httpx", "uvloop", "websockets"})


COMMAND = """
from pulsing.cli import main
sys.argv = ["pulsing", "list", "actors", "--endpoint", "http://127.0.0.1:1"]
try:
    main()
except SystemExit:
    pass
"""


def test_a_command_that_asks_a_node_loads_no_node() -> None:
    loaded = modules_after(COMMAND)

    assert "httpx" in loaded
    assert loaded.isdisjoint(
        {"pulsing.runtime", "pulsing.core", "pulsing.node", "pulsing.cluster", "pulsing.streaming"}
    )
    assert loaded.isdisjoint({"rich", "fastapi", "uvloop"})


@pytest.mark.parametrize("words", [["version"], ["status", "--quiet"]])
def test_a_command_converts_no_default(words: list[str]) -> None:
    before = "import os, sys\nos.environ['PULSING_ENDPOINT'] = 'http://127.0.0.1:1'\nsys.stdout = sys.stderr"
    run = "from pulsing.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\nsys.stdout = sys.__stdout__"
    loaded = modules_after(f"{before}\nsys.argv = {['pulsing', *words]}\n{run}")

    assert loaded.isdisjoint({"pydantic", "rich"})


LISTING = """
from pulsing.cli import main
sys.argv = ["pulsing", "--help"]
sys.stdout = sys.stderr
try:
    main()
except SystemExit:
    pass
sys.stdout = sys.__stdout__
"""


def test_help_makes_no_command() -> None:
    loaded = modules_after(LISTING)

    assert "rich" in loaded
    assert {name for name in loaded if name.startswith("pulsing.")} <= {
        "pulsing.layers",
        "pulsing.logs",
        *(f"pulsing.cli{name}" for name in ("", ".app", ".commands", ".completion", ".connection", ".defaults")),
        *(f"pulsing.cli{name}" for name in (".errors", ".output", ".text", ".yaml")),
    }


def test_a_command_is_listed_by_the_first_words_of_its_own_help() -> None:
    group: Any = typer.main.get_command(app)

    listed = {name: one.help for name, one in group.commands.items()}

    assert listed == {name: first_paragraph(group.made(name).help) for name in group.commands}


def first_paragraph(text: str) -> str:
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())


def test_a_program_that_only_imports_the_package_loads_what_it_asks_for() -> None:
    loaded = modules_after("import pulsing")

    assert {name for name in loaded if name.startswith("pulsing")} == {"pulsing", "pulsing.layers"}


def test_a_system_that_was_made_by_way_of_the_core_has_queues_and_topics() -> None:
    loaded = modules_after(
        "import asyncio\nfrom pulsing.core import init, shutdown\n"
        "async def body():\n    system = await init()\n    assert system.queue and system.topic\n    await shutdown()\n"
        "asyncio.run(body())"
    )

    assert {"pulsing.runtime", "pulsing.streaming", "pulsing.placement"} <= loaded


def test_the_package_runs_as_the_command_does() -> None:
    run = subprocess.run([sys.executable, "-m", "pulsing", "version"], capture_output=True, text=True, timeout=50)

    assert (run.returncode, run.stdout, run.stderr) == (0, f"{pul.__version__}\n", "")
