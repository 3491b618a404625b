"""Where everything stands: due, late, under way, paused, set aside, and whether beat is alive."""

from datetime import UTC, datetime

from sqlalchemy import select
from typing_extensions import TypedDict

from models import Heartbeat, PolicyName
from tasks.rules.ticks import next_tick
from tasks.standing import Standing
from tasks.statements.control import select_pauses
from tasks.transaction import transaction
from worker.answers.instants import rfc3339
from worker.answers.sweeps import Sweep, read_sweeps
from worker.answers.verdict import Verdict, read_verdict
from worker.deployment import Deployment

__all__ = ["BEAT_SILENT_SECONDS", "Paused", "Status", "read_pauses", "read_status"]

# Beat sends a dispatch each minute; one may be lost, two are a fault.
BEAT_SILENT_SECONDS = 150


class PolicyStatus(TypedDict):
    """How far behind one policy is; numbers are null before the first measurement, and so is the end of quiet hours
    outside of them.
    """

    due: int | None
    overdue: int | None
    oldest_due_at: str | None
    next_tick: str
    quiet_until: str | None


class Paused(TypedDict):
    """Since when, by whom and why a policy is paused."""

    since: str
    actor: str
    reason: str


class Files(TypedDict):
    """What purges left in object storage."""

    waiting: int
    overdue: int
    refused: int
    in_use: int
    oldest_at: str | None
    documents_url_is_set: bool


class Beat(TypedDict):
    """When beat last dispatched, and whether that is recent."""

    last_tick_at: str | None
    alive: bool


class Status(TypedDict):
    """Where everything stands; what is counted is as of `measured_at`, null before the first measurement.

    `workers` are those that answer; null where the broker does not.
    """

    at: str
    measured_at: str | None
    verdict: Verdict
    policies: dict[str, PolicyStatus]
    sweeps: list[Sweep]
    paused: dict[str, Paused]
    anomalies: dict[str, int]
    holds: int | None
    quarantine: dict[str, int]
    quarantine_failures: dict[str, int]
    files: Files | None
    beat: Beat
    workers: list[str] | None


def read_status(here: Deployment, standing: Standing | None, workers: list[str] | None) -> Status:
    """Return where everything stands.

    Args:
        here: whose database tells what is under way.
        standing: what was counted; None before the first measurement.
        workers: the names of those that answer; None where the broker does not.
    """
    now = datetime.now(UTC)
    with transaction(here.engine) as connection:
        heard = connection.scalar(select(Heartbeat.at).where(Heartbeat.source == "beat"))
        alive = heard is not None and (now - heard).total_seconds() < BEAT_SILENT_SECONDS
        verdict = read_verdict(here, connection, standing, now=now, beat=(alive, heard), workers=workers)
    return {
        "at": str(rfc3339(now, here.zone)),
        "measured_at": rfc3339(standing.at, here.zone) if standing else None,
        "verdict": verdict,
        "policies": {policy.name.value: _policy(here, policy.name, standing, now) for policy in here.policies},
        "sweeps": read_sweeps(here, unended=True),
        "paused": read_pauses(here),
        "anomalies": standing.anomalies if standing else {},
        "holds": standing.holds if standing else None,
        "quarantine": standing.quarantine if standing else {},
        "quarantine_failures": standing.quarantine_failures if standing else {},
        "files": _files(here, standing) if standing else None,
        "beat": {
            "last_tick_at": rfc3339(heard, here.zone),
            "alive": alive,
        },
        "workers": workers,
    }


def read_pauses(here: Deployment) -> dict[str, Paused]:
    """Return the policies that are paused."""
    with transaction(here.engine) as connection:
        pauses = connection.execute(select_pauses()).all()
    return {
        each.policy: {"since": str(rfc3339(each.at, here.zone)), "actor": each.actor, "reason": each.reason}
        for each in pauses
    }


def _policy(here: Deployment, name: PolicyName, standing: Standing | None, now: datetime) -> PolicyStatus:
    policy = here.policies[name]
    late = standing.policies[name] if standing else None
    return {
        "due": late.due if late else None,
        "overdue": late.overdue if late else None,
        "oldest_due_at": rfc3339(late.oldest_due_at, here.zone) if late else None,
        "next_tick": str(rfc3339(next_tick(policy.cron, policy.zone, now), here.zone)),
        "quiet_until": rfc3339(policy.quiet_until(now), here.zone),
    }


def _files(here: Deployment, standing: Standing) -> Files:
    left = standing.files
    return {
        "waiting": left.waiting,
        "overdue": left.overdue,
        "refused": left.refused,
        "in_use": left.in_use,
        "oldest_at": rfc3339(left.oldest_at, here.zone),
        "documents_url_is_set": here.settings.documents_url is not None,
    }
