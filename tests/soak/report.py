"""A soak told: as a page for people, and as JSON with every sample."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from statistics import median

from soak.growth import Points, quarters, steady
from soak.judge import FIGURES, lives, of_role, of_servers, roles
from soak.run import Seen
from soak.strikes import Strike

__all__ = ["page", "write"]

SERVERS = {
    "connections of the worker's programs and people": ("database", "retention"),
    "keys in Redis": ("redis", "keys"),
    "what the keys hold": ("redis", "members"),
    "messages waiting": ("redis", "queue"),
    "messages unacknowledged": ("redis", "unacked"),
    "Redis' memory, MB": ("redis", "memory"),
    "accounts waiting": ("waiting", "accounts"),
    "longest wait, s": ("waiting", "seconds"),
    "open sweeps": ("waiting", "sweeps"),
}


def write(path: Path, seen: Seen, found: dict[str, str]) -> None:
    """Write the page, and beside it the JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(seen, found))
    told = {"findings": found} | asdict(seen)
    path.with_suffix(".json").write_text(json.dumps(told, indent=1))


def page(seen: Seen, found: dict[str, str]) -> str:
    """Return the page: what was asked for, what was found, and every figure at first and at last."""
    terms, load = seen.terms, seen.samples
    asked = f"seed {terms.seed}, {terms.minutes:g} minutes, {terms.rate:g} accounts/s"
    rested = "never" if seen.rested is None else f"{seen.rested:.0f} s"
    processor = sum(sample.processor for sample in load[1:]) / max(1.0, load[-1].at - load[0].at)
    lines = [
        f"# Soak: {asked}",
        "",
        (
            f"{seen.fed} accounts brought, {len(seen.waited)} acted on, {seen.acts} acts of people, {len(seen.struck)} "
            f"faults; {len(load)} samples. At rest after the load: {rested}. {processor:.2f} cores were busy, servers "
            "included."
        ),
        "",
        *([f"- **{name}**: {what}" for name, what in found.items()] or ["Nothing was found."]),
        "",
        (
            f"First and last quarter, median and maximum, after {terms.warm_up:g} minutes; steepest: by the minute, "
            "of one process or of the whole."
        ),
        "",
        "| figure | lives | first quarter | last quarter | steepest |",
        "|---|---|---|---|---|",
        *[
            _row(f"{figure} of {role}" + _unit(figure), lives(seen, role, figure), of_role(seen, role, figure), seen)
            for figure in FIGURES
            for role in roles(seen)
        ],
        *[_row(name, [of_servers(seen, *what)], of_servers(seen, *what), seen) for name, what in SERVERS.items()],
        _row("an account's wait, s", [], seen.waited, seen),
        "",
        "| fault | minute | s | processes ended |",
        "|---|---|---|---|",
        *[f"| {each.fault} | {each.at / 60:.1f} | {each.lasts:.0f} | {_came_of(each)} |" for each in seen.struck],
        "",
        f"Answers of the web server: {_told(seen.answers)}.",
        "",
    ]
    return "\n".join(lines)


def _row(name: str, each: list[Points], together: Points, seen: Seen) -> str:
    warm_up = seen.terms.warm_up
    first, last = quarters(together, warm_up=warm_up)
    if not first or not last:
        return f"| {name} | {len(each)} | none | none | |"
    warm = [[point for point in life if point[0] >= life[0][0] + warm_up] for life in each if life]
    steepest = max((steady(life) for life in warm if len(life) > 7), default=None)
    return f"| {name} | {len(each) or ''} | {_both(first)} | {_both(last)} | {_number(steepest)} |"


def _both(figures: list[float]) -> str:
    return f"{median(figures):.4g}, {max(figures):.4g}"


def _number(figure: float | None) -> str:
    return "" if figure is None else f"{figure:+.3f}"


def _unit(figure: str) -> str:
    return ", MB" if figure == "memory" else ""


def _came_of(strike: Strike) -> str:
    return f"without effect: {strike.not_struck}" if strike.not_struck else _told(Counter(strike.ended)) or "none"


def _told(counted: dict[str, int]) -> str:
    return ", ".join(f"{name}: {number}" for name, number in sorted(counted.items()))
