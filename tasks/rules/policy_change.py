"""Policy change: a sweep under other rules than the last one, by which accounts are newly due, needs a second look."""

from collections.abc import Sequence

from models import Policy
from tasks.rules.gate import Gate, Stop

__all__ = ["change_stops", "other_worker_stops"]


def change_stops(policy: Policy, before: str, *, newly_due: int | None, sample: Sequence[int]) -> list[Stop]:
    """Return a stop where the policy has changed and accounts are due that were not under the last one.

    Args:
        policy: as it is now.
        before: fingerprint of the last sweep's.
        newly_due: accounts that are due now and would not be; None where the old rules cannot be asked any more.
        sample: numbers of some of them.
    """
    if newly_due == 0:
        return []
    many = "an unknown number of" if newly_due is None else f"{newly_due:,}"
    return [
        Stop(
            Gate.POLICY_CHANGE,
            f"the policy was {before} and is {policy.fingerprint}: {many} accounts are due only by this change; "
            "approve or reject",
            needs_approval=True,
            numbers={"before": before, "now": policy.fingerprint, "newly_due": newly_due, "sample": list(sample)},
        )
    ]


def other_worker_stops(policy: Policy, asked: str | None) -> list[Stop]:
    """Return a stop where a sweep was asked for under another policy than this worker's."""
    if asked is None or asked == policy.fingerprint:
        return []
    detail = f"it was asked for under {asked}, and this worker has {policy.fingerprint}; reject it, and ask anew"
    return [Stop(Gate.POLICY_CHANGE, detail, numbers={"before": asked, "now": policy.fingerprint})]
