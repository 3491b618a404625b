"""What is growth, and what is noise: a series of figures is judged by the median of all slopes between its points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

__all__ = ["BOUNDS", "Bound", "Points", "growth", "quarters", "slope", "steady"]

# A moment in minutes, and a figure.
Points = Sequence[tuple[float, float]]

FEWEST_POINTS = 8
MOST_POINTS = 120


@dataclass(frozen=True, slots=True)
class Bound:
    """How much growth is let pass: it has to be both faster and more than this to be one.

    Attributes:
        per_minute: what a leak that matters exceeds: after a week without a restart it would be seen.
        at_least: what a process takes now and then and keeps, over the time that is judged.
    """

    per_minute: float
    at_least: float


# A process that meets a kind of work for the first time keeps some memory: a worker's child takes some ten megabytes
# with its first twenty tasks, as much at most with the two or three hundred after, and then no more. How fast that
# comes depends on how much there is to do. A leak of half a megabyte a minute is found in a life of which some twenty
# minutes are judged.
BOUNDS: Mapping[str, Bound] = {
    "memory": Bound(0.25, 10.0),
    "files": Bound(0.1, 4.0),
    "threads": Bound(0.1, 3.0),
}


def slope(points: Points) -> float:
    """Return by how much a series grows in a minute (Theil and Sen); what strays now and then hardly moves it."""
    thinned = points[:: max(1, len(points) // MOST_POINTS)]
    slopes = [(b - a) / (at_b - at_a) for (at_a, a), (at_b, b) in combinations(thinned, 2) if at_b > at_a]
    return median(slopes) if slopes else 0.0


def steady(points: Points) -> float:
    """Return by how much a series grows in a minute in both of its halves: a leak does, and a step in one alone."""
    half = len(points) // 2
    return min(slope(points[:half]), slope(points[half:]))


def growth(lives: Sequence[Points], bound: Bound, *, warm_up: float) -> str | None:
    """Say how the lives of processes of one kind grow; None where they do not.

    A life's first minutes are left out, in which a process fills its caches. One life that grows is enough; and so is
    it that all of them do on the average, since faults may end each before it has grown by much.
    """
    judged = [warm for life in lives if len(warm := _after(life, warm_up)) >= FEWEST_POINTS]
    if not judged:
        return None
    slopes = [(steady(life), life[-1][0] - life[0][0]) for life in judged]
    worst, minutes = max(slopes, key=lambda each: each[0] * each[1])
    if worst > bound.per_minute and worst * minutes > bound.at_least:
        return f"{worst:.2f} a minute in one process, over {minutes:.1f} minutes"
    mean = sum(each * minutes for each, minutes in slopes) / sum(minutes for _, minutes in slopes)
    lasted = max(life[-1][0] for life in judged) - min(life[0][0] for life in judged)
    if mean > bound.per_minute and mean * lasted > bound.at_least:
        return f"{mean:.2f} a minute in {len(judged)} processes on the average"
    return None


def quarters(points: Points, *, warm_up: float) -> tuple[list[float], list[float]]:
    """Return the figures of the first and of the last quarter of what comes after the warm-up."""
    warm = _after(points, warm_up)
    if not warm:
        return [], []
    quarter = (warm[-1][0] - warm[0][0]) / 4
    first = [figure for at, figure in warm if at <= warm[0][0] + quarter]
    last = [figure for at, figure in warm if at >= warm[-1][0] - quarter]
    return first, last


def _after(points: Points, warm_up: float) -> Points:
    """Leave out what comes sooner than so many minutes after the first."""
    return [point for point in points if point[0] >= points[0][0] + warm_up]
