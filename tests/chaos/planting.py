"""Which mistake shows by which fault, where, and as what: one for each class of faults."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.campaign import strike
from chaos.deployment import TESTS
from chaos.faults import FAULTS, Clocks
from chaos.gate import Point
from chaos.servers import Servers

__all__ = ["PLANTS", "Plant", "environment", "find"]

DIRECTORY = Path(__file__).parent / "plants"
SEED = 1
# One that lets a commit be cut before the server has it.
CUT = 7


@dataclass(frozen=True, slots=True)
class Plant:
    """A mistake, by its name in `plants/sitecustomize.py`.

    Attributes:
        fault, point, seed: the round in which it shows.
        shows: how the finding begins as which it shows.
        most_ticks: it is waited for no longer.
    """

    name: str
    fault: str
    point: Point
    shows: str
    seed: int = SEED
    most_ticks: int = 6


PLANTS = {
    plant.name: plant
    for plant in (
        Plant("torn", "worker killed", Point.CHAIN, "a receipt and its actions differ", most_ticks=4),
        Plant("deaf", "worker told to stop", Point.ACT, "this did not come about: workers that were told to stop end"),
        Plant("stale", "beat and web killed", Point.CLAIM, "a beat has ended by itself, with exit code 73"),
        Plant("fragile", "redis killed", Point.ACT, "a worker has ended by itself"),
        Plant("unwoken", "messages held back", Point.CLAIM, "a sweep has not ended"),
        Plant("hasty", "messages doubled", Point.COUNT, "sweeps have ended and left somebody"),
        Plant("unreadable", "messages malformed", Point.CLAIM, "a worker has ended by itself"),
        Plant("guessed", "connections cut", Point.COMMIT, "what is said of a batch is not so", seed=CUT),
        Plant("impatient", "sessions ended", Point.ACT, "a sweep has failed"),
        Plant("swallowed", "deadlocked", Point.ACT, "sweeps have ended and left somebody"),
        Plant("believed", "clocks years forth", Point.CLAIM, "a sweep has not ended"),
        Plant("forgotten", "worker killed", Point.ERASED, "a file is left whose document is gone"),
        Plant("blind", "database clock years forth", Point.CLAIM, "somebody was acted on before they were due"),
    )
}


def environment(plants: Sequence[str]) -> dict[str, str]:
    """Return what makes processes make a mistake; nothing where none is named."""
    return {"PYTHONPATH": f"{DIRECTORY}:{TESTS}", "CHAOS_PLANT": plants[0]} if plants else {}


def find(plant: Plant, servers: Servers, directory: Path) -> bool:
    """Make a mistake, and say whether the campaign sees it."""
    changes = environment([plant.name])
    if FAULTS[plant.fault].clocks is Clocks.OURS:
        changes["CHAOS_STEPPED"] = "yes"
    done = strike(servers, directory, plant.fault, plant.point, plant.seed, most_ticks=plant.most_ticks, **changes)
    found = any(finding.startswith(plant.shows) for finding in done.findings)
    says = "; ".join(f"{finding}: {number}" for finding, number in done.findings.items()) or "sound"
    print(f"{plant.name} | {plant.fault} | {plant.point} | {'found' if found else 'NOT FOUND'} | {says}", flush=True)
    return found
