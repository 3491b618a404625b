"""Real servers for the tests: one PostgreSQL and one Redis a run, a database of its own for each test."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import browsing
import deploying
import hypothesis
import monitored
import pytest
import redis
from administration import Administration
from by_hand import ByHand
from processes import Stack
from serving import Serve, Serving
from sqlalchemy import Engine, make_url

from models import Policies
from tasks.roles import Login, add_member, give_rights, groups_of
from tasks.statements.rights import Kind
from tasks.transaction import transaction
from worker import embedded
from worker.database import connect, migrate, partition, verifier
from worker.settings import Settings

REDIS_DATABASES = count(1)
PASSWORD = "the-tests-own-password"
SYSTEM = Path(__file__).parent / "system"

# Who was started in the background ignores Ctrl-C, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole deployments: a test of minutes that began last would keep all other processes waiting."""
    items.sort(key=lambda item: SYSTEM not in item.path.parents)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say last, in red, which tests this machine could not run."""
    left_out = {
        browsing.LEFT_OUT: browsing.chromium(),
        monitored.LEFT_OUT: monitored.program("promtool"),
        deploying.LEFT_OUT: deploying.systemd_analyze(),
    }
    for says in (says for says, found in left_out.items() if found is None):
        terminalreporter.write_sep("=", red=True, bold=True)
        terminalreporter.write_line(says, red=True, bold=True)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Keep the machine's own deployment away from the tests."""
    given = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("RETENTION_")}
    yield
    os.environ |= given


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Servers]:
    """PostgreSQL and Redis of this run; with TEST_DATABASE_URL, that PostgreSQL instead of the embedded one."""
    given = os.environ.get("TEST_DATABASE_URL")
    var = tmp_path_factory.mktemp("var")
    started = embedded.ensure(var, database=given is None, broker=True)
    if given is None:
        _forget_power_cuts(started.database_url)
    yield embedded.Servers(given or started.database_url, started.broker_url)
    embedded.release()


@pytest.fixture(scope="session")
def template(servers: embedded.Servers) -> Iterator[str]:
    """Name of a migrated, empty database; with TEST_PARTITIONS, its accounts are in so many partitions.

    A role for web servers has its rights in it, and so in each database that is made after it.
    """
    name = f"template_{uuid4().hex}"
    with Administration(servers.database_url) as administration:
        administration(f"CREATE DATABASE {name}")
        engine = connect(_url(servers.database_url, name), pooled=False)
        migrate(engine)
        if number := os.environ.get("TEST_PARTITIONS"):
            partition(engine, int(number))
        group = _make_web_server(engine)
        yield name
        administration(f"DROP DATABASE {name}")
        for role in (_web_server(name), group):
            administration(f"DROP ROLE {role}")


@pytest.fixture
def database_url(servers: embedded.Servers, template: str) -> Iterator[str]:
    """URL of a migrated, empty database of the test's own; commits in it are real."""
    with _database(servers.database_url, f"TEMPLATE {template} STRATEGY file_copy") as url:
        yield url


@pytest.fixture
def web_server_url(database_url: str, template: str) -> str:
    """URL of the test's own database for a web server, which may do no more than it has to."""
    url = make_url(database_url).set(username=_web_server(template), password=PASSWORD)
    return url.render_as_string(hide_password=False)


@pytest.fixture
def serve(stack: Stack, web_server_url: str) -> Serve:
    """Start servers, with settings as asked and no more rights than they need; they end with the test."""
    return lambda **how: Serving(stack, **{"RETENTION_DATABASE_URL": web_server_url, **how})


@pytest.fixture
def another_database_url(request: pytest.FixtureRequest, servers: embedded.Servers) -> Iterator[str]:
    """URL of a database without any schema; a parameter is added to its CREATE DATABASE."""
    with _database(servers.database_url, getattr(request, "param", "")) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on the test's own database."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def broker_url(servers: embedded.Servers) -> str:
    """URL of a Redis database of the test's own, empty."""
    number = next(REDIS_DATABASES) % 16
    path = servers.broker_url.removeprefix("redis+socket://")
    with redis.Redis(unix_socket_path=path, db=number) as client:
        client.flushdb()
    return f"{servers.broker_url}?virtual_host={number}"


@pytest.fixture
def stack(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Stack]:
    """Real processes of ours on the test's own database and broker; all are ended with the test."""
    stack = Stack(database_url, broker_url, tmp_path)
    yield stack
    stack.stop()


@pytest.fixture
def by_hand(database_url: str, broker_url: str) -> Iterator[Callable[..., ByHand]]:
    """Make a deployment without processes on the test's own database and broker, with settings as asked."""
    with ExitStack() as made:

        def make(**how: Any) -> ByHand:
            return made.enter_context(closing(ByHand(database_url, broker_url, **how)))

        yield make


@pytest.fixture(scope="session")
def policies() -> Policies:
    """Both policies as they are by default."""
    return Settings().policies


def _forget_power_cuts(url: str) -> None:
    """Let a server that no test kills not wait for the disk: a database for each test is made many times as fast."""
    with Administration(url) as administration:
        administration("ALTER SYSTEM SET fsync = off")
        administration("SELECT pg_reload_conf()")


def _web_server(template: str) -> str:
    return f"{template}_{Kind.WEB_SERVER}"


def _make_web_server(engine: Engine) -> str:
    """Make a role for web servers, with the rights that it has; returns its group."""
    with transaction(engine) as connection:
        group = groups_of(connection)[Kind.WEB_SERVER]
        name = group.removesuffix("s")
        add_member(connection, Login(name, verifier(connection, name, PASSWORD)), group)
        give_rights(connection)
    return group


@contextmanager
def _database(url: str, like: str = "") -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    with Administration(url) as administration:
        administration(f"CREATE DATABASE {name} {like}")
        yield _url(url, name)
        administration(f"DROP DATABASE {name} WITH (FORCE)")


def _url(url: str, database: str) -> str:
    changed = make_url(url).set(drivername="postgresql", database=database)
    return changed.render_as_string(hide_password=False)
