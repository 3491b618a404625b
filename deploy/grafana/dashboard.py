"""Grafana's dashboard, written by `make dashboards` to dashboards/retention.json: what is late, at work, ahead, odd."""

import sys
from itertools import count
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders.bargauge import Panel as Bars
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as Lines
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    Threshold,
    ThresholdsMode,
)

__all__ = ["WRITTEN", "text"]

WRITTEN = Path(__file__).parent / "dashboards" / "retention.json"
SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
FIRING = 'ALERTS{alertname=~"Retention.+", alertstate="firing"}'
MINUTE, HOUR, DAY = 60, 3600, 86400
# Of the 24 columns in which Grafana lays panels out.
WIDE, THIRD, NARROW = 12, 8, 4


def dashboard() -> Dashboard:
    """Return the dashboard: what is wrong comes first."""
    shown = (
        Dashboard("Retention worker")
        .uid("retention-worker")
        .tags(["retention"])
        .readonly()
        .refresh("30s")
        .time("now-7d", "now")
        .timezone("browser")
    )
    numbers = count(1)
    for title, panels in (
        ("Is everything on time?", _on_time()),
        ("What is done", _done()),
        ("What is ahead", _ahead()),
        ("What the worker cannot treat", _untreated()),
        ("Proof and machinery", _machinery()),
    ):
        shown.with_row(Row(title).id(next(numbers)))
        for panel in panels:
            shown.with_panel(panel.id(next(numbers)))
    return shown


def _on_time() -> list[Any]:
    beat = "time() - retention:beat_last_tick_timestamp_seconds:max"
    return [
        _number("Alerts that fire", f"count({FIRING}) or vector(0)", "short", red=1),
        _number("Overdue accounts", "retention:accounts_overdue:max", "short", red=1, each="{{policy}}"),
        _number("Oldest due for", "retention:oldest_overdue_seconds:max", "s", red=2 * DAY, each="{{policy}}"),
        _number("Sweep held for", "retention:sweep_held_age_seconds:max", "s", red=15 * MINUTE, each="{{policy}}"),
        _number("Paused for", "retention:paused_age_seconds:max", "s", red=3 * DAY, each="{{policy}}"),
        _number("Beat heard before", beat, "s", red=5 * MINUTE),
    ]


def _done() -> list[Any]:
    acted = "max by (action) (increase(retention_actions_total[1d]))"
    ended = "max by (policy, status) (increase(retention_sweeps_total[1d]))"
    return [
        _lines(
            "Due and overdue",
            WIDE,
            "short",
            ("retention:accounts_due:max", "{{policy}} due"),
            ("retention:accounts_overdue:max", "{{policy}} overdue"),
        ),
        _lines("Actions in the 24 hours before", WIDE, "short", (acted, "{{action}}")),
        _lines("Sweeps ended in the 24 hours before", THIRD, "short", (ended, "{{policy}} {{status}}")),
        _lines("Actions per second", THIRD, "ops", ("retention:actions:rate5m", "{{action}}")),
        _lines("Batches take at most", THIRD, "s", ("retention:batch_seconds:p95_1h", "19 of 20")),
    ]


def _ahead() -> list[Any]:
    falls_due = "max by (policy, days) (last_over_time(retention_forecast_accounts[10m]))"
    return [
        _bars("Accounts that fall due within days", falls_due, "{{policy}} {{days}}"),
        _lines(
            "Busiest of the next 30 days, and the ceiling",
            WIDE,
            "short",
            ('retention:forecast_peak_accounts:max{days="30"}', "{{policy}}"),
            ("retention:ceiling_accounts:max", "allowed without approval"),
        ),
    ]


def _untreated() -> list[Any]:
    return [
        _lines("Anomalies", THIRD, "short", ("retention:anomalies:max", "{{kind}}")),
        _lines(
            "Set aside, and held by somebody",
            THIRD,
            "short",
            ("retention:quarantined_accounts:max", "quarantine"),
            ("retention:holds:max", "holds"),
        ),
        _lines("Files of purged accounts", THIRD, "short", ("retention:files:max", "{{state}}")),
    ]


def _machinery() -> list[Any]:
    verified = "time() - retention:chain_verified_timestamp_seconds:max"
    measured = "time() - retention:measured_timestamp_seconds:max"
    return [
        _number("Log verified before", verified, "s", red=8 * DAY),
        _number("Counted before", measured, "s", red=15 * MINUTE),
        _lines("Clocks differ by", THIRD, "s", ("retention:clock_skew_seconds:max15m", "{{source}}")),
        _lines("Sweeps without a sign for", THIRD, "s", ("retention:sweep_silent_seconds:max", "{{policy}}")),
        _lines("Alerts", 2 * WIDE, "short", (f"count by (alertname) ({FIRING})", "{{alertname}}")),
    ]


def _number(title: str, expression: str, unit: str, *, red: float, each: str = "") -> Stat:
    steps = [Threshold(value=None, color="green"), Threshold(value=red, color="red")]
    return (
        Stat()
        .title(title)
        .datasource(SOURCE)
        .unit(unit)
        .decimals(0)
        .span(NARROW)
        .height(4)
        .no_value("not known yet")
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.BACKGROUND)
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .with_target(Dataquery().expr(expression).instant().legend_format(each).ref_id("A"))
    )


def _lines(title: str, columns: int, unit: str, *asked: tuple[str, str]) -> Lines:
    legend = VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel = Lines().title(title).datasource(SOURCE).unit(unit).min(0).span(columns).height(7).legend(legend)
    panel.draw_style(GraphDrawStyle.LINE).fill_opacity(10)
    if unit == "short":
        panel.decimals(0)  # accounts come whole
    for number, (expression, each) in enumerate(asked):
        panel.with_target(Dataquery().expr(expression).legend_format(each).ref_id(chr(ord("A") + number)))
    return panel


def _bars(title: str, expression: str, each: str) -> Bars:
    asked = Dataquery().expr(expression).instant().legend_format(each).ref_id("A")
    return Bars().title(title).datasource(SOURCE).unit("short").min(0).span(WIDE).height(7).with_target(asked)


def text() -> str:
    """Return the dashboard as Grafana reads it."""
    return JSONEncoder(sort_keys=True, indent=2).encode(dashboard().build()) + "\n"


if __name__ == "__main__":
    WRITTEN.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{WRITTEN}\n")
