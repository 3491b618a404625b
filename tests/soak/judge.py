"""What of a soak is wrong: what was broken, what grew, what was late, what did not come to rest."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from soak.growth import BOUNDS, Bound, Points, growth, quarters
from soak.run import Seen
from soak.strikes import Strike

__all__ = ["FIGURES", "findings", "lives", "of_role", "of_servers", "roles"]

FIGURES = ("memory", "files", "threads")
# Redis loses all when it is emptied, so it is judged from one of its faults to the next. A key that each sweep leaves
# is two a minute; what clients have in the air is some kilobytes.
REDIS_BOUNDS = {"keys": Bound(0.1, 3), "members": Bound(0.3, 8), "memory": Bound(0.03, 0.5)}
# Of others, and of ours beyond one for each process: a pool opens a connection when it first needs one, so there are
# fewer of them than processes after a start, or after a fault that ended sessions.
MORE_CONNECTIONS = 5
OURS = "retention"
# The next tick is a minute away at most, and a sweep of a minute's accounts takes some seconds beside the others.
LATE_SECONDS = 180
# Half a tick: less is how the minutes fall.
LATER_SECONDS = 30
# A quarter has to have some ticks in it.
FEWEST_MINUTES = 10


def findings(seen: Seen) -> dict[str, str]:
    """Return everything that is wrong, by name; empty where the soak was sound."""
    found = dict(seen.broken)
    for strike in seen.struck:
        if strike.failed:
            found[f"the fault {strike.fault} did not happen"] = strike.failed
    if seen.rested is None:
        found["it did not come to rest"] = _rest(seen)
    return found | dict(_growth(seen)) | dict(_connections(seen)) | dict(_lateness(seen))


def lives(seen: Seen, role: str, figure: str) -> list[Points]:
    """Return a figure of each process of a role, by the minute."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for sample in seen.samples:
        for process in sample.processes:
            if process.role == role:
                found[process.life].append((sample.at / 60, getattr(process, figure)))
    return list(found.values())


def of_role(seen: Seen, role: str, figure: str) -> Points:
    """Return a figure of all processes of a role, by the minute."""
    return sorted(point for life in lives(seen, role, figure) for point in life)


def of_servers(seen: Seen, what: str, figure: str) -> Points:
    """Return a figure of Redis, of those who wait, or connections, by the minute, where there was an answer."""
    told = ((sample.at / 60, getattr(sample, what)) for sample in seen.samples)
    return [(at, figures.get(figure, 0)) for at, figures in told if figures is not None]


def roles(seen: Seen) -> list[str]:
    """Return every role that was seen."""
    return sorted({process.role for sample in seen.samples for process in sample.processes})


def _growth(seen: Seen) -> Iterator[tuple[str, str]]:
    warm_up = seen.terms.warm_up
    bounds = dict(BOUNDS, memory=replace(BOUNDS["memory"], at_least=seen.terms.caches))
    for role in roles(seen):
        for figure, bound in bounds.items():
            if grown := growth(lives(seen, role, figure), bound, warm_up=warm_up):
                yield f"{figure} of {role} grows", grown
    for figure, bound in REDIS_BOUNDS.items():
        if grown := growth(_between(of_servers(seen, "redis", figure), seen.struck), bound, warm_up=warm_up):
            yield f"{figure} of Redis grow", grown


def _between(points: Points, struck: list[Strike]) -> list[Points]:
    """Divide a series of Redis' where a fault of its own struck."""
    ends = [(strike.at + strike.lasts) / 60 for strike in struck if strike.fault.startswith("redis")]
    parts: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for at, figure in points:
        parts[sum(end <= at for end in ends)].append((at, figure))
    return list(parts.values())


def _connections(seen: Seen) -> Iterator[tuple[str, str]]:
    for application in sorted({name for sample in seen.samples for name in sample.database or {}}):
        first, last = quarters(of_servers(seen, "database", application), warm_up=seen.terms.warm_up)
        natural = max((len(sample.processes) for sample in seen.samples), default=0) if application == OURS else 0
        if first and median(last) > max(median(first), natural) + MORE_CONNECTIONS:
            yield f"connections of {application} grow", f"from {median(first)} to {median(last)}"


def _lateness(seen: Seen) -> Iterator[tuple[str, str]]:
    late = [wait for wait in seen.waited if wait[1] > LATE_SECONDS and not _is_excused(wait, seen)]
    if late:
        yield "accounts waited without a fault", f"{len(late)}, one for {max(late, key=lambda each: each[1])[1]:.0f} s"
    if seen.terms.minutes < FEWEST_MINUTES:
        return
    first, last = quarters(seen.waited, warm_up=seen.terms.warm_up)
    if not last:
        yield "nobody was acted on", "in all this time"
    elif median(last) > median(first) + LATER_SECONDS:
        yield "accounts wait ever longer", f"{median(first):.0f} s at first, {median(last):.0f} s at last"


def _is_excused(wait: tuple[float, float], seen: Seen) -> bool:
    """Whether a fault struck while an account waited, or shortly before."""
    minute, seconds = wait
    began, ended = minute * 60 - seconds, minute * 60
    return any(strike.covers(began, ended) for strike in seen.struck)


def _rest(seen: Seen) -> str:
    last = seen.samples[-1]
    return f"waiting {last.waiting}, Redis {last.redis}"
