"""The page of the documentation that shows the programs of `examples/`, made from these.

python -m tests.integration.examples_page > docs/examples.md
"""

from __future__ import annotations

from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
# From one idea to the next, not by their names.
ORDER = (
    "two_actors", "restarts", "work_queue", "own_process", "programs",
    "researcher_reviewer", "debate", "parallel_ideas",
)  # fmt: skip
TRIED = "<!-- tried by tests/integration/test_examples.py -->"
HEAD = """\
# Examples

Whole programs, each with one idea. They come with the package: `pulsing examples` lists them, `pulsing examples NAME`
shows one, and `--run` runs it. Those with agents use the model "echo", which needs no key; saved as files, they take
the name of another one as their argument.
"""


def page() -> str:
    """The text of the page."""
    return HEAD + "".join(section(EXAMPLES / f"{name}.py") for name in ORDER)


def section(program: Path) -> str:
    """A whole program under its name; it says itself what it is about."""
    return f"\n## {program.name}\n\n{TRIED}\n```py\n{program.read_text()}```\n"


if __name__ == "__main__":
    print(page(), end="")
