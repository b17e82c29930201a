"""The pages that people read lead where they say, and name settings and tests that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from pulsing.settings.table import OTHER_VARIABLES, SECTIONS

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\[[^]]*]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_TEST_FILE = re.compile(r"`(tests/[\w/]+\.py)`")
_VARIABLE = re.compile(r"\bPULSING_[A-Z_]+\b")


def anchors(page: Path) -> set[str]:
    """What a link into a page can name."""
    headings = re.findall(r"^#+ +(.*)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    """Links of a page that lead to nothing in the checkout."""
    for target in _LINK.findall(_FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name) if name else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# Here it is\n")
    page = tmp_path / "page.md"
    page.write_text("[a](there.md#here-it-is) [b](there.md#nowhere) [c](gone.md) [d](https://example.org/x)\n")
    assert list(broken_links(page)) == ["there.md#nowhere", "gone.md"]


def test_the_test_files_that_the_security_page_names_exist() -> None:
    named = _TEST_FILE.findall((ROOT / "SECURITY.md").read_text())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("file", ["compose.yaml", "docs/how-to/kubernetes.yaml", "docs/how-to/kubernetes.md"])
def test_the_settings_that_deployments_give_exist(file: str) -> None:
    known = {option.env for options in SECTIONS.values() for option in options} | set(OTHER_VARIABLES)
    # Who runs the containers; the composition's own.
    known |= {"PULSING_UID", "PULSING_GID"}
    given = set(_VARIABLE.findall((ROOT / file).read_text()))
    assert given
    assert given - known == set()


def test_the_probes_and_ports_of_kubernetes_are_those_of_a_node() -> None:
    documents = list(yaml.safe_load_all((ROOT / "docs/how-to/kubernetes.yaml").read_text()))
    (stateful,) = [document for document in documents if document["kind"] == "StatefulSet"]
    (service,) = [document for document in documents if document["kind"] == "Service"]
    (container,) = stateful["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    given = {variable["name"]: variable.get("value", "") for variable in container["env"]}

    assert ports == {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert given["PULSING_CONTROL_PORT"] == str(ports["membership"])
    assert given["PULSING_ADDR"].endswith(f":{ports['link']}")
    assert given["PULSING_ADMIN_ADDR"].endswith(f":{ports['admin']}")
    for probe in ("startup", "liveness", "readiness"):
        asked = container[f"{probe}Probe"]["httpGet"]
        assert asked["httpHeaders"] == [{"name": "Host", "value": f"localhost:{ports['admin']}"}]
        assert asked["path"] in {"/health/startup", "/health/live", "/health/ready"}


def test_what_the_page_on_kubernetes_adds_fits_the_manifest() -> None:
    documents = {it["kind"]: it for it in yaml.safe_load_all((ROOT / "docs/how-to/kubernetes.yaml").read_text())}
    added = {kind: it["spec"] for kind, it in manifests_of_the_page().items()}
    pod = documents["StatefulSet"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    (scraped,) = added["ServiceMonitor"]["endpoints"]
    (token,) = [it["valueFrom"]["secretKeyRef"] for it in container["env"] if it["name"] == "PULSING_ADMIN_TOKEN"]
    let_in = [port["port"] for rule in added["NetworkPolicy"]["ingress"] for port in rule["ports"]]

    assert added["NetworkPolicy"]["podSelector"]["matchLabels"] == pod["metadata"]["labels"]
    assert sorted(let_in) == sorted(port["name"] for port in container["ports"])
    assert added["ServiceMonitor"]["selector"]["matchLabels"] == documents["Service"]["metadata"]["labels"]
    assert scraped["port"] in {port["name"] for port in documents["Service"]["spec"]["ports"]}
    assert scraped["authorization"]["credentials"] == token


def manifests_of_the_page() -> dict[str, dict[str, Any]]:
    """Those that stand on the page on Kubernetes, by their kind."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs/how-to/kubernetes.md").read_text(), re.M | re.S)
    return {it["kind"]: it for it in map(yaml.safe_load, blocks)}


def test_the_network_policy_of_the_page_is_one_that_kubernetes_takes() -> None:
    validator = pytest.importorskip("kubernetes_validate")
    policy = manifests_of_the_page()["NetworkPolicy"]
    validator.validate(policy, validator.latest_version(), strict=True)
    policy["spec"]["ingres"] = []
    with pytest.raises(validator.ValidationError):
        validator.validate(policy, validator.latest_version(), strict=True)


def test_the_service_monitor_of_the_page_is_one_that_the_operator_takes() -> None:
    schema = json.loads((ROOT / "tests/unit/service_monitor.schema.json").read_text())
    operator = jsonschema_rs.validator_for(schema)
    monitor = manifests_of_the_page()["ServiceMonitor"]
    operator.validate(monitor)
    monitor["spec"]["endpoints"][0]["autorization"] = {}
    assert not operator.is_valid(monitor)


def test_nothing_but_settings_begins_like_one_in_a_pod() -> None:
    documents = {it["kind"]: it for it in yaml.safe_load_all((ROOT / "docs/how-to/kubernetes.yaml").read_text())}
    assert documents["StatefulSet"]["spec"]["template"]["spec"]["enableServiceLinks"] is False
