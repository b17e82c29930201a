"""Files for Prometheus, made from what this node knows: whom to scrape, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pulsing.transport.address import is_loopback


def discovery(rows: Sequence[Mapping[str, Any]], cluster: str) -> tuple[list[dict[str, Any]], int]:
    """The targets of http_sd, and how many live nodes cannot be listed for want of an address.

    A loopback address is good for this machine only, and is listed for nodes of this machine only.
    """
    targets: list[dict[str, Any]] = []
    omitted = 0
    hosts_here = {row.get("host") for row in rows if row.get("self")}
    for row in rows:
        if row.get("status") not in ("alive", "suspect", "leaving"):
            continue
        url = _address_of(row)
        if url is None or (is_loopback(url.hostname or "") and row.get("host") not in hosts_here):
            omitted += 1
            continue
        targets.append(_target(row, cluster, url.scheme, url.netloc, url.path.rstrip("/")))
    return targets, omitted


def _address_of(row: Mapping[str, Any]) -> SplitResult | None:
    """Where a node says that it can be asked; None where Prometheus could not ask, whatever the node has said."""
    try:
        url = urlsplit(str(row.get("admin_url") or ""))
        url.port  # noqa: B018
    except ValueError:
        return None
    is_one = url.scheme in ("http", "https") and bool(url.hostname) and "@" not in url.netloc
    return url if is_one and url.netloc.isprintable() else None


def _target(row: Mapping[str, Any], cluster: str, scheme: str, netloc: str, prefix: str) -> dict[str, Any]:
    labels = {
        "node": str(row.get("name") or row["id"]),
        "cluster": cluster,
        "__scheme__": scheme,
        "__metrics_path__": f"{prefix}/metrics",
        "__meta_pulsing_node_id": str(row["id"]),
        "__meta_pulsing_version": str(row.get("version") or ""),
    }
    return {"targets": [netloc], "labels": labels}


def scrape_config(base_url: str, token_file: str) -> str:
    """A scrape job that works as it is."""
    # Prometheus 2.42 sends a token of discovery without its scheme unless that is named.
    return f"""\
scrape_configs:
  - job_name: pulsing
    scrape_interval: 15s
    # convert_classic_histograms_to_nhcb: true   # Prometheus 3
    authorization:
      type: Bearer
      credentials_file: {token_file}
    http_sd_configs:
      - url: {base_url}/api/v1/prometheus/sd
        authorization:
          type: Bearer
          credentials_file: {token_file}
"""
