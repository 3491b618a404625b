"""Batch size: as many accounts as fit into half a second; into 0.03 s while others are at work, whom it delays."""

__all__ = ["ALONE_SECONDS", "BESIDE_OTHERS_SECONDS", "first_accounts", "next_accounts"]

# Whoever meets an account of a batch waits for its end, as do SIGTERM and a pause. But what a batch costs however small
# it is, and pages visited again by the next, make a third of a batch of a tenth of a second.
ALONE_SECONDS, BESIDE_OTHERS_SECONDS = 0.5, 0.03


def first_accounts(*, alone: bool) -> int:
    """Return how many accounts the first batch takes, of which nobody knows yet how long one lasts."""
    return 100 if alone else 1


def next_accounts(accounts: int, seconds: float, *, most: int, alone: bool) -> int:
    """Return how many accounts the next batch takes, after one of `accounts` took `seconds`.

    At most twice as many as before; never more than `most`, never less than 1. `alone`: nobody else is at work in the
    database, and no replica lags. Then also at least half as many, so that one odd batch does not decide; but whoever
    has just begun to work is not to wait for several batches that are still too large.
    """
    target = ALONE_SECONDS if alone else BESIDE_OTHERS_SECONDS
    fitting = round(accounts * target / max(seconds, 0.001))
    least = accounts // 2 if alone else 1
    return max(1, min(most, accounts * 2, max(fitting, least)))
