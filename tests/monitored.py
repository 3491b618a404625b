"""Rules and dashboard as those read them who watch the worker; their programs, where the machine has them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import yaml
from deploying import CHECKOUT
from prometheus_client.parser import text_string_to_metric_families
from serving import Serving

__all__ = [
    "ALERTS",
    "LEFT_OUT",
    "RULES",
    "alerts",
    "is_told",
    "program",
    "records",
    "selected",
    "staged",
    "told",
    "underlying",
]

RULES = CHECKOUT / "deploy" / "prometheus" / "rules"
ALERTS = CHECKOUT / "tests" / "monitoring" / "alerts"
# Where `make prometheus` puts Debian's package, which needs no root.
FETCHED = CHECKOUT / "var" / "prometheus" / "usr" / "bin"
LEFT_OUT = (
    "NOT RUN: tests/monitoring/prometheus, for there is no Prometheus here. Run make prometheus, or install it "
    "(Debian: apt install prometheus), or name the directory of prometheus and promtool in TEST_PROMETHEUS."
)


def program(name: str) -> str | None:
    """Return the path of `prometheus` or `promtool`: of TEST_PROMETHEUS, else installed, else fetched, else None."""
    named = os.environ.get("TEST_PROMETHEUS")
    found = shutil.which(name, path=named or os.pathsep.join((os.environ["PATH"], str(FETCHED))))
    assert found or not named, f"TEST_PROMETHEUS is {named}, where there is no {name}"
    return found


def _rules(kind: str) -> list[dict[str, Any]]:
    groups = [group for path in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def alerts() -> dict[str, dict[str, Any]]:
    """Return every alert by its name."""
    return {rule["alert"]: rule for rule in _rules("alert")}


def records() -> dict[str, str]:
    """Return what every recording rule asks for, by the name that it gives the answer."""
    return {rule["record"]: rule["expr"] for rule in _rules("record")}


def selected(expression: str) -> list[tuple[str, dict[str, str]]]:
    """Return the series that an expression asks for: name, and labels with the values they must have.

    Raises:
        ValueError: it is no PromQL.
    """
    found: list[tuple[str, dict[str, str]]] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            visit(node.vector_selector)
        if isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, {each.name: str(each.value) for each in node.matchers.matchers}))

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def underlying(expression: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield every series that an expression rests on, with the labels it has to have; records are followed."""
    rest = records()
    for name, labels in selected(expression):
        if name in rest:
            yield from ((below, labels | own) for below, own in underlying(rest[name]))
        else:
            yield name, labels


def is_told(figures: dict[str, list[dict[str, str]]], name: str, labels: dict[str, str]) -> bool:
    """Say whether the server has a sample with these labels and values; `up` is Prometheus' own."""
    return name == "up" or any(labels.items() <= sample.items() for sample in figures.get(name, ()))


def told(server: Serving) -> dict[str, list[dict[str, str]]]:
    """Return the labels of every sample that the server tells, by its name."""
    answer = server.ask("/metrics", None)
    assert answer.status_code == 200, answer.text
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    return {name: [each.labels for each in samples if each.name == name] for name in {each.name for each in samples}}


def staged(path: Path) -> list[dict[str, Any]]:
    """Return the situations of one file for `promtool test rules`."""
    situations: list[dict[str, Any]] = yaml.safe_load(path.read_text())["tests"]
    return situations
