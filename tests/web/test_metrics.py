"""`/metrics`: every name that is promised, with the numbers that SQL says, whichever process is asked."""

from datetime import UTC, datetime, timedelta

import pytest
from builders import a_hold, an_account
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sweeping import LONG_INVALID, LONG_WITHDRAWN, closable, purgeable

PROMISED = {
    "retention_accounts_due": {"policy"},
    "retention_accounts_overdue": {"policy"},
    "retention_oldest_overdue_seconds": {"policy"},
    "retention_actions": {"action"},
    "retention_sweeps": {"policy", "status"},
    "retention_sweep_last_end_timestamp_seconds": {"policy", "status"},
    "retention_sweep_held_age_seconds": {"policy"},
    "retention_sweep_silent_seconds": {"policy"},
    "retention_paused": {"policy"},
    "retention_paused_age_seconds": {"policy"},
    "retention_forecast_accounts": {"policy", "days"},
    "retention_forecast_peak_accounts": {"policy", "days"},
    "retention_ceiling_accounts": set(),
    "retention_files": {"state"},
    "retention_anomalies": {"kind"},
    "retention_holds": set(),
    "retention_quarantined_accounts": set(),
    "retention_beat_last_tick_timestamp_seconds": set(),
    "retention_clock_skew_seconds": {"source"},
    "retention_batch_seconds": {"le"},
    "retention_chain_verified_timestamp_seconds": set(),
    "retention_chain_broken": set(),
    "retention_log_years_ahead": set(),
    "retention_measured_timestamp_seconds": set(),
}


def families(server):
    answer = server.ask("/metrics", None)
    assert answer.status_code == 200, answer.text
    return {each.name: each for each in text_string_to_metric_families(answer.text)}


def samples(server):
    """Every sample: its name and the values of its labels, by the labels' names, to its value."""
    return {
        (each.name, *(each.labels[name] for name in sorted(each.labels))): each.value
        for family in families(server).values()
        for each in family.samples
    }


@pytest.fixture
def worked(by_hand, engine):
    """A deployment that has measured, swept and measured again: something of everything."""
    hand = by_hand()
    with engine.begin() as connection:
        for _ in range(3):
            purgeable(connection)
        for _ in range(2):
            closable(connection)
        a_hold(connection, purgeable(connection))
        an_account(connection, status="invalid", invalidated_at=None)
        an_account(connection, status="invalid", invalidated_at=datetime.now(UTC) - timedelta(days=5 * 365 - 10))
    for policy in ("purge", "counter_only"):
        assert hand.carry_out(hand.request(policy)).status == "done"
    with engine.begin() as connection:
        closable(connection)
        purgeable(connection)
    hand.do("dispatch")
    hand.do("measure")
    return hand


def test_every_promised_name_is_there_with_its_labels(server, worked):
    assert server.stack.retention("log", "verify", check=True).code == 0
    found = families(server)
    for name, labels in PROMISED.items():
        given = [set(each.labels) for each in found[name].samples if each.name not in (f"{name}_sum", f"{name}_count")]
        assert given, name
        assert all(each == labels for each in given), name
    assert all(family.documentation for family in found.values())


def test_every_promised_name_is_there_before_anything_ever_happened(server):
    assert set(PROMISED) <= set(families(server))
    assert samples(server)["retention_actions_total", "purge"] == 0


def test_the_numbers_are_those_that_sql_says(server, worked, engine):
    found = samples(server)
    one = {row[0]: row[1] for row in worked.rows("SELECT action, count(*) FROM actions GROUP BY 1")}
    assert one == {"purge": 3, "counter_only": 2}
    for action, accounts in one.items():
        assert found["retention_actions_total", action] == accounts
        assert found["retention_sweeps_total", action, "done"] == 1
        assert found["retention_sweeps_total", action, "failed"] == 0
        assert found["retention_accounts_due", action] == 1
        assert found["retention_paused", action] == found["retention_sweep_held_age_seconds", action] == 0
    assert found["retention_holds",] == 1
    assert found["retention_anomalies", "invalid_without_date"] == 1
    assert found["retention_anomalies", "withdrawn_in_future"] == 0
    assert found["retention_quarantined_accounts",] == 0
    (batches,) = worked.rows("SELECT count(*) FROM receipts")
    assert found["retention_batch_seconds_count",] == found["retention_batch_seconds_bucket", "+Inf"] == batches[0] > 1
    assert found["retention_forecast_accounts", "7", "purge"] == 0
    assert found["retention_forecast_accounts", "30", "purge"] == 1
    assert found["retention_forecast_peak_accounts", "7", "purge"] == 0
    assert found["retention_forecast_peak_accounts", "30", "purge"] == 1
    assert found["retention_ceiling_accounts",] == 100  # the share of a handful is below the floor
    for action in one:
        assert found["retention_accounts_overdue", action] == 1
        (ended,) = worked.rows("SELECT extract(epoch FROM max(ended_at)) FROM sweeps WHERE policy = :p", p=action)
        assert found["retention_sweep_last_end_timestamp_seconds", action, "done"] == pytest.approx(float(ended[0]))
    (beat,) = worked.rows("SELECT extract(epoch FROM at) FROM heartbeats WHERE source = 'beat'")
    assert found["retention_beat_last_tick_timestamp_seconds",] == pytest.approx(float(beat[0]))
    for source in ("database", "broker"):
        assert abs(found["retention_clock_skew_seconds", source]) < 60
    for policy, event in (("purge", LONG_INVALID), ("counter_only", LONG_WITHDRAWN)):
        due_at = worked.runtime.policies[policy].due_from(event)
        expected = (datetime.now(UTC) - due_at).total_seconds()
        assert found["retention_oldest_overdue_seconds", policy] == pytest.approx(expected, abs=600)


