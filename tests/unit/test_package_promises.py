"""The page of promises names the test behind each of them; here it is kept true."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_promise_has_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "design" / "promises.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, f"no test for: {row}"
        assert set(named) <= written, f"no such test: {sorted(set(named) - written)}"
    assert len(rows) > 40
