"""Every program of `examples/`, run as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.integration.examples_page import EXAMPLES, ORDER, page

PRINTED = {
    "debate.py": (
        "Moderator: tabs or spaces?\n"
        "ada: Tabs are one key for one level.\nbob: Spaces look the same everywhere.\n"
        "ada: Then let each reader choose how wide a tab is.\nbob: Readers have better things to choose.\n"
    ),
    "own_process.py": ("a process of its own: True\nground to 488037\nthe loop went on meanwhile: True\n"),
    "parallel_ideas.py": (
        " 9 Plant a tree for every meeting that is cancelled\n"
        " 6 Make all meetings ten minutes shorter\n"
        " 4 Meet standing, on deck\n"
    ),
    "programs.py": "Hello Ada\n['line by line', 'and back']\nended after 0.1 s\n",
    "researcher_reviewer.py": (
        "researcher: bees dance\nreviewer: And what is it good for?\n"
        "researcher: bees dance; the dance tells the others where the flowers are\nreviewer: Good.\n"
    ),
    "two_actors.py": "Hello Ada, you are number 1\nHello Grace, you are number 2\nHello Mary, you are number 3\n",
    "restarts.py": (
        "requests: 1 2\nfailed: the other side is gone\nrequests: 1\nfailed: the other side is gone\n"
        "given up: restart_limit\n"
    ),
    "work_queue.py": "[(0, 0), (1, 1), (2, 4), (3, 9), (4, 16), (5, 25), (6, 36), (7, 49)]\n",
}


def test_the_documentation_shows_every_example_as_it_is() -> None:
    # python -m tests.integration.examples_page > docs/examples.md
    assert set(ORDER) == {path.stem for path in EXAMPLES.glob("*.py")}
    assert (EXAMPLES.parent / "docs/examples.md").read_text() == page()


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_prints_what_it_promises(name: str) -> None:
    done = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, text=True, timeout=30)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == PRINTED[name]
