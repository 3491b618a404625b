"""Gates: what can stop a sweep, and how it says why."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Gate", "Limits", "Stop", "is_lasting"]


class Gate(StrEnum):
    """Which brake stopped a sweep."""

    PAUSE = "pause"
    CLOCK = "clock"
    POLICY_CHANGE = "policy_change"
    CUTOFF = "cutoff"
    CEILING = "ceiling"
    CATALOG = "catalog"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Stop:
    """One reason why a sweep may not go on.

    Attributes:
        detail: what an operator reads: the numbers, and the way out.
        needs_approval: a person can release the sweep; otherwise only the end of the reason does.
        numbers: the same for programs.
    """

    gate: Gate
    detail: str
    needs_approval: bool = False
    numbers: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return it as JSON shows it, and as `is_lasting` takes it."""
        return asdict(self)


def is_lasting(stop: Mapping[str, Any]) -> bool:
    """Say whether only a person ends a stop: that fewer are due now does not show that those are due rightly."""
    return bool(stop["needs_approval"]) and stop["gate"] in (Gate.CEILING, Gate.POLICY_CHANGE)


@dataclass(frozen=True, slots=True)
class Limits:
    """The gates' numbers. A limit of 0 means that nothing is allowed.

    Attributes:
        accounts: most that one sweep may touch.
        share: most that one sweep may touch, of all accounts; 0 to 1.
        forecast: most that one sweep may touch, as a multiple of what was expected.
        floor: accounts that share and forecast allow in any case, unless they are 0: a share of few is no measure.
        skew_seconds: by how much two clocks may differ.
        gap_days: by how much time may have gone on since it was last looked at.
        canary_accounts: in a purge's first batch, which is verified before the others start.
    """

    accounts: int
    share: float
    forecast: float
    floor: int
    skew_seconds: float
    gap_days: int
    canary_accounts: int
