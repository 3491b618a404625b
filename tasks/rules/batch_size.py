"""Batch size: as many accounts as fit into a tenth of a second, since whoever meets one of them waits that long."""

__all__ = ["FIRST_ACCOUNTS", "TARGET_SECONDS", "next_accounts"]

FIRST_ACCOUNTS = 100
TARGET_SECONDS = 0.1


def next_accounts(accounts: int, seconds: float, *, most: int) -> int:
    """Return how many accounts the next batch takes, after one of `accounts` took `seconds`.

    At most twice and at least half as many as before, so that one odd batch does not decide; never more than
    `most`, never less than 1.
    """
    fitting = round(accounts * TARGET_SECONDS / max(seconds, 0.001))
    return max(1, min(most, accounts * 2, max(fitting, accounts // 2)))
