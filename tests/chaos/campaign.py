"""One round of the campaign: a fault strikes at a point of a sweep; then everything has to come right by itself."""

from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event
from time import sleep

from chaos.deployment import BEATS, TESTS, WRONG_CLOCK, Deployment, deployment
from chaos.faults import FAULTS, Clocks, Fault, NotStruckError
from chaos.gate import Outcome, Point
from chaos.judgement import judge, left_by_sweeps
from chaos.servers import Servers

__all__ = ["MOST_TICKS", "Round", "strike"]

# A minute each, which takes five seconds here; a busy machine takes several to start what was killed.
MOST_TICKS = 24
REACHED_SECONDS = 30
# From the first claim on; sweeps of a round are over soon after that, and what strikes then hits nobody.
MOMENT_SECONDS = 1
# Several batches come to a point, but each sweep only once, and so do few portions of files.
SKIPPED = {Point.TICK: 2, Point.START: 2, Point.END: 2, Point.ERASED: 1}
SKIPPED_BATCHES = 4
EACH_MINUTE = {"RETENTION_PURGE_CRON": "* * * * *", "RETENTION_COUNTER_ONLY_CRON": "* * * * *"}
BY_HAND = ("run", "all", "--actor", "chaos", "--reason", "campaign")
DONE, UNAVAILABLE = 0, 5
MOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Round:
    """What came of a round.

    Attributes:
        fault, point: what struck where.
        seed: of everything that is left to chance.
        outcome: what became of the statement at the point.
        ticks: how many it took until no sweep was open.
        acted: accounts purged or moved.
        hit: what else the fault has hit, which is no finding: commands by their exit codes.
        not_struck: why the fault had no effect, so that the round shows nothing of it.
        findings: promises that were broken, and how often.
    """

    fault: str
    point: Point
    seed: int
    outcome: Outcome = Outcome.PASSED
    ticks: int = 0
    acted: int = 0
    hit: Mapping[str, int] = field(default_factory=dict)
    not_struck: str = ""
    findings: Mapping[str, int] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Say in a word what came of it."""
        return "findings" if self.findings else "not struck" if self.not_struck else "sound"


class _Strike:
    """Lets the fault begin and end, and keeps what went wrong with that: it happens in the gate's thread."""

    def __init__(self, fault: Fault, outcome: Outcome) -> None:
        self._fault, self._outcome = fault, outcome
        self._over = ExitStack()
        self.not_struck = ""
        self.findings: dict[str, int] = {}
        self.error: Exception | None = None

    def begin(self, it: Deployment) -> Outcome:
        try:
            self._over.enter_context(self._fault.strike(it))
        except NotStruckError as error:
            self.not_struck = str(error)
            return Outcome.PASSED
        except Exception as error:  # noqa: BLE001 - raised again where the round is judged
            self.error = error
        return self._outcome

    def end(self) -> None:
        try:
            self._over.close()
        except NotStruckError as error:
            self.not_struck = str(error)
        except AssertionError as error:  # what it waited for
            self.findings[str(error)] = 1
        if self.error is not None:
            raise self.error


def strike(
    servers: Servers,
    directory: Path,
    name: str,
    point: Point,
    seed: int,
    *,
    most_ticks: int = MOST_TICKS,
    **changes: str,
) -> Round:
    """Let a fault strike when a sweep reaches a point; judge what is there once all has come to rest.

    It is judged after `most_ticks` in any case, as with a mistake that lets nothing come to rest. `changes` are of the
    environment of workers and beats. `servers` have a clock of their own where the fault steps that.
    """
    fault, random = FAULTS[name], Random(seed)
    outcome = random.choice(list(Outcome)) if point is Point.COMMIT else Outcome.PASSED
    hit: dict[str, int] = {}
    striking = _Strike(fault, outcome)
    if fault.clocks is Clocks.OURS:
        changes = {"PYTHONPATH": f"{WRONG_CLOCK}:{TESTS}"} | changes
    if point is Point.TICK:
        changes = EACH_MINUTE | changes
    with deployment(servers, directory, **changes) as it:
        # The first beat claims the minute's ticks.
        it.revive(beats=0 if point is Point.TICK else BEATS)
        it.wait_until_at_work()
        # Whatever people do is dated by the database's clock.
        with nullcontext() if fault.clocks is Clocks.DATABASE else it.people(seed):
            try:
                code = _reach(it, point, striking, random)
                sleep(random.uniform(0.5, 3))
            finally:
                striking.end()
            if code != DONE:
                hit[" ".join(BY_HAND[:2])] = code
                _ask_again(it)
            ticks = it.settle(most_ticks)
            # Whoever was ended without a sweep's being late is there again before the end is judged.
            it.revive()
            it.wait_until_at_work()
        findings = striking.findings
        if code not in (DONE, UNAVAILABLE):
            findings["the exit code of the command that was hit"] = code
        if ticks > most_ticks:
            findings["no sweep was open only after ticks"] = ticks
        else:
            findings |= left_by_sweeps(it)
            # People have let more fall due; a last sweep, with nobody in its way, takes it.
            if code := it.stack.retention(*BY_HAND, "--wait").code:
                findings["the last sweep's exit code"] = code
        findings |= judge(it, fault)
        acted = it.scalar("SELECT count(*) FROM actions")
    return Round(name, point, seed, outcome, ticks, acted, hit, striking.not_struck, findings)


def _reach(it: Deployment, point: Point, striking: _Strike, random: Random) -> int:
    """Begin both sweeps, by a command or by beats, and strike when one reaches the point; returns an exit code."""
    begun = Event()

    def begin() -> Outcome:
        begun.set()
        return Outcome.PASSED

    at_once = point is not Point.MOMENT
    armed, happens = (point, lambda: striking.begin(it)) if at_once else (Point.CLAIM, begin)
    it.gate.arm(armed, happens, skipped=random.randrange(SKIPPED.get(point, SKIPPED_BATCHES)) if at_once else 0)
    if point is Point.TICK:
        it.revive(beats=1)  # a second one would claim what is claimed already
        code = DONE
    else:  # the fault may hit the command, which then says so
        code = it.stack.retention(*BY_HAND).code
    if not it.gate.reached.wait(REACHED_SECONDS):
        striking.not_struck = "the point was not reached"
    elif begun.is_set():
        sleep(random.uniform(0, MOMENT_SECONDS))
        striking.begin(it)
    return code


def _ask_again(it: Deployment) -> None:
    """Ask for both sweeps again, as somebody would whose command was refused; to ask twice is harmless."""
    for _ in range(MOST_TRIES):
        if it.stack.retention(*BY_HAND).code == DONE:
            return
