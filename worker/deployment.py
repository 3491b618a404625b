"""What this process works with: settings, servers, a database whose schema was checked."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from models import Policies
from worker.database import check_schema, connect
from worker.servers import Addresses, locate
from worker.settings import Settings, settings

__all__ = ["Deployment", "deployment"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """One configured worker, seen from the command line."""

    settings: Settings
    addresses: Addresses
    engine: Engine

    @property
    def policies(self) -> Policies:
        """Both policies as configured."""
        return self.settings.policies

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which days are counted and instants are shown."""
        return ZoneInfo(self.settings.timezone)


def deployment(*, any_schema: bool = False) -> Deployment:
    """Return this process's deployment.

    Args:
        any_schema: leave the schema unchecked, as only `migrate` and `doctor` may.

    Raises:
        InvalidConfiguration: a setting or the schema does not fit.
        Unavailable: the database did not answer.
    """
    chosen = settings()
    addresses = locate(chosen)
    engine = connect(addresses.database_url)
    if not any_schema:
        check_schema(engine)
    return Deployment(chosen, addresses, engine)
