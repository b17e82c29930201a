"""The bill of materials of a release names what lies in the wheel beside Python's packages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_libraries_of_the_dashboard_are_on_the_bill_once(tmp_path: Path) -> None:
    bill = tmp_path / "bill.json"
    bill.write_text(json.dumps({"components": [{"name": "anyio", "version": "4.0"}]}))
    for _ in range(2):
        subprocess.run([sys.executable, ROOT / ".ci/bill", bill], check=True, timeout=50)

    lines = (ROOT / "dashboard/vendor/VERSIONS.txt").read_text().splitlines()[1:]
    vendored = {(name, version) for _, name, version, *_ in (line.split("\t") for line in lines)}
    components = json.loads(bill.read_text())["components"]
    assert [(one["name"], one["version"]) for one in components] == [("anyio", "4.0"), *sorted(vendored)]
    signals = next(one for one in components if one["name"] == "@preact/signals")
    assert signals["purl"] == f"pkg:npm/%40preact/signals@{signals['version']}"
    assert signals["licenses"] == [{"license": {"id": "MIT"}}]
