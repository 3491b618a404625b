"""Quarantine: an account that the database will not let the worker act on is set aside, so that the others go on."""

import structlog
from sqlalchemy import Engine

from models import DecisionKind, PolicyName
from models.errors import NotThereError
from tasks import events
from tasks.control import WORKER
from tasks.rules.named import require_named
from tasks.statements.control import insert_decision
from tasks.statements.quarantine import count_failure, retry_account
from tasks.transaction import transaction

__all__ = ["note_failure", "retry"]

MOST_ATTEMPTS = 3

log = structlog.get_logger()


def note_failure(engine: Engine, account_id: int, policy: PolicyName, *, sweep_id: int, failure: str) -> bool:
    """Count a failure of an account alone in its batch; returns whether it is set aside now, so that others go on."""
    with transaction(engine) as connection:
        counting = count_failure(account_id, policy, failure=failure, most=MOST_ATTEMPTS)
        attempts, set_aside_at = connection.execute(counting).one()
        if set_aside_at is not None:
            details = {"account_id": account_id, "attempts": attempts}
            decision = insert_decision(
                DecisionKind.SET_ASIDE, policy=policy, sweep_id=sweep_id, actor=WORKER, reason=failure, **details
            )
            connection.execute(decision)
    if set_aside_at is not None:
        log.error(events.ACCOUNT_SET_ASIDE, account=account_id, policy=policy, sweep=sweep_id, failure=failure)
    return set_aside_at is not None


def retry(engine: Engine, account_id: int | None, *, actor: str, reason: str) -> list[tuple[int, str]]:
    """Let accounts that were set aside be tried again by the next sweep; returns them with their policies.

    Raises:
        NotThereError: the account is not in quarantine.
        Refused: actor or reason cannot be recorded.
    """
    require_named(actor=actor, reason=reason)
    with transaction(engine) as connection:
        retried = [(number, policy) for number, policy in connection.execute(retry_account(account_id))]
        if account_id is not None and not retried:
            raise NotThereError(f"account {account_id} is not in quarantine; look with `retention quarantine list`")
        for number, policy in retried:
            connection.execute(
                insert_decision(DecisionKind.RETRIED, policy=policy, actor=actor, reason=reason, account_id=number)
            )
    return retried
