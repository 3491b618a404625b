"""Faults now and then: which, when and for how long is chosen by a seed; who was ended by them, and who was not."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from random import Random

from chaos.deployment import Deployment
from chaos.faults import FAULTS, NotStruckError

from soak.logged import last_error

__all__ = ["STRIKING", "Strike", "Strikes", "aims_at_processes", "plan"]

# A clock is stepped in a deployment that was started for that; no batch comes to a gate that lies in wait for it.
STRIKING = [name for name, fault in FAULTS.items() if fault.clocks is None and not fault.of_a_batch]

SHORTEST_SECONDS, LONGEST_SECONDS = 4, 30
# What follows from a fault may come so much later: a worker takes half a minute to stop, a task as long to try again.
AFTERMATH_SECONDS = 60


def aims_at_processes(fault: str) -> bool:
    """Whether a fault may end processes of ours; a server that is away has to be outlived."""
    return bool(FAULTS[fault].may_end)


@dataclass(slots=True)
class Strike:
    """One fault.

    Attributes:
        fault: its name.
        at: seconds since the soak began.
        lasts: seconds.
        ended: processes that were found ended in it, or soon after.
        failed: why it could not be done or undone, if so.
        not_struck: why it had no effect, if so, as where it needs a batch that is held.
    """

    fault: str
    at: float
    lasts: float
    ended: list[str] = field(default_factory=list)
    failed: str | None = None
    not_struck: str | None = None

    def may_end(self, role: str) -> bool:
        """Whether it is aimed at processes of a role; a server that is away has to be outlived."""
        return role in FAULTS[self.fault].may_end

    def covers(self, began: float, ended: float | None = None) -> bool:
        """Whether something that happens then, or begins and ends then, may be its doing."""
        return began <= self.at + self.lasts + AFTERMATH_SECONDS and self.at <= (began if ended is None else ended)


def plan(names: list[str], seed: int, *, seconds: float, every: float) -> Iterator[Strike]:
    """Choose one fault in each span of time, none again before all have been; nothing strikes at the end.

    Those that are aimed at processes come first and once, so that who is started after them lives long enough to be
    judged: a process that has done little yet grows, as its caches fill.
    """
    random = Random(seed)
    aimed = [name for name in names if aims_at_processes(name)]
    others = [name for name in names if name not in aimed]
    waiting = [*random.sample(others, len(others)), *random.sample(aimed, len(aimed))]
    longest = min(LONGEST_SECONDS, every / 4)
    for number in range(max(1, int(seconds // every) - 1)):
        waiting = waiting or random.sample(others or aimed, len(others or aimed))
        at = every * (number + random.uniform(0.2, 0.6))
        yield Strike(waiting.pop(), round(at, 1), round(random.uniform(SHORTEST_SECONDS, longest), 1))


class Strikes:
    """Lets planned faults happen, starts again what has ended, and keeps account of it.

    Attributes:
        struck: those that have begun.
        unexplained: processes that ended though no fault was there to end them, and when.
    """

    def __init__(self, it: Deployment, began: float) -> None:
        self._it, self._began = it, began
        self._planned: list[Strike] = []
        self.struck: list[Strike] = []
        self.unexplained: list[str] = []

    def begin(self, planned: Iterable[Strike]) -> None:
        """Count the moments that were planned from now."""
        self._planned = [replace(strike, at=strike.at + self._now()) for strike in planned]

    def look(self, say: Callable[[str | None], None]) -> None:
        """Let the next fault happen if it is time; start again what is no longer there, as systemd would.

        `say` is told the fault's name when it begins, and None when it is over.
        """
        if self._planned and self._now() >= self._planned[0].at:
            strike = self._planned.pop(0)
            strike.at = self._now()
            self.struck.append(strike)
            say(strike.fault)
            self._happen(strike)
            strike.lasts = round(self._now() - strike.at, 1)
            say(None)
        self._note_ends()
        self._it.revive()

    def _happen(self, strike: Strike) -> None:
        try:
            with FAULTS[strike.fault].strike(self._it):
                time.sleep(strike.lasts)
        except NotStruckError as error:
            strike.not_struck = str(error)
        except Exception as error:  # noqa: BLE001 - one that fails is a finding, and the hour goes on
            strike.failed = f"{type(error).__name__}: {error}"
            self._it.servers.start()

    def _note_ends(self) -> None:
        present = {"worker": self._it.workers, "beat": self._it.beats, "web": [self._it.web]}
        for role, processes in present.items():
            for process in processes:
                if process.poll() is None:
                    continue
                ended = f"{role} ({process.returncode})"
                blamed = [each for each in self.struck if each.covers(self._now())]
                for strike in blamed[-1:]:
                    strike.ended.append(ended)
                if not any(each.may_end(role) for each in blamed):
                    after = f", after {blamed[-1].fault}" if blamed else ""
                    said = last_error(self._it.log_of(process))
                    self.unexplained.append(f"{ended} at {self._now():.0f} s{after}: {said}")

    def _now(self) -> float:
        return round(time.monotonic() - self._began, 1)
