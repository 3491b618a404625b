"""Claim: lock the next due accounts, so that nobody else acts on them until the batch has ended."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, Select, any_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from models import Account, JobSeeking, PolicyName
from tasks.rules.cutoff import Cutoff
from tasks.statements.due import due

__all__ = ["CLAIMED", "claim", "judge", "take_lane"]

# What every acting statement is about: the accounts that this transaction has claimed.
CLAIMED = bindparam("claimed", type_=ARRAY(BigInteger))


def claim(cutoff: Cutoff, *, limit: int) -> Select[int]:
    """Select and lock the oldest due accounts that nobody else has locked: up to `limit` rows (account_id,).

    A claim is no verdict. A hold placed after this statement's snapshot but before its lock is invisible to
    it; so the acting statement judges the claimed accounts once more, with a snapshot taken under the locks.
    `FOR UPDATE`, not the weaker `FOR NO KEY UPDATE`: it keeps out new holds and other new dependents, whose
    foreign key must lock the account.
    """
    locked = [Account, JobSeeking] if cutoff.policy == PolicyName.PURGE else [Account]
    return (
        due(cutoff, now=func.now())
        .with_only_columns(Account.id)
        .limit(limit)
        .with_for_update(of=locked, skip_locked=True)
    )


def judge(cutoff: Cutoff) -> Select[int, datetime]:
    """Select which of the claimed accounts are still due: rows (account_id, event_at)."""
    return due(cutoff, now=func.now()).where(Account.id == any_(CLAIMED))


def take_lane(sweep_id: int, lane: int) -> Select[bool]:
    """Take one lane of a sweep until the transaction ends; the row says whether it was free.

    Only a courtesy, which keeps redelivered messages from crowding in; no promise rests on it.
    """
    return select(func.pg_try_advisory_xact_lock(cast(sweep_id, Integer), cast(lane, Integer)))
