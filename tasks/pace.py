"""Small batches, and rest between them, while others are at work in the database."""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic, sleep

from sqlalchemy import Connection, Engine, Select

from models import PolicyName
from tasks.courtesy import Courtesy
from tasks.rules.batch_size import first_accounts
from tasks.rules.pace import GLANCES, MOST_SECONDS, Signs, catches_up, is_alone, met, rest, smoothed
from tasks.statements.pace import look_around
from tasks.transaction import transaction

__all__ = ["Pace"]

NAP_SECONDS = 0.05
GLANCE_SECONDS = 0.005
ASIDE_SECONDS = 1.0
# A statement keeps its snapshot until the next one, as the driver sends it, and with that vacuum from what is dead by
# now. This one has none.
LET_GO = "SHOW server_version"
# Longer than any rest, and no longer: a host that has vanished while it rested does not keep its lane.
PATIENCE = timedelta(seconds=MOST_SECONDS + 2)
# What was seen longer ago than this says nothing about now. It outlasts a rest: whoever comes from one knows.
FRESH_SECONDS = MOST_SECONDS + 2
# How many accounts fit is much the same a while later; whoever is at work by then is looked for anew.
FITTING_SECONDS = 60


class Pace:
    """The pace of a process: it looks around before a drain's first batch and after each, and remembers what it saw.

    Every method raises `Unavailable` where the database does not answer.

    Args:
        engine: connects to the database that is looked at.
        most: longest rest, as a multiple of what the batch took; 0 is neither to rest nor to look.
        lanes: so many are at work at the same time; each rests for all, so that more lanes are no more of a burden.

    Attributes:
        awaits_replica: a replica lags that caught up when last looked at, or of which that is not known yet: another
            rest is due before the next batch.
        step_back: is called whenever somebody else is seen at work.
    """

    def __init__(self, engine: Engine, *, most: float, lanes: int) -> None:
        self._engine, self._most, self._lanes = engine, most, lanes
        self._busy: float | None = None
        self._before: Signs | None = None
        self._looked_at = float("-inf")
        self._fitting: dict[tuple[PolicyName, bool], tuple[float, int]] = {}
        self.awaits_replica = False
        self.step_back: Callable[[], None] = lambda: None

    @property
    def alone(self) -> bool:
        """Whether nobody else was at work of late, nor a replica lags; always where the worker is set not to look."""
        return is_alone(self._busy or 0) and (self._before is None or not self._before.lags)

    def begin(self, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Look around before a first batch: for some moments, unless somebody was seen at work a short while ago.

        That nobody was is no news: whoever has come since then would wait for a whole batch as large as it is alone.
        Where somebody is seen, what has led to the batch, as the gates of a sweep, has taken enough of their time
        already: it is a second more until it begins, or less where the worker is to stop.
        """
        if not self._most or (not self.alone and monotonic() - self._looked_at < FRESH_SECONDS):
            return
        looks = []
        for _ in range(GLANCES):
            with transaction(self._engine) as connection:
                looks.append(self._look(connection))
            sleep(GLANCE_SECONDS)
        self._take_in(met(looks))
        self.awaits_replica = looks[-1].lags
        if not self.alone:
            _sleep(ASIDE_SECONDS, is_stopping)

    def first_accounts(self, policy: PolicyName) -> int:
        """Return how many accounts a drain's first batch takes, after `begin`: as many as the last drain came to.

        That is what `remember` was told a short while ago, and for once: a drain that fails leaves nothing to go by.
        Nor does it count where somebody is at work now and nobody was then, or the other way round.
        """
        at, fitting = self._fitting.pop((policy, self.alone), (float("-inf"), 0))
        known = fitting if monotonic() - at < FITTING_SECONDS else 0
        return known or first_accounts(alone=self.alone)

    def remember(self, policy: PolicyName, accounts: int) -> None:
        """Note how many accounts the next batch would take, as a drain ends without an error."""
        self._fitting[policy, self.alone] = (monotonic(), accounts)

    def courtesy(self) -> Courtesy:
        """Return what a batch is to do for others while it is under way, by what was seen last."""
        return Courtesy(is_due=bool(self._most) and not is_alone(self._busy or 0))

    def rest(self, seconds: float, lane: Select[bool], is_stopping: Callable[[], bool] = lambda: False) -> float | None:
        """Rest after a batch that took so many seconds, unless the worker is to stop.

        `lane` takes the lane, as `take_lane` does: whoever rests has it all the while, in a transaction without a
        snapshot, so that nobody works on it meanwhile and the rest is one.

        Returns:
            For how many seconds; None, at once, where somebody else has the lane by now.
        """
        if not self._most:
            return 0
        with transaction(self._engine, statement=PATIENCE) as connection:
            if not connection.scalar(lane):
                return None
            self.courtesy().breathe()
            before, signs = self._before, self._look(connection)
            self._take_in(smoothed(self._busy, signs))
            before = before or signs
            self.awaits_replica = catches_up(signs, before)
            taken = seconds * self._lanes
            resting = rest(taken, busy=self._busy or 0, signs=signs, before=before, most=self._most)
            if resting:
                connection.exec_driver_sql(LET_GO)
                _sleep(resting, is_stopping)
                # A session that was lost meanwhile is to be so here, and not a commit that was not answered.
                connection.exec_driver_sql(LET_GO)
        return resting

    def _look(self, connection: Connection) -> Signs:
        version = connection.connection.driver_connection.info.server_version  # type: ignore[union-attr]
        signs = Signs(*connection.execute(look_around(version)).one())
        self._before, self._looked_at = signs, monotonic()
        return signs

    def _take_in(self, busy: float) -> None:
        self._busy = busy
        if not is_alone(busy):
            self.step_back()


def _sleep(seconds: float, is_stopping: Callable[[], bool]) -> None:
    ends = monotonic() + seconds
    while not is_stopping() and (left := ends - monotonic()) > 0:
        sleep(min(left, NAP_SECONDS))
