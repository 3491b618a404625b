"""Finding and locking one account, for what a person does to it."""

from uuid import UUID

from sqlalchemy import Delete, Select, Text, bindparam, delete, select

from models import Account, Action, Hold, LoginSession, PolicyName
from models.address import address_key
from models.guess import GUESSES, GuessKey

__all__ = [
    "end_old_logins",
    "lock_account",
    "lock_address_holder",
    "lock_hold",
    "select_credentials",
    "select_guess_key",
    "select_purge",
]

ADDRESS = bindparam("address", type_=Text)


def lock_account(account_id: int) -> Select[Account]:
    """Lock one account against the worker and everybody else: one row, or none where it is gone.

    `FOR UPDATE` also waits for whoever is adding a row of its, as an application, and keeps out those to come.
    """
    locking = select(Account).where(Account.id == account_id).with_for_update(of=Account)
    return locking.execution_options(populate_existing=True)


def end_old_logins(account_id: int, *, newest: int) -> Delete:
    """End an account's login sessions but for so many of the newest."""
    # First of all, or the planner may rather look for the account's from the newest of all accounts on.
    of_account = select(LoginSession.id).where(LoginSession.account_id == account_id).cte().prefix_with("MATERIALIZED")
    last_to_go = select(of_account.c.id).order_by(of_account.c.id.desc()).offset(newest).limit(1).scalar_subquery()
    return delete(LoginSession).where(LoginSession.account_id == account_id, LoginSession.id <= last_to_go)


def lock_hold(hold_id: int) -> Select[Hold]:
    """Lock one hold: one row or none."""
    return select(Hold).where(Hold.id == hold_id).with_for_update()


def lock_address_holder(*, but_for: int | None = None) -> Select[Account]:
    """Lock the account that has the parameter `address`, compared as addresses are: one row or none.

    Whoever loses the address while the lock is waited for is none.

    Args:
        but_for: an account that may have it.
    """
    holder = select(Account).where(address_key(Account.email) == address_key(ADDRESS))
    if but_for is not None:
        holder = holder.where(Account.id != but_for)
    return holder.with_for_update(of=Account).execution_options(populate_existing=True)


def select_guess_key() -> Select[UUID]:
    """Select the key of this database's guesses: one row."""
    return select(GuessKey.key)


def select_credentials() -> Select[int, str, int | None, str | None]:
    """Look up the parameter `address`: always one row (number of the attempt, compared form, account, password hash).

    Account and hash are NULL where nobody has the address.
    """
    given = select(address_key(ADDRESS).label("key")).subquery("given")
    return select(GUESSES.next_value(), given.c.key, Account.id, Account.password_hash).select_from(
        given.outerjoin(Account, address_key(Account.email) == given.c.key)
    )


def select_purge(account_id: int) -> Select[int]:
    """Select the action by which an account was deleted: one row or none."""
    return select(Action.id).where(Action.account_id == account_id, Action.action == PolicyName.PURGE.value)
