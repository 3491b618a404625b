"""Is everything on time: the facts gathered, and the rule's answer as documents show it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select
from typing_extensions import TypedDict

from models import Heartbeat, PolicyName, SweepStatus
from tasks.rules.verdict import Concern, Machinery, Matter, Progress, judge, worst
from tasks.standing import Standing
from tasks.statements.control import select_pauses
from tasks.statements.log import select_log_beginning
from tasks.statements.sweeps import select_sweeps
from tasks.verify import SOURCE
from worker.answers.instants import rfc3339
from worker.deployment import Deployment

__all__ = ["Verdict", "read_verdict"]

# Far enough back to find the last sweep of each policy, whatever was triggered by hand since.
LOOKED_AT = 50


class ConcernOf(TypedDict):
    """One thing that a person should know; `number` counts accounts or files, `since` is when it began."""

    matter: str
    level: str
    policy: str | None
    sweep_id: int | None
    number: int | None
    since: str | None


class Verdict(TypedDict):
    """The worst level of all concerns: fine, look, stopped or late; concerns, the worst first."""

    level: str
    concerns: list[ConcernOf]


def read_verdict(
    here: Deployment,
    connection: Connection,
    standing: Standing | None,
    *,
    now: datetime,
    beat: tuple[bool, datetime | None],
    workers: list[str] | None,
) -> Verdict:
    """Return whether everything is on time; `beat` is whether it is alive, and when it was heard."""
    verified_at = connection.scalar(select(Heartbeat.at).where(Heartbeat.source == SOURCE))
    log_began_at = connection.scalar(select_log_beginning())
    machinery = Machinery(
        beat_alive=beat[0],
        beat_heard_at=beat[1],
        workers=None if workers is None else len(workers),
        measured_at=standing.at if standing else None,
        verified_at=verified_at,
        log_began_at=log_began_at,
        counts=_counts(standing) if standing else {},
    )
    found = judge(now, _progress(here, connection, standing), machinery)
    return {"level": worst(found).label, "concerns": [_document(here, each) for each in found]}


def _counts(standing: Standing) -> dict[Matter, int]:
    return {
        Matter.ANOMALIES: standing.anomalous,
        Matter.QUARANTINE: sum(standing.quarantine.values()),
        Matter.FILES_OVERDUE: standing.files.overdue,
        Matter.FILES_REFUSED: standing.files.refused,
    }


def _progress(here: Deployment, connection: Connection, standing: Standing | None) -> Mapping[PolicyName, Progress]:
    unended = connection.execute(select_sweeps(unended=True)).all()
    latest = connection.execute(select_sweeps(limit=LOOKED_AT)).all()
    paused = {each.policy: each.at for each in connection.execute(select_pauses())}
    progress = {}
    for policy in here.policies:
        late = standing.policies[policy.name] if standing else None
        mine = [each for each in unended if each.policy == policy.name]
        ended = _last_ended(policy.name, latest)
        progress[policy.name] = Progress(
            overdue=late.overdue if late else None,
            oldest_due_at=late.oldest_due_at if late else None,
            paused_since=paused.get(policy.name),
            held={each.id: each.held_at for each in mine if each.status == SweepStatus.HELD},
            heard_at=max((each.heard_at for each in mine if each.status != SweepStatus.HELD), default=None),
            ended_at=ended.ended_at if ended else None,
            failed=ended.id if ended and ended.status == SweepStatus.FAILED else None,
        )
    return progress


def _last_ended(name: PolicyName, latest: Iterable[Row[Any]]) -> Row[Any] | None:
    ended = (each for each in latest if each.policy == name and each.ended_at is not None)
    return max(ended, key=lambda each: each.ended_at, default=None)


def _document(here: Deployment, concern: Concern) -> ConcernOf:
    return {
        "matter": concern.matter.value,
        "level": concern.level.label,
        "policy": concern.policy.value if concern.policy else None,
        "sweep_id": concern.sweep_id,
        "number": concern.number,
        "since": rfc3339(concern.since, here.zone),
    }
