"""Liveness and readiness, with each thing that the worker relies on gone."""

import socket
import time

import pytest
from processes import until
from sqlalchemy import text

from worker.deployment import Deployment
from worker.servers import Addresses
from worker.settings import Settings
from worker.web.readiness import FRESH_SECONDS, Readiness

NOWHERE_DATABASE = "postgresql://someone:secret-word@127.0.0.1:1/none"
NOWHERE_BROKER = "redis://:secret-word@127.0.0.1:1/0"


@pytest.fixture
def heard(by_hand):
    """Beat has dispatched just now."""
    by_hand().do("dispatch")


def failing(server):
    answer = server.ask("/readyz", None)
    checks = answer.json()["checks"]
    assert set(checks) == {"database", "broker", "schema", "beat"}
    wrong = {name: said for name, said in checks.items() if said != "ok"}
    assert (answer.status_code, answer.json()["ok"]) == ((503, False) if wrong else (200, True))
    assert "secret-word" not in answer.text
    assert server.ask("/livez", None).json() == {"ok": True}
    return wrong


@pytest.mark.usefixtures("heard")
def test_it_is_ready_when_all_is_there(server):
    assert failing(server) == {}


@pytest.mark.usefixtures("heard")
def test_without_the_database_it_is_alive_and_not_ready(serve):
    wrong = failing(serve(RETENTION_DATABASE_URL=NOWHERE_DATABASE))
    assert set(wrong) == {"database", "schema", "beat"}
    assert set(wrong.values()) == {"does not answer"}


def test_where_the_database_should_be_is_told_to_the_log_and_to_nobody_who_is_not_logged_in(serve):
    server = serve(RETENTION_DATABASE_URL=NOWHERE_DATABASE)
    scraped = server.ask("/metrics", None)
    assert scraped.status_code == 503
    assert scraped.json()["detail"] == "the database or the broker does not answer; the log says which"
    (refused,) = server.events("request.refused")
    assert refused["route"] == "/metrics"
    assert "127.0.0.1" in refused["reason"]
    assert "secret-word" not in server.log.read_text()
    assert "127.0.0.1" in server.ask("/api/v1/pauses").json()["detail"]


@pytest.mark.usefixtures("heard")
def test_without_the_broker_it_is_alive_and_not_ready(serve):
    assert failing(serve(RETENTION_BROKER_URL=NOWHERE_BROKER)) == {"broker": "does not answer"}


@pytest.fixture
def mute():
    """Where connections are taken and nothing is ever answered, as a frozen machine does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.usefixtures("heard")
def test_a_broker_that_takes_connections_and_answers_nothing_keeps_nobody_waiting(serve, mute):
    server = serve(RETENTION_BROKER_URL=f"redis://{mute}/0")
    ready = server.ask("/readyz", None, timeout=20).json()["checks"]
    assert ready == {"database": "ok", "broker": "does not answer", "schema": "ok", "beat": "ok"}
    assert server.ask("/api/v1/status", timeout=20).json()["workers"] is None
    assert server.act("/api/v1/sweeps", policy="purge").status_code == 503


@pytest.mark.usefixtures("heard")
def test_with_another_schema_it_says_what_to_run(server, engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert "retention migrate" in failing(server).pop("schema")


@pytest.mark.usefixtures("heard")
def test_a_silent_beat_is_seen_and_one_that_is_heard_again_too(server, engine, by_hand):
    with engine.begin() as connection:
        connection.execute(text("UPDATE heartbeats SET at = at - interval '10 minutes' WHERE source = 'beat'"))
    assert "beat is silent" in failing(server)["beat"]
    by_hand().do("dispatch")
    until(lambda: failing(server) == {}, "it is heard")


def test_a_beat_that_was_never_heard_is_named(server):
    assert "never heard" in failing(server)["beat"]


@pytest.mark.usefixtures("heard")
def test_it_comes_back_by_itself_with_the_database(server, engine):
    assert failing(server) == {}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        others = "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        assert connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")).all()
    time.sleep(FRESH_SECONDS)
    until(lambda: failing(server) == {}, "it is ready again")


@pytest.mark.usefixtures("heard")
def test_whoever_asks_again_and_again_makes_it_look_once_a_second(engine, database_url, broker_url, by_hand):
    seconds = [0.0]
    addresses = Addresses(database_url, broker_url)
    readiness = Readiness(Deployment(Settings(), addresses, engine), by_hand().app, lambda: seconds[0])
    assert readiness.found()["beat"] == "ok"
    with engine.begin() as connection:
        connection.execute(text("UPDATE heartbeats SET at = at - interval '10 minutes' WHERE source = 'beat'"))
    seconds[0] += FRESH_SECONDS / 2
    assert readiness.found()["beat"] == "ok"
    seconds[0] += FRESH_SECONDS / 2
    assert "beat is silent" in readiness.found()["beat"]


@pytest.mark.usefixtures("heard")
def test_to_look_at_the_schema_is_nothing_for_the_log(server):
    assert failing(server) == {}
    assert "alembic" not in server.log.read_text()
