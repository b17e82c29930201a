"""Run the campaigns one after the other, keep how each ended, and write the page of them.

python -m tests.campaigns [--quick] [--page] [ID ...]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.campaigns.noted import VARIABLE, noted
from tests.campaigns.page import ROOT, write_page
from tests.campaigns.results import kept, read_results, write_results
from tests.campaigns.table import CAMPAIGNS, Campaign


def main() -> int:
    """Run what the command line names, all if it names none; returns 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ids", nargs="*", metavar="ID", help="of campaigns; all when none is given")
    parser.add_argument("--quick", action="store_true", help="the short forms")
    parser.add_argument("--page", action="store_true", help="run nothing, write the page")
    chosen = parser.parse_args()
    if unknown := [one for one in chosen.ids if not any(campaign.has(one) for campaign in CAMPAIGNS)]:
        parser.error(
            f"there is no {', '.join(unknown)}, but {', '.join(one for each in CAMPAIGNS for one in each.ids)}"
        )
    wanted = [each for each in CAMPAIGNS if not chosen.ids or any(each.has(one) for one in chosen.ids)]
    ended = [] if chosen.page else [_ended(one, is_long=not chosen.quick) for one in wanted if _can_run(one)]
    write_page()
    for result in ended:
        print(f"{'held  ' if result['pass'] else 'BROKEN'} {result['seconds']:8,.0f} s  {result['id']}")
    return 0 if all(result["pass"] for result in ended) else 1


def _can_run(campaign: Campaign) -> bool:
    if campaign.needs and find_spec(campaign.needs) is None:
        print(f"left out: {campaign.id} needs {campaign.needs}", flush=True)
        return False
    return True


def _ended(campaign: Campaign, *, is_long: bool) -> dict[str, Any]:
    print(f"== {campaign.id}: {campaign.what}", flush=True)
    result = run(campaign, is_long=is_long)
    write_results(kept(read_results(), result))
    if not result["pass"]:
        print(f"BROKEN; again: {campaign.replay(is_long=is_long)}", flush=True)
    return result


def run(campaign: Campaign, *, is_long: bool) -> dict[str, Any]:
    """Run one, and say how it ended."""
    with tempfile.NamedTemporaryFile() as figures:
        settings = {**(campaign.long if is_long else {}), VARIABLE: figures.name}
        command = [sys.executable, *campaign.arguments(is_long=is_long)]
        began = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}).returncode
        return {
            "id": campaign.id,
            "form": "long" if is_long else "short",
            "seed": campaign.seed,
            "commit": _commit(),
            "figure": noted(Path(figures.name)),
            "limit": campaign.limit,
            "pass": code == 0,
            "seconds": round(time.monotonic() - began, 1),
        }


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