def test_what_people_stop_is_seen_at_once(server, engine):
    assert server.act("/api/v1/policies/purge/pause").status_code == 200
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO sweeps (policy, as_of, cutoff, actor, reason, status, held_at)"
                " VALUES ('counter_only', now(), now(), 'a', 'r', 'held', now() - interval '1 hour')"
            )
        )
    found = samples(server)
    assert found["retention_paused", "purge"] == 1
    assert found["retention_paused", "counter_only"] == 0
    assert found["retention_paused_age_seconds", "purge"] > 0
    assert found["retention_paused_age_seconds", "counter_only"] == 0
    assert found["retention_sweep_silent_seconds", "counter_only"] == 0  # a person is asked, not the machinery
    assert found["retention_sweep_held_age_seconds", "counter_only"] >= 3600
    assert found["retention_sweep_held_age_seconds", "purge"] == 0


def test_an_account_that_was_set_aside_is_counted(server, by_hand, engine):
    with engine.begin() as connection:
        account = purgeable(connection)
        connection.execute(
            text(
                "INSERT INTO quarantine (account_id, policy, attempts, failure, first_at, last_at, set_aside_at)"
                " VALUES (:id, 'purge', 3, 'SQLSTATE 23503', now(), now(), now())"
            ),
            {"id": account},
        )
    by_hand().do("measure")
    assert samples(server)["retention_quarantined_accounts",] == 1


def counters(server):
    return {name: value for name, value in samples(server).items() if "_total" in name[0] or "_batch_" in name[0]}


def test_counters_are_the_same_after_a_restart_and_from_another_process(server, serve, worked):
    before = counters(server)
    assert sum(before.values()) > 0
    server.restart()
    assert counters(server) == counters(serve(log="second")) == before


def test_a_purge_of_the_quarantine_or_of_old_accounts_lowers_no_counter(server, worked, engine):
    before = counters(server)
    assert worked.carry_out(worked.request("purge")).status == "done"
    after = counters(server)
    assert all(after[name] >= value for name, value in before.items())
    assert after["retention_actions_total", "purge"] == before["retention_actions_total", "purge"] + 1


def test_without_the_database_a_scrape_fails_instead_of_telling_zeros(serve):
    server = serve(RETENTION_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert server.ask("/metrics", None).status_code == 503


def test_a_sweep_that_should_go_on_and_gives_no_sign_is_seen(server, engine):
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO sweeps (policy, as_of, cutoff, actor, reason, status, heard_at)"
                " VALUES ('purge', now(), now(), 'a', 'r', 'running', now() - interval '1 hour')"
            )
        )
    found = samples(server)
    assert found["retention_sweep_silent_seconds", "purge"] >= 3600
    assert found["retention_sweep_silent_seconds", "counter_only"] == 0


def test_the_ceiling_is_the_lowest_that_a_sweep_would_meet(server, by_hand, engine):
    with engine.begin() as connection:
        for _ in range(10):
            an_account(connection)
    for lowest, limits in {
        3: {"ceiling_share": 0.3, "ceiling_floor": 2},
        2: {"ceiling_share": 0.1, "ceiling_floor": 2},
        5: {"ceiling_accounts": 5},
        0: {"ceiling_forecast": 0},
    }.items():
        by_hand(**limits).do("measure")
        assert samples(server)["retention_ceiling_accounts",] == lowest


def test_the_ceiling_counts_nobody_where_there_are_plainly_enough(server, by_hand, engine):
    def ceiling():
        by_hand(ceiling_accounts=5, ceiling_share=0.5, ceiling_floor=2).do("measure")
        return samples(server)["retention_ceiling_accounts",]

    with engine.begin() as connection:
        for _ in range(25):
            an_account(connection)
        connection.execute(text("ANALYZE accounts"))
        connection.execute(text("DELETE FROM job_seekings"))
        connection.execute(text("DELETE FROM accounts"))
    assert ceiling() == 5  # half of those who seem to be there would be more
    with engine.begin() as connection:
        connection.execute(text("ANALYZE accounts"))
    assert ceiling() == 2


def test_what_was_counted_before_ceilings_were_is_told_without_one(server, by_hand):
    hand = by_hand()
    hand.do("measure")
    hand.run("UPDATE measurements SET figures = figures - 'ceiling'")
    found = samples(server)
    assert found["retention_holds",] == 0
    assert ("retention_ceiling_accounts",) not in found


def test_files_that_purges_left_are_counted_by_what_keeps_them(server, by_hand, engine):
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO doomed_files (storage_key, sweep_id, created_at, failure, refused_at) VALUES"
                " ('one', 1, now(), NULL, NULL), ('two', 1, now() - interval '1 hour', NULL, NULL),"
                " ('../up', 1, now(), 'outside', now())"
            )
        )
    by_hand().do("measure")
    found = samples(server)
    states = ("waiting", "overdue", "refused", "in_use")
    assert [found["retention_files", state] for state in states] == [2, 1, 1, 0]
