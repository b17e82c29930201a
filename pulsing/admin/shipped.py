"""Files of a checkout that are made from tables: alert rules, dashboards for Grafana, and pages of the documentation.

`python -m pulsing.admin.shipped` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

from pulsing.admin.alerts import alert_rules, runbooks
from pulsing.admin.grafana import DASHBOARDS, grafana_json
from pulsing.admin.reference import metrics_page, rest_page

NODE_OF_THE_DEMO = "http://127.0.0.1:8700"


def shipped_files() -> dict[str, str]:
    """The files that the tables of this package make, by their path in a checkout."""
    return {
        "docker/alerts.yml": alert_rules(NODE_OF_THE_DEMO),
        "docs/operations/runbooks.md": runbooks(),
        "docs/reference/metrics.md": metrics_page(),
        "docs/reference/rest.md": rest_page(),
        **{f"docker/grafana/{name}.json": grafana_json(name, NODE_OF_THE_DEMO) for name in DASHBOARDS},
    }


def write_files(folder: Path) -> None:
    """Write those files into a checkout."""
    for name, text in shipped_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_files(Path.cwd())
