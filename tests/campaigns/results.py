"""How campaigns ended, in a file: of each the last long run, or a short one where there was none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")


def read_results() -> dict[str, dict[str, Any]]:
    """What is kept, by id."""
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else {}


def write_results(results: dict[str, dict[str, Any]]) -> None:
    """Keep these."""
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def kept(before: dict[str, dict[str, Any]], result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The results with another one: a short run that held does not take the place of a long one."""
    last = before.get(result["id"])
    if last is not None and last["form"] == "long" and result["form"] == "short" and result["pass"]:
        return before
    return before | {result["id"]: result}
