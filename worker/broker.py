"""Asking the broker: is it there, and who is at work behind it."""

from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLCertVerificationError
from urllib.parse import parse_qsl, urlencode, urlsplit

from kombu.exceptions import OperationalError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from models.errors import Unavailable
from tasks.base import RetentionApp

__all__ = ["IMPATIENT", "broker_time", "check_broker", "publishing", "redis_client", "workers"]

ANSWER_SECONDS = 1.0
# Celery's settings where somebody waits: a worker may try for minutes to have its broker back, a person may not.
IMPATIENT = {
    "socket_timeout": 2 * ANSWER_SECONDS,  # longer than Redis itself is told to wait for a reply
    "socket_connect_timeout": ANSWER_SECONDS,
    "retry_on_timeout": False,
    "max_retries": 0,
}
UNREACHABLE = "the broker does not answer; start it, or set RETENTION_BROKER_URL to where it is"


@contextmanager
def publishing(app: RetentionApp) -> Iterator[None]:
    """Turn a broker that went away while publishing into one line; the sweep is a row by then, and safe.

    Raises:
        Unavailable: the broker did not take the message.
    """
    try:
        _time(app)
        yield
    except (OperationalError, RedisError, OSError) as error:
        raise Unavailable(f"the sweep is queued and starts when the broker is back: {_told(error)}") from None


def broker_time(app: RetentionApp) -> float:
    """Return the broker's clock, in seconds since 1970.

    Raises:
        Unavailable: it does not answer within some seconds.
    """
    try:
        return _time(app)
    except (RedisError, OSError) as error:
        raise Unavailable(_told(error)) from None


def _time(app: RetentionApp) -> float:
    """Ask Redis itself: kombu tries again and again where a broker takes connections and answers nothing."""
    with redis_client(app.conf.broker_url) as client:
        seconds, microseconds = client.time()
    return float(seconds) + float(microseconds) / 1_000_000


def check_broker(app: RetentionApp) -> None:
    """Make sure that the broker answers.

    Raises:
        Unavailable: it does not answer within some seconds.
    """
    broker_time(app)


def workers(app: RetentionApp) -> list[str]:
    """Return the names of the workers that answer within a second.

    Raises:
        Unavailable: the broker does not answer.
    """
    check_broker(app)
    try:
        replies = app.control.inspect(timeout=ANSWER_SECONDS).ping()
    except (OperationalError, RedisError, OSError) as error:
        raise Unavailable(_told(error)) from None
    return sorted(replies or {})


def _told(error: BaseException | None) -> str:
    """Say why the broker cannot be used; a library's own text may hold its URL, and so a password."""
    while error is not None:
        if isinstance(error, SSLCertVerificationError):
            return (
                f"the broker's certificate is refused: {error.verify_message.rstrip('.')}; "
                "RETENTION_BROKER_URL needs the authority that signed it in ssl_ca_certs, and the host as named in it"
            )
        error = error.__cause__ or error.__context__
    return UNREACHABLE


def redis_client(broker_url: str) -> Redis:
    """Return a client for the broker's own Redis; connects when first used, and asks once.

    The URL is one as Celery reads it: it names the database of a socket, and a certificate that has to be
    verified, by other words than Redis' own library.
    """
    parts = urlsplit(broker_url)
    words = {"virtual_host": "db"}
    query = {words.get(name, name): value for name, value in parse_qsl(parts.query)}
    if "ssl_cert_reqs" in query:
        query["ssl_cert_reqs"] = "required"  # the settings let nothing else in
    scheme = "unix" if parts.scheme == "redis+socket" else parts.scheme
    url = f"{scheme}://{parts.netloc}{parts.path}?{urlencode(query)}"
    return Redis.from_url(
        url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS, retry=Retry(NoBackoff(), 0)
    )
