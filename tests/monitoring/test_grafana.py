"""Grafana's dashboard: it is what its script writes, asks for what is told, and is found by compose's Grafana."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from deploying import CHECKOUT, compose_text
from monitored import alerts, is_told, underlying

GRAFANA = CHECKOUT / "deploy" / "grafana"
MOUNTED = Path("/etc/grafana/provisioning")


@pytest.fixture(scope="module")
def script():
    """The module that writes the dashboard."""
    spec = spec_from_file_location("dashboard", GRAFANA / "dashboard.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def written(script):
    return json.loads(script.WRITTEN.read_text())


def expressions(written):
    return [(panel["title"], each["expr"]) for panel in written["panels"] for each in panel.get("targets", ())]


def test_the_dashboard_is_what_its_script_writes(script):
    assert script.text() == script.WRITTEN.read_text(), "run make dashboards"


def test_every_panel_asks_only_for_what_the_server_tells(written, figures):
    asked = expressions(written)
    assert len(asked) > 15
    for title, expression in asked:
        for name, labels in underlying(expression):
            assert name == "ALERTS" or is_told(figures, name, labels), (title, name, labels)


def test_every_panel_that_shows_something_asks_prometheus(written):
    for panel in written["panels"]:
        assert panel["title"]
        assert panel["type"] == "row" or panel["targets"]
        assert panel["type"] == "row" or panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}


def test_no_panel_lies_on_another_and_each_has_a_number_of_its_own(written):
    places = [panel["gridPos"] for panel in written["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
    assert len({panel["id"] for panel in written["panels"]}) == len(written["panels"])


def test_the_alerts_that_it_counts_are_ours():
    assert all(name.startswith("Retention") for name in alerts())


def test_grafana_of_compose_finds_source_and_dashboard(script, written):
    services = yaml.safe_load(compose_text())["services"]
    assert f"./deploy/grafana:{MOUNTED}:ro" in services["grafana"]["volumes"]
    (source,) = yaml.safe_load((GRAFANA / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert (source["uid"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert any(port.endswith(":9090") for port in services["prometheus"]["ports"])
    (provider,) = yaml.safe_load((GRAFANA / "dashboards" / "provider.yml").read_text())["providers"]
    assert Path(provider["options"]["path"]) == MOUNTED / script.WRITTEN.parent.relative_to(GRAFANA)
    assert written["editable"] is provider["allowUiUpdates"] is False
