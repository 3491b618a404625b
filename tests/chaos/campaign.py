"""One round of the campaign: a fault strikes at a point of a batch; then everything has to come right by itself."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import sleep

from own_servers import OwnServers

from chaos.deployment import deployment
from chaos.faults import FAULTS
from chaos.gate import Outcome, Point

__all__ = ["MOST_TICKS", "Round", "strike"]

ACCOUNTS = 300
# A sweep whose messages were lost is woken after 50 s without a sign of life; a tick of the campaign is five seconds.
MOST_TICKS = 36
REACHED_SECONDS = 30
BY_HAND = ("run", "all", "--actor", "chaos", "--reason", "campaign")


@dataclass(frozen=True, slots=True)
class Round:
    """What came of a round.

    Attributes:
        fault, point, outcome: what struck where, and what became of the statement there.
        seed: of everything that is left to chance.
        ticks: how many it took until no sweep was open.
        acted: accounts purged or moved.
        findings: promises that were broken, and how often; none is a success.
    """

    fault: str
    point: Point
    outcome: Outcome
    seed: int
    ticks: int
    acted: int
    findings: Mapping[str, int]


def strike(
    servers: OwnServers,
    directory: Path,
    fault: str,
    point: Point,
    seed: int,
    *,
    most_ticks: int = MOST_TICKS,
    **changes: str,
) -> Round:
    """Let a fault strike when a batch reaches a point; judge what is there once all has come to rest.

    It is judged after `most_ticks` in any case, as with a mistake that lets nothing come to rest.
    """
    random = Random(seed)
    outcome = random.choice(list(Outcome)) if point is Point.COMMIT else Outcome.PASSED
    with ExitStack() as over, deployment(servers, directory, **changes) as it:
        it.populate(ACCOUNTS)
        it.revive()

        def happen() -> Outcome:
            over.enter_context(FAULTS[fault](it))
            return outcome

        with it.people(seed):
            it.gate.arm(point, happen, skipped=random.randrange(4))
            it.stack.retention(*BY_HAND, check=True)
            reached = it.gate.reached.wait(REACHED_SECONDS)
            sleep(random.uniform(0.5, 3))
            over.close()
            ticks = it.settle(most_ticks)
        # People have let more fall due; a last sweep, with nobody in its way, takes it.
        findings = {} if reached else {"the point was not reached": 1}
        if ticks <= most_ticks and (code := it.stack.retention(*BY_HAND, "--wait").code):
            findings["the last sweep's exit code"] = code
        findings |= it.judge()
        acted = it.scalar("SELECT count(*) FROM actions")
    return Round(fault, point, outcome, seed, ticks, acted, findings)
