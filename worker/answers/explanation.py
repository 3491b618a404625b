"""Why an account was, or was not, touched."""

from typing import Any
from zoneinfo import ZoneInfo

from typing_extensions import TypedDict

from models import Reckoning
from tasks import explain
from worker.answers.instants import rfc3339
from worker.answers.rows import document

__all__ = ["Explanation", "explanation"]


class HoldOf(TypedDict):
    """An unreleased hold on the account."""

    id: int
    placed_at: str
    placed_by: str
    reason: str


class TransitionOf(TypedDict):
    """What somebody did to the account."""

    at: str
    kind: str
    from_state: str | None
    to_state: str
    actor: str
    office: str | None


class ActionOf(TypedDict):
    """A line of the log about the account."""

    id: int
    action: str
    event_at: str
    due_at: str
    acted_at: str
    sweep_id: int
    receipt_id: int


class ReckonedBy(TypedDict):
    """How a policy's rule is counted from its event: local days, and so many days or years."""

    event_at: str
    first_day: str
    last_day: str
    length: int


class Explanation(TypedDict):
    """One account as the worker sees it: how it stands, what happens when and why, and what prevents it.

    `because` says in English what `reckoned` has as facts.
    `state` is `gone` where the log knows the account and no row is left; `prevented` is empty for a policy whose next
    sweep acts.
    """

    account_id: int
    at: str
    state: str
    effective_state: str
    registration: str | None
    withdrawn_at: str | None
    invalidated_at: str | None
    counter_only_from: str | None
    purge_from: str | None
    because: dict[str, str]
    reckoned: dict[str, ReckonedBy]
    holds: list[HoldOf]
    anomalies: list[str]
    prevented: dict[str, list[str]]
    history: list[TransitionOf]
    actions: list[ActionOf]


def explanation(found: explain.Explanation, zone: ZoneInfo) -> Explanation:
    """Return an explanation as JSON shows it."""
    parts: dict[str, Any] = {
        name: [document(each, zone, kind.__annotations__) for each in rows]
        for name, kind, rows in (
            ("holds", HoldOf, found.holds),
            ("history", TransitionOf, found.history),
            ("actions", ActionOf, found.actions),
        )
    }
    return {
        "account_id": found.account_id,
        "at": str(rfc3339(found.at, zone)),
        "state": found.state,
        "effective_state": found.effective_state,
        "registration": found.registration,
        "withdrawn_at": rfc3339(found.withdrawn_at, zone),
        "invalidated_at": rfc3339(found.invalidated_at, zone),
        "counter_only_from": rfc3339(found.counter_only_from, zone),
        "purge_from": rfc3339(found.purge_from, zone),
        "because": {name.value: words for name, words in found.because.items()},
        "reckoned": {name.value: _reckoned(each, zone) for name, each in found.reckoned.items()},
        "holds": parts["holds"],
        "anomalies": [kind.value for kind in found.anomalies],
        "prevented": {name.value: reasons for name, reasons in found.prevented.items()},
        "history": parts["history"],
        "actions": parts["actions"],
    }


def _reckoned(counted: Reckoning, zone: ZoneInfo) -> ReckonedBy:
    return {
        "event_at": str(rfc3339(counted.event_at, zone)),
        "first_day": counted.first_day.isoformat(),
        "last_day": counted.last_day.isoformat(),
        "length": counted.length,
    }
