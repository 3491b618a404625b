"""Where the database and the broker are: as configured, or embedded under the var directory."""

from dataclasses import dataclass

from worker.settings import Settings

__all__ = ["Addresses", "locate"]


@dataclass(frozen=True, slots=True)
class Addresses:
    """URLs of both servers."""

    database_url: str
    broker_url: str


def locate(settings: Settings) -> Addresses:
    """Return where both servers are, starting the embedded ones that no URL replaces.

    With both URLs set nothing embedded is imported or started.

    Raises:
        InvalidConfiguration: a URL is missing and the embedded servers are not installed.
        Unavailable: an embedded server does not start.
    """
    if settings.database_url and settings.broker_url:
        return Addresses(settings.database_url, settings.broker_url)
    from worker import embedded

    servers = embedded.ensure(
        settings.var_directory,
        database=settings.database_url is None,
        broker=settings.broker_url is None,
    )
    database_url = settings.database_url or servers.database_url
    broker_url = settings.broker_url or servers.broker_url
    assert database_url and broker_url  # noqa: S101, PT018 - `ensure` answers what it is asked for
    return Addresses(database_url, broker_url)
