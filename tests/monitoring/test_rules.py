"""Prometheus' rules without Prometheus: they ask for what the server tells; each is staged and explained."""

import re

import pytest
import yaml
from deploying import CHECKOUT, compose_text
from monitored import ALERTS, RULES, alerts, is_told, records, selected, staged, underlying

OPERATIONS = CHECKOUT / "docs" / "operations.md"
# What an alert may do to whom it wakes: at night, or on the next working day.
SEVERITIES = {"critical", "warning"}
NEW = "new_installation"
# The external label that says where people read the manual.
BASE = "runbook_base"
STAGED = sorted(ALERTS.glob("*.yml"))


def test_every_rule_asks_only_for_what_the_server_tells(figures):
    expressions = [*records().values(), *(alert["expr"] for alert in alerts().values())]
    asked = [series for expression in expressions for series in underlying(expression)]
    assert len(asked) > len(expressions) / 2
    assert [series for series in asked if not is_told(figures, *series)] == []


def test_a_name_or_a_label_that_the_server_does_not_have_would_be_found(figures):
    assert not is_told(figures, *next(underlying("retention_acounts_due")))
    assert not is_told(figures, *next(underlying('max_over_time(retention:files:max{state="late"}[5m])')))
    assert is_told(figures, *next(underlying('max_over_time(retention:files:max{state="overdue"}[5m])')))


def test_what_is_no_promql_would_be_found():
    with pytest.raises(ValueError, match=r"unclosed|expect|missing"):
        selected("max by (policy (retention_accounts_due)")


def test_a_series_that_is_staged_has_the_labels_that_the_server_gives_it(figures):
    for path in STAGED:
        for situation in staged(path):
            for each in situation["input_series"]:
                ((name, labels),) = selected(each["series"])
                assert name == "up" or labels.keys() in [sample.keys() for sample in figures[name]], (path.name, each)


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_grave_it_is_what_is_the_matter_and_what_to_do(name):
    alert = alerts()[name]
    texts = alert["annotations"]
    assert alert["labels"].keys() == {"severity"}
    assert alert["labels"]["severity"] in SEVERITIES
    assert texts.keys() == {"summary", "description", "runbook_url"}
    assert re.search(r"\$value|\d|five", texts["description"]), "it names no number"
    for asked in re.findall(r"retention:[\w:]+", " ".join(texts.values())):
        assert asked in records()
    assert texts["runbook_url"] == f"{{{{ $externalLabels.{BASE} }}}}docs/operations.md#{name.lower()}"


def test_the_manual_has_a_paragraph_for_each_alert_and_for_no_other():
    explained = re.findall(r"^### (Retention\w+)$", OPERATIONS.read_text(), flags=re.MULTILINE)
    assert sorted(explained) == sorted(alerts())
    for paragraph in re.split(r"^### ", OPERATIONS.read_text(), flags=re.MULTILINE)[1:]:
        name = paragraph.split(maxsplit=1)[0]
        assert all(f"**{part}:**" in paragraph for part in ("Means", "Look", "Do")), name
        assert re.search(r"`retention\s|```sh", paragraph), f"{name} names no command"


def test_no_two_rules_have_one_name():
    written = re.findall(r"- (?:alert|record): (\S+)", "".join(path.read_text() for path in RULES.glob("*.yml")))
    assert len(written) == len({*written}) == len(alerts()) + len(records())


def own(name):
    """The file in which an alert is staged."""
    return ALERTS / (re.sub(r"(?<!^)(?=[A-Z])", "_", name.removeprefix("Retention")).lower() + ".yml")


@pytest.mark.parametrize("name", alerts())
def test_every_alert_is_staged_silent_then_firing_then_silent_again(name):
    first, *others = staged(own(name))
    asked = first["alert_rule_test"]
    assert {each["alertname"] for each in asked} == {name}
    assert [bool(each["exp_alerts"]) for each in asked] == [False, True, False]
    assert not any(each["exp_alerts"] for other in others for each in other["alert_rule_test"])


def test_every_alert_is_staged_silent_in_a_new_installation():
    (situation,) = staged(ALERTS / f"{NEW}.yml")
    asked = situation["alert_rule_test"]
    assert not any(each["exp_alerts"] for each in asked)
    for name in alerts():
        assert len({each["eval_time"] for each in asked if each["alertname"] == name}) >= 3
    assert {own(name) for name in alerts()} | {ALERTS / f"{NEW}.yml"} == {*STAGED}


def test_prometheus_reads_all_rules_and_scrapes_the_web_server_of_compose():
    configured = yaml.safe_load((RULES.parent / "prometheus.yml").read_text())
    read = {path for pattern in configured["rule_files"] for path in RULES.parent.glob(pattern)}
    assert read == {*RULES.iterdir()}
    assert re.fullmatch(r"https://\S+/", configured["global"]["external_labels"][BASE])
    (job,) = configured["scrape_configs"]
    assert all(
        labels.get("job", "retention") == job["job_name"]
        for alert in alerts().values()
        for name, labels in selected(alert["expr"])
        if name == "up"
    )
    ((host, port),) = [target.split(":") for each in job["static_configs"] for target in each["targets"]]
    web = yaml.safe_load(compose_text())["services"][host]
    assert web["environment"]["RETENTION_WEB_PORT"] == port
    assert web["command"] == ["retention", "serve"]
