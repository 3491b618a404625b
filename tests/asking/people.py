"""What people do to their accounts, and staff for them; and holds."""

import pytest
from filled import GONE, Filled
from people import people

from models.errors import AddressTakenError, NoSuchAccountError
from tasks import holds
from tasks.explain import explain
from tasks.transitions import Credentials

__all__ = ["SCENARIOS"]

SAYS = {"actor": "mori", "reason": "a complaint"}
CREDENTIALS = Credentials("hanako@example.jp", "open sesame")
# Somebody with many rows of all kinds, and nothing pending.
ORDINARY = """
SELECT accounts.id FROM accounts JOIN job_seekings ON account_id = accounts.id
 WHERE state = 'active' AND status = 'valid'
   AND NOT EXISTS (SELECT FROM applications WHERE account_id = accounts.id AND status = 'pending')
   AND EXISTS (SELECT FROM login_sessions WHERE account_id = accounts.id) ORDER BY 1 LIMIT 1
"""
LATE = """
SELECT id, email FROM accounts
 WHERE state = 'withdrawn' AND withdrawn_at < now() - interval '40 days' ORDER BY withdrawn_at LIMIT 1
"""
CLOSED = """
SELECT id FROM accounts JOIN job_seekings ON account_id = id WHERE state = 'counter_only' AND status = 'valid'
 ORDER BY 1 LIMIT 1
"""


def somebody_comes_and_goes(filled: Filled) -> None:
    """Register, log in, leave, come back; the registration runs out, and an office makes it valid again."""
    persons = people(filled.here.engine, filled.here.policies)
    account_id = persons.register(CREDENTIALS)
    persons.log_in(CREDENTIALS)
    persons.withdraw(account_id)
    persons.reactivate(CREDENTIALS)
    persons.invalidate(account_id)
    persons.revalidate(account_id, by="staff 7", office="渋谷")
    with pytest.raises(AddressTakenError):
        persons.register(CREDENTIALS)


def somebody_leaves_who_has_been_here_for_years(filled: Filled) -> None:
    """Withdraw an account with all that is its, and look at it."""
    ((account_id,),) = filled.hand.rows(ORDINARY)
    people(filled.here.engine, filled.here.policies).withdraw(account_id)
    assert explain(filled.here.engine, filled.here.policies, account_id).state == "withdrawn"


def somebody_comes_back_at_a_counter(filled: Filled) -> None:
    """Recover an account whose window is closed."""
    ((account_id,),) = filled.hand.rows(CLOSED)
    again = Credentials("taro@example.jp", "open sesame")
    people(filled.here.engine, filled.here.policies).recover(account_id, again, staff="7", office="渋谷")


def somebody_registers_anew_before_a_late_worker_has_freed_the_address(filled: Filled) -> None:
    """Register with the address of an account past its window: that is moved first."""
    ((late, email),) = filled.hand.rows(LATE)
    people(filled.here.engine, filled.here.policies).register(Credentials(email, "open sesame"))
    assert filled.hand.accounts(f"id = {late} AND state = 'counter_only'")


def somebody_asks_for_what_is_gone(filled: Filled) -> None:
    """Do something to an account that the log alone knows."""
    with pytest.raises(NoSuchAccountError, match="deleted for ever"):
        people(filled.here.engine, filled.here.policies).withdraw(GONE)


def holds_are_placed_and_released(filled: Filled) -> None:
    """Place a hold, list them, release it."""
    hold_id = holds.place(filled.here.engine, 9000, **SAYS)
    for which in ({}, {"account_id": 9000}, {"released": True}):
        assert holds.list_holds(filled.here.engine, limit=10, **which)[0].id == hold_id
    holds.release(filled.here.engine, hold_id, **SAYS)


SCENARIOS = (
    somebody_comes_and_goes,
    somebody_leaves_who_has_been_here_for_years,
    somebody_comes_back_at_a_counter,
    somebody_registers_anew_before_a_late_worker_has_freed_the_address,
    somebody_asks_for_what_is_gone,
    holds_are_placed_and_released,
)
