"""Ceiling: the most that one sweep may touch before a person has looked."""

from collections.abc import Mapping
from fractions import Fraction
from math import ceil

from tasks.rules.gate import Gate, Limits, Stop

__all__ = ["allowances", "ceiling_stops", "enough_accounts", "most_by_settings"]

WHAT = {
    "accounts": "the absolute ceiling",
    "share": "the ceiling as a share of all accounts",
    "forecast": "the ceiling as a multiple of what was forecast",
}


# More than any database holds, and as much as PostgreSQL can count.
MOST_COUNTED = 2**62
# A share is counted until it is known to allow so many times what is due: accounts that fall due for a sweep while it
# runs, as whose hold is released, do not make it pass the gates once more.
ROOM = 2


def allowances(limits: Limits, *, all_accounts: int, expected: int | None) -> dict[str, int]:
    """Return how many accounts each ceiling allows; each is judged alone.

    Args:
        limits: the settings.
        all_accounts: in the database; counting may stop at `enough_accounts`. What the share allows is then at least
            what is returned; where even that is more than the absolute ceiling, it is left out.
        expected: accounts that were forecast for the time since the last sweep; None where nobody could know.
    """
    allowed = {"accounts": limits.accounts}
    if not limits.share or all_accounts < _enough_for(limits, limits.accounts):
        allowed["share"] = _at_least(limits.floor, limits.share, all_accounts)
    if not limits.forecast or expected is not None:
        allowed["forecast"] = _at_least(limits.floor, limits.forecast, expected or 0)
    return allowed


def most_by_settings(limits: Limits, *, expected: int | None) -> int:
    """Return the most that any ceiling allows, but for a share that is more than the absolute one; as `allowances`."""
    return max(allowances(limits, all_accounts=0, expected=expected).values())


def enough_accounts(limits: Limits, *, accounts: int) -> int:
    """Return how many of all accounts to count at most, where a sweep would touch `accounts`.

    With as many, the share allows the sweep, and some more; or the absolute ceiling is the lower one.
    """
    return min(_enough_for(limits, ROOM * accounts), _enough_for(limits, limits.accounts))


def _enough_for(limits: Limits, accounts: int) -> int:
    return 0 if not limits.share else min(ceil(accounts / _exactly(limits.share)) + 1, MOST_COUNTED)


def ceiling_stops(allowed: Mapping[str, int], *, accounts: int) -> list[Stop]:
    """Return a stop for each ceiling that `accounts` are more than; counting them may stop right above the highest."""
    counted = f"at least {accounts:,}" if accounts > max(allowed.values()) else f"{accounts:,}"
    return [
        Stop(
            Gate.CEILING,
            f"{counted} accounts would be touched, and {WHAT[name]} allows {most:,}; "
            "see whether their dates are right, then approve or reject",
            needs_approval=True,
            numbers={"ceiling": name, "allowed": most, "accounts": accounts},
        )
        for name, most in allowed.items()
        if accounts > most
    ]


def _at_least(floor: int, factor: float, of: int) -> int:
    return max(floor, int(_exactly(factor) * of)) if factor else 0


def _exactly(factor: float) -> Fraction:
    """Return the number that was written in the settings: as a float, 0.29 of 100 would be 28."""
    return Fraction(str(factor))
