"""TLS to PostgreSQL and Redis: with the right authority all works, and nothing is sent to whoever is not verified."""

from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from processes import Stack, until
from sqlalchemy import make_url
from tls import Authority, broker_socket, postgresql_socket, served

BY = ("--actor", "mori", "--reason", "test")
HOST = "localhost"


class Secured:
    """The test's own database and broker behind TLS, with certificates for localhost."""

    def __init__(self, database_url, broker_url, directory, serving):
        self.right = Authority(directory, "right")
        self.wrong = Authority(directory, "wrong")
        self._database, self._broker = make_url(database_url), urlsplit(broker_url)
        context = self.right.context(HOST)
        behind = served(postgresql_socket(database_url), context, postgresql=True)
        self._database_port = serving.enter_context(behind)
        self._broker_port = serving.enter_context(served(broker_socket(broker_url), context))

    def database(self, *, host=HOST, mode="verify-full", authority=None):
        query = f"sslmode={mode}" + (f"&sslrootcert={authority.file}" if authority else "")
        user, name = self._database.username, self._database.database
        return f"postgresql://{user}:secret@{host}:{self._database_port}/{name}?{query}"

    def broker(self, *, host=HOST, authority):
        number = self._broker.query.removeprefix("virtual_host=")
        verified = f"ssl_cert_reqs=required&ssl_ca_certs={authority.file}"
        return f"rediss://{host}:{self._broker_port}/{number}?{verified}"


@pytest.fixture
def secured(database_url, broker_url, tmp_path):
    with ExitStack() as serving:
        yield Secured(database_url, broker_url, tmp_path, serving)


def refused(result, code, *parts):
    assert (result.code, result.out) == (code, ""), result.err
    assert len(result.err.strip().splitlines()) == 1, result.err
    assert "secret" not in result.err
    for part in parts:
        assert part in result.err


def test_a_sweep_runs_with_both_servers_verified(secured, tmp_path):
    urls = secured.database(authority=secured.right), secured.broker(authority=secured.right)
    stack = Stack(*urls, tmp_path)
    try:
        both = "to the database: TLS, certificate and host verified; to the broker: TLS, certificate and host verified"
        assert both in stack.retention("doctor", check=True).out
        stack.retention("seed", "--accounts", "200", check=True)
        stack.worker(RETENTION_CEILING_SHARE="1")
        assert [sweep["status"] for sweep in stack.run("all")] == ["done", "done"]
    finally:
        stack.stop()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"authority": "wrong"}, "certificate verify failed"),
        ({"host": "127.0.0.1", "authority": "right"}, 'does not match host name "127.0.0.1"'),
        ({"mode": "disable"}, "server closed the connection unexpectedly"),
    ],
)
def test_a_database_that_does_not_prove_who_it_is_is_not_talked_to(stack, secured, how, said):
    how = how | {"authority": getattr(secured, how["authority"])} if "authority" in how else how
    url = secured.database(**how)
    for command in (("status",), ("migrate",), ("run", "purge", *BY)):
        refused(
            stack.retention(*command, RETENTION_DATABASE_URL=url, patience=30), 5, "the database did not answer", said
        )


@pytest.mark.parametrize(
    ("host", "authority", "said"),
    [(HOST, "wrong", "unable to get local issuer certificate"), ("127.0.0.1", "right", "IP address mismatch")],
)
def test_a_broker_that_does_not_prove_who_it_is_is_not_talked_to(stack, secured, host, authority, said):
    url = secured.broker(host=host, authority=getattr(secured, authority))
    found = stack.retention("doctor", RETENTION_BROKER_URL=url, patience=30)
    assert found.code == 5
    assert "the broker's certificate is refused" in found.out
    assert said in found.out
    queued = stack.retention("run", "purge", *BY, RETENTION_BROKER_URL=url, patience=30)
    refused(queued, 5, "the broker's certificate is refused", said)


def test_a_worker_that_cannot_verify_its_broker_takes_nothing_and_says_why(stack, secured, tmp_path):
    url = secured.broker(authority=secured.wrong)
    stack.start("celery", "-A", "worker", "worker", log="mistrusting", RETENTION_BROKER_URL=url)
    log = tmp_path / "mistrusting.log"
    until(lambda: b"CERTIFICATE_VERIFY_FAILED" in log.read_bytes(), "the worker says why it cannot connect")
    assert b"ready." not in log.read_bytes()


@pytest.mark.parametrize(
    "unverified", ["", "?ssl_cert_reqs=none", "?ssl_cert_reqs=optional", "?ssl_check_hostname=false"]
)
def test_a_broker_url_that_would_verify_nothing_is_refused(stack, unverified):
    changes = {"RETENTION_BROKER_URL": f"rediss://:secret@localhost:6379/0{unverified}"}
    refused(stack.retention("status", **changes), 4, "RETENTION_BROKER_URL", "ssl_cert_reqs=required")
