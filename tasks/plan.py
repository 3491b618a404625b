"""What a sweep would do, were it run at some instant; changes nothing."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from models import Policies, PolicyName
from models.errors import Unavailable
from tasks.rules.cutoff import Cutoff
from tasks.standing import read_standing
from tasks.statements.due import count_anomalous, count_due, count_held, due
from tasks.transaction import transaction

__all__ = ["Plan", "plan", "plan_as_measured"]

SAMPLE_ACCOUNTS = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep of one policy would do at one instant.

    Attributes:
        cutoff: bound on the policy's event column.
        due: accounts it would touch.
        held: accounts it would touch but for a hold.
        anomalies: accounts, of any policy, whose dates make no sense.
        oldest_due_at: when the first of `due` became due; None when nothing is.
        sample: numbers of the accounts it would touch first.
    """

    policy: PolicyName
    at: datetime
    cutoff: datetime
    due: int
    held: int
    anomalies: int
    oldest_due_at: datetime | None
    sample: tuple[int, ...]


def plan(engine: Engine, policies: Policies, name: PolicyName, at: datetime) -> Plan:
    """Return what a sweep of policy `name` would do at `at`, counted now."""
    cutoff = Cutoff.of(policies, name, at)
    with transaction(engine) as connection:
        first = connection.execute(due(cutoff, now=at).limit(SAMPLE_ACCOUNTS)).all()
        return Plan(
            policy=name,
            at=at,
            cutoff=cutoff.at,
            due=connection.execute(count_due(cutoff, now=at)).scalar_one(),
            held=connection.execute(count_held(cutoff, now=at)).scalar_one(),
            anomalies=connection.execute(count_anomalous(now=at)).scalar_one(),
            oldest_due_at=policies[name].due_from(first[0].event_at) if first else None,
            sample=tuple(row.account_id for row in first),
        )


def plan_as_measured(engine: Engine, policies: Policies, name: PolicyName) -> Plan:
    """Return what a sweep of policy `name` would have done at the last measurement; only the sample is looked up now.

    Raises:
        Unavailable: nothing was measured yet.
    """
    with transaction(engine) as connection:
        standing = read_standing(connection)
        if standing is None:
            raise Unavailable("nothing is measured yet; a worker does it each minute, once beat and it run")
        cutoff = Cutoff.of(policies, name, standing.at)
        first = connection.execute(due(cutoff, now=standing.at).limit(SAMPLE_ACCOUNTS)).all()
    late = standing.policies[name]
    return Plan(
        policy=name,
        at=standing.at,
        cutoff=cutoff.at,
        due=late.due,
        held=late.held,
        anomalies=standing.anomalous,
        oldest_due_at=late.oldest_due_at,
        sample=tuple(row.account_id for row in first),
    )
