"""The API tells what the command line tells; that it keeps its own description is in `test_any_request.py`."""

import pytest
from builders import a_hold
from sweeping import closable, purgeable


@pytest.fixture
def worked(by_hand, engine):
    """A deployment with something to tell of everything."""
    hand = by_hand()
    with engine.begin() as connection:
        for _ in range(3):
            purgeable(connection)
        held = closable(connection)
        a_hold(connection, held)
    assert hand.carry_out(hand.request("purge")).status == "done"
    hand.do("dispatch")
    hand.do("measure")
    return hand


def without_instants(document):
    """Leave out when it was told, and what was told a moment later may be otherwise."""
    if isinstance(document, dict):
        moving = {"at", "measured_at", "workers", "files_left", "heard_at"}
        return {name: without_instants(value) for name, value in document.items() if name not in moving}
    return [without_instants(each) for each in document] if isinstance(document, list) else document


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("status", ["status"]),
        ("sweeps", ["sweeps"]),
        ("forecast?days=60", ["forecast", "--days", "60"]),
        ("policies/counter_only/plan", ["plan", "counter_only"]),
        ("policies/purge/plan", ["plan", "purge"]),
        ("accounts/1", ["explain", "1"]),
        ("accounts/4", ["explain", "4"]),
        ("holds", ["hold", "list"]),
        ("quarantine", ["quarantine", "list"]),
        ("log/actions", ["log", "list"]),
    ],
)
def test_the_api_tells_what_the_command_line_tells(server, worked, path, command):
    told = server.ask(f"/api/v1/{path}")
    assert told.status_code == 200, told.text
    said = server.stack.retention(*command, "--json", check=True).json
    if path.startswith("policies"):
        # As of the measurement, and not of now: the cutoff is the same on one day.
        assert told.json()["sample"] == said["sample"]
    assert without_instants(told.json()) == without_instants(said)


def test_lists_are_paged_without_a_gap(server, worked):
    whole = server.ask("/api/v1/log/actions").json()["actions"]
    first = server.ask("/api/v1/log/actions?limit=2").json()["actions"]
    rest = server.ask(f"/api/v1/log/actions?limit=2&before={first[-1]['id']}").json()["actions"]
    assert len(whole) == 3
    assert first + rest == whole
    sweeps = server.ask("/api/v1/sweeps").json()["sweeps"]
    assert server.ask(f"/api/v1/sweeps?before={sweeps[0]['id']}").json()["sweeps"] == sweeps[1:]


def test_what_is_done_by_day_is_what_the_log_says(server, worked):
    days = server.ask("/api/v1/days?days=7").json()["policies"]
    assert [len(each) for each in days.values()] == [7, 7]
    ((day, actions, batches),) = worked.rows(
        "SELECT date(acted_at AT TIME ZONE 'Asia/Tokyo')::text, sum(accounts), count(*) FROM receipts GROUP BY 1"
    )
    assert days["purge"][-1] == {"day": day, "accounts": actions, "batches": batches}
    assert sum(each["accounts"] for each in days["purge"]) == 3
    assert sum(each["accounts"] for each in days["counter_only"]) == 0


def test_a_sweep_tells_its_rows_and_who_decided_about_it(server, worked):
    (sweep,) = [each for each in server.ask("/api/v1/sweeps").json()["sweeps"] if each["status"] == "done"]
    told = server.ask(f"/api/v1/sweeps/{sweep['id']}").json()
    assert told["rows"]["accounts"] == 3
    assert told["decisions"] == []
    missing = server.ask("/api/v1/sweeps/999")
    assert (missing.status_code, missing.headers["Content-Type"]) == (404, "application/problem+json")
    assert missing.json()["detail"] == "there is no sweep 999"


def test_before_the_first_measurement_nothing_is_made_up(server):
    status = server.ask("/api/v1/status").json()
    assert status["measured_at"] is None
    assert [each["due"] for each in status["policies"].values()] == [None, None]
    plan = server.ask("/api/v1/policies/purge/plan")
    assert plan.status_code == 503
    assert "nothing is measured yet" in plan.json()["detail"]


def test_without_the_broker_nothing_is_triggered_and_a_decision_is_kept(serve, by_hand):
    server = serve(RETENTION_BROKER_URL="redis://127.0.0.1:1/0")
    refused = server.act("/api/v1/sweeps", policy="purge")
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert server.ask("/api/v1/sweeps").json() == {"sweeps": []}
    number = by_hand().request("purge")
    assert server.act("/api/v1/policies/purge/pause").status_code == 200
    assert server.act("/api/v1/policies/purge/resume").json() == {"policy": "purge", "paused": False}
    assert server.ask(f"/api/v1/sweeps/{number}").json()["status"] == "held"
    assert server.ask("/api/v1/status").json()["workers"] is None


def test_a_bug_is_answered_without_what_it_quotes_and_its_place_is_logged(server, engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE holds CASCADE")
    answer = server.ask("/api/v1/holds")
    assert answer.status_code == 500
    assert answer.json()["detail"] == "this is a bug of the worker; its log says where"
    (logged,) = server.events("request.failed")
    assert logged["error"] == "StatementError"
    assert server.ask("/livez").status_code == 200
