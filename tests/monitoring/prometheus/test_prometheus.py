"""A real Prometheus on a real server: it scrapes it, every rule works, alerts fire and end with their cause."""

import json
import re
from functools import partial

from deploying import CHECKOUT
from monitored import alerts, records
from processes import until
from sqlalchemy import text
from staging import set_stage

DASHBOARD = CHECKOUT / "deploy" / "grafana" / "dashboards" / "retention.json"
HELD = """
INSERT INTO sweeps (policy, as_of, cutoff, actor, reason, status, held_at, held_for)
VALUES ('purge', now(), now(), 'beat', 'cron', 'held', now() - interval '1 hour', '[]') RETURNING id
"""


def test_every_rule_is_loaded_and_judged_without_an_error(watch, serve):
    watching = watch(serve().url)
    until(lambda: watching.value('up{job="retention"}') == 1, "the server is scraped")
    rules = until(
        lambda: (found := watching.rules()) and all(rule["health"] == "ok" for rule in found.values()) and found,
        "every rule was judged",
    )
    assert rules.keys() == alerts().keys() | records().keys()


def test_a_held_sweep_is_told_until_somebody_decides(watch, serve, engine):
    server = serve()
    with engine.begin() as connection:
        held = connection.scalar(text(HELD))
    watching = watch(server.url)
    told = until(lambda: watching.firing().get("RetentionSweepHeld"), "the alert fires")
    assert (told["policy"], told["severity"]) == ("purge", "warning")
    assert "RetentionSweepHeldForADay" not in watching.firing()
    (manual,) = watching.manual("RetentionSweepHeld")
    assert re.fullmatch(r"https://[\w./-]+/docs/operations\.md#retentionsweepheld", manual)
    assert server.act(f"/api/v1/sweeps/{held}/reject").status_code == 200
    until(lambda: "RetentionSweepHeld" not in watching.firing(), "the alert has ended")


def test_accounts_in_quarantine_are_told_until_they_are_tried_again(watch, serve, engine, by_hand):
    server, hand = serve(), by_hand()
    stage = set_stage(engine, hand)
    watching = watch(server.url)
    until(lambda: "RetentionQuarantine" in watching.firing(), "the alert fires")
    assert watching.value("retention:quarantined_accounts:max") == len(stage.aside)
    assert server.act("/api/v1/quarantine/retry").status_code == 200
    hand.do("measure")
    until(lambda: "RetentionQuarantine" not in watching.firing(), "the alert has ended")


def test_every_panel_of_the_dashboard_is_answered(watch, serve, engine, by_hand):
    set_stage(engine, by_hand())
    watching = watch(serve().url)
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for asked in panel.get("targets", ()):
            until(partial(watching.found, asked["expr"]), f"{panel['title']} shows something")


def test_a_server_that_is_gone_is_told(watch, serve):
    server = serve()
    watching = watch(server.url)
    scraped = 'up{job="retention"} == 1'
    until(lambda: watching.value(scraped) and "RetentionDown" not in watching.firing(), "the server is scraped")
    server.stop()
    told = until(lambda: watching.firing().get("RetentionDown"), "the alert fires")
    assert told["severity"] == "critical"
