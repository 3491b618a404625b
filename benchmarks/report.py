"""The report of a run: what is compared with what, every round of every figure, a picture of the main comparison."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import NamedTuple

import pygal

from benchmarks.django_orm import by_django
from benchmarks.gentle import ALONE, MODES, p99
from benchmarks.guessing import DOES_NOT, EXISTS
from benchmarks.latency import PAGES, answer
from benchmarks.measures import DEFAULT, ONE_LANE, SIDE_BY_SIDE, peak
from benchmarks.partitioned import ORDINARY, PARTITIONED
from benchmarks.scanning import scanned
from benchmarks.sizes import Size
from benchmarks.verification import figure
from models import PolicyName

__all__ = ["Compared", "Figures", "compare", "draw", "write"]

# Each figure's rounds, by its name.
Figures = Mapping[str, list[float]]
# Of more rounds than these only quantiles are told; all of them are kept in JSON.
TOLD = 10

ORDER = f"""\
What is compared takes turns in one database; sizes, pages and memory come one after another.
The Celery path has {DEFAULT.drains} lanes, and all else one connection, where nothing else is said."""
TO_SQL = {
    "without celery": "its statements without Celery",
    "raw": "the raw loop",
    "at once": "one statement for all",
}
LIKE_TO_LIKE = [
    (f"{DEFAULT.drains} lanes to {DEFAULT.drains} connections", "celery", SIDE_BY_SIDE),
    ("1 lane to 1 connection", ONE_LANE, "raw"),
]


class Compared(NamedTuple):
    """The medians of two figures, and the one by the other."""

    compared: str
    ratio: float
    this: float
    that: float


def compare(figures: Figures, size: Size) -> list[Compared]:
    """Return what was measured of all that is compared."""
    compared = []
    for title, this, that in _comparisons(figures, size):
        if {this, that} <= figures.keys():
            ours, theirs = median(figures[this]), median(figures[that])
            compared.append(Compared(title, ours / theirs, ours, theirs))
    return compared


def write(figures: Figures, compared: Iterable[Compared], about: Mapping[str, str]) -> str:
    """Return the report in Markdown."""
    lines = [f"# Measured on {datetime.now(UTC):%Y-%m-%d}", "", *(f"- {name}: {fact}" for name, fact in about.items())]
    lines += ["", f"Medians of rounds. {ORDER}", ""]
    lines += ["| compared | ratio | this | to that |", "|---|---|---|---|"]
    lines += [f"| {title} | {ratio:.2f} | {this:,.2f} | {that:,.2f} |" for title, ratio, this, that in compared]
    lines += ["", "| figure | rounds |", "|---|---|"]
    lines += [f"| {name} | {_told(values)} |" for name, values in figures.items()]
    return "\n".join(lines) + "\n"


def draw(figures: Figures, size: Size) -> str | None:
    """Return the main comparison as SVG, as multiples of the raw loop's rate; None where it was not measured."""
    if _rate(PolicyName.PURGE, "raw") not in figures:
        return None
    # Drawn from below.
    ways = dict(reversed([("celery", "the worker, whole"), *TO_SQL.items(), *_to_orms(figures, size).items()]))
    chart = pygal.HorizontalBar(
        title="Accounts a second, the raw SQL loop being 1",
        width=800,
        height=420,
        js=[],
        print_values=True,
        value_formatter=lambda ratio: f"{ratio:.2f}",
        x_labels=[*ways.values()],
        range=(0, None),
        legend_at_bottom=True,
        order_min=0,
    )
    for policy in PolicyName:
        chart.add(policy.replace("_", "-"), [_to_raw(figures, policy, way) for way in ways])
    drawn: str = chart.render(is_unicode=True)
    return drawn


def _comparisons(figures: Figures, size: Size) -> Iterator[tuple[str, str, str]]:
    """Yield what is compared: a title and the names of two figures, of which the first stands above the line."""
    for policy in (PolicyName.PURGE, PolicyName.COUNTER_ONLY):
        for title, this, that in LIKE_TO_LIKE:
            yield f"{policy}: full Celery path to the raw loop, {title}", _rate(policy, this), _rate(policy, that)
        for way, title in (TO_SQL | _to_orms(figures, size)).items():
            yield f"{policy}: full Celery path to {title}", _rate(policy, "celery"), _rate(policy, way)
    least, most = size.idle[0], size.idle[-1]
    for policy in PolicyName:
        for due in (0, size.idle_due):
            small, large = (scanned(policy, accounts, due, "ms") for accounts in (least, most))
            yield f"{policy}: claim with {due:,} due, {most:,} to {least:,} accounts", large, small
    for mode in MODES:
        yield f"p99 of an application {mode}, to alone", p99(mode), p99(ALONE)
    for page in PAGES:
        yield f"{page}: large database to small", answer(page, *size.pages[-1]), answer(page, *size.pages[0])
    for policy in PolicyName:
        yield f"{policy}: {PARTITIONED}, to {ORDINARY}", _rate(policy, PARTITIONED), _rate(policy, ORDINARY)
    yield "wrong password: address exists to address does not", EXISTS, DOES_NOT
    few, many = size.memory_slices
    yield f"memory: {many:,} due to {few:,}", peak(many), peak(few)
    two, one = (figure(size.log_actions, jobs) for jobs in (2, 1))
    yield f"verification of {size.log_actions:,} actions: two processes to one, actions/s", two, one


def _to_orms(figures: Figures, size: Size) -> dict[str, str]:
    ways = map(by_django, size.django_batches)
    fastest = max(ways, key=lambda way: median(figures.get(_rate(PolicyName.PURGE, way), [0])))
    return {fastest: f"{fastest}, its fastest", "orm": "the ORM one by one"}


def _told(values: list[float]) -> str:
    if len(values) <= TOLD:
        return ", ".join(f"{value:,.2f}" for value in values)
    tenths = quantiles(values, n=10)
    return f"p10 {tenths[0]:,.2f}, median {median(values):,.2f}, p90 {tenths[-1]:,.2f} of {len(values)}"


def _rate(policy: PolicyName, way: str) -> str:
    return f"{policy} {way} accounts/s"


def _to_raw(figures: Figures, policy: PolicyName, way: str) -> float | None:
    if _rate(policy, way) not in figures:
        return None
    return median(figures[_rate(policy, way)]) / median(figures[_rate(policy, "raw")])
