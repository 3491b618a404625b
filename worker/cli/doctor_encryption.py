"""The part of `retention doctor` that says how the ways to both servers are secured."""

from urllib.parse import urlsplit

from psycopg import Connection
from sqlalchemy import Engine

from tasks.transaction import transaction

__all__ = ["examine_encryption"]

VERIFYING = {
    "verify-full": "TLS, certificate and host verified",
    "verify-ca": "TLS, certificate verified but not the host",
}
BROKER = {"rediss": "TLS, certificate and host verified", "redis": "no TLS"}


def examine_encryption(engine: Engine, broker_url: str) -> str:
    """Return what protects the data on the way to the database and to the broker."""
    broker = BROKER.get(urlsplit(broker_url).scheme, "a socket of this machine")
    return f"to the database: {_database(engine)}; to the broker: {broker}"


def _database(engine: Engine) -> str:
    with transaction(engine) as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, Connection)  # noqa: S101 - `connect` makes no other
        if driver.info.host.startswith("/"):
            return "a socket of this machine"
        if not driver.pgconn.ssl_in_use:
            return "no TLS"
        mode = driver.info.get_parameters().get("sslmode", "")
        return VERIFYING.get(mode, "TLS, and nothing verified: set sslmode=verify-full")
