"""What falls due on each of the next days."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from typing_extensions import TypedDict

from models import PolicyName
from tasks.measure import DayForecast
from worker.answers.instants import rfc3339
from worker.deployment import Deployment

__all__ = ["Forecast", "forecast_document"]


class Day(TypedDict):
    """How many accounts fall due as one local day begins."""

    day: str
    accounts: int


class PolicyForecast(TypedDict):
    """What is due now, and what falls due on each day after today; `due` is null before the first measurement."""

    due: int | None
    days: list[Day]


class Forecast(TypedDict):
    """What falls due, if nobody withdraws, returns or is held until then."""

    at: str
    policies: dict[str, PolicyForecast]


def forecast_document(
    here: Deployment,
    at: datetime,
    due: Mapping[PolicyName, int | None],
    ahead: Mapping[PolicyName, Iterable[DayForecast]],
) -> Forecast:
    """Return what is due and what falls due, by policy."""
    return {
        "at": str(rfc3339(at, here.zone)),
        "policies": {
            name.value: {
                "due": due[name],
                "days": [{"day": each.day.isoformat(), "accounts": each.accounts} for each in days],
            }
            for name, days in ahead.items()
        },
    }
