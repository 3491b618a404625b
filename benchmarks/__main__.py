"""`python -m benchmarks [--smoke] [--only PART]`: one run, one report in Markdown and JSON in benchmarks/results/."""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from sqlalchemy import text

from benchmarks.gentle import ALONE, MODES, gentle, p99
from benchmarks.guessing import DOES_NOT, EXISTS, guessing
from benchmarks.measures import Bench, Size, batch_sizes, drains, memory, scan, throughput
from benchmarks.verification import figure, verification
from worker import embedded
from worker.database import connect
from worker.settings import Settings

RESULTS = Path(__file__).parent / "results"
FULL = Size(
    rounds=5,
    purge_slice=20_000,
    django_slice=4_000,
    orm_slice=150,
    batch_slice=10_000,
    batches=(100, 300, 1_000, 3_000, 10_000),
    drains=(1, 2, 4, 8),
    thin_slice=40_000,
    idle=(10_000, 100_000, 1_000_000),
    memory_slices=(2_000, 200_000),
    guesses=100,
    log_actions=1_000_000,
    gentle_slice=25_000,
    gentle_seconds=20,
)
SMOKE = Size(
    rounds=1,
    purge_slice=100,
    django_slice=20,
    orm_slice=10,
    batch_slice=50,
    batches=(10, 50),
    drains=(1, 2),
    thin_slice=500,
    idle=(1_000, 5_000),
    memory_slices=(200, 2_000),
    guesses=5,
    log_actions=2_000,
    gentle_slice=100,
    gentle_seconds=1,
)
PARTS: dict[str, Callable[[Bench, Size], None]] = {
    "throughput": throughput,
    "batches": batch_sizes,
    "drains": drains,
    "scan": lambda bench, size: scan(bench, size, Settings().policies),
    "gentle": lambda bench, size: gentle(
        bench, accounts=size.gentle_slice, seconds=size.gentle_seconds, rounds=min(size.rounds, 3)
    ),
    "memory": memory,
    "guessing": lambda bench, size: guessing(bench, size.guesses, Settings().policies),
    "verification": lambda bench, size: verification(bench, size.log_actions, min(size.rounds, 3)),
}
TO_SQL = {
    "without celery": "its statements without Celery",
    "raw": "the raw loop",
    "at once": "one statement for all",
}
TO_ORMS = {"django": "Django, 500 at a time", "orm": "the ORM one by one"}
COMPARED = [
    *[("purge", variant, what) for variant, what in (*TO_SQL.items(), *TO_ORMS.items())],
    *[("counter_only", variant, what) for variant, what in TO_SQL.items()],
]
PACKAGES = ("celery", "kombu", "SQLAlchemy", "psycopg", "redis", "django")


def main() -> None:
    """Measure, and write the report; a smoke run only shows that measuring works."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small, in a minute, without a report")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="measure this part; may be repeated")
    asked = parser.parse_args()
    size = SMOKE if asked.smoke else FULL
    with tempfile.TemporaryDirectory() as var:
        given = os.environ.get("BENCH_DATABASE_URL")
        servers = embedded.ensure(Path(var), database=given is None, broker=True)
        bench = Bench(given or str(servers.database_url), str(servers.broker_url), Path(var), _say)
        for part in asked.only or PARTS:
            PARTS[part](bench, size)
        about = _about(bench) | {"command": " ".join(["make bench", *_options(asked.only)])}
        embedded.release()
    report = _report(bench.raw, size, about)
    print(report)
    if not asked.smoke:
        stem = RESULTS / "-".join([f"{datetime.now(UTC):%Y-%m-%d}", *(asked.only or [])])
        stem.with_suffix(".md").write_text(report)
        raw = {"about": about, "raw": bench.raw}
        stem.with_suffix(".json").write_text(json.dumps(raw, ensure_ascii=False, indent=1) + "\n")


def _options(parts: list[str] | None) -> list[str]:
    return [f'BENCH="{" ".join(f"--only {part}" for part in parts)}"'] if parts else []


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _about(bench: Bench) -> dict[str, str]:
    engine = connect(bench.database_url, pooled=False)
    with engine.connect() as connection:
        shown = {
            name: connection.scalar(text(f"SHOW {name}")) for name in ("server_version", "shared_buffers", "fsync")
        }
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "machine": f"{os.cpu_count()} cores, {memory_bytes / 2**30:.0f} GiB, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "postgresql": f"{shown['server_version']}, shared_buffers {shown['shared_buffers']}, fsync {shown['fsync']}",
        **{name: version(name) for name in PACKAGES},
    }


def _report(raw: dict[str, list[float]], size: Size, about: dict[str, str]) -> str:
    few, many = size.memory_slices
    least, most = size.idle[0], size.idle[-1]
    ratios = [
        (f"{policy}: full Celery path to {what}", f"{policy} celery accounts/s", f"{policy} {variant} accounts/s")
        for policy, variant, what in COMPARED
    ]
    ratios += [
        (
            f"purge: nothing due, {most:,} to {least:,} accounts",
            f"purge scan of {most} ms",
            f"purge scan of {least} ms",
        ),
        (
            f"counter-only: nothing due, {most:,} to {least:,} accounts",
            f"counter_only scan of {most} ms",
            f"counter_only scan of {least} ms",
        ),
        *[(f"p99 of an application {mode}, to alone", p99(mode), p99(ALONE)) for mode in MODES],
        ("wrong password: address exists to address does not", EXISTS, DOES_NOT),
        (f"memory: {many:,} due to {few:,}", f"memory with {many} due MiB", f"memory with {few} due MiB"),
        (
            f"verification of {size.log_actions:,} actions: two processes to one, actions/s",
            figure(size.log_actions, 2),
            figure(size.log_actions, 1),
        ),
    ]
    lines = [f"# Measured on {datetime.now(UTC):%Y-%m-%d}", "", *(f"- {name}: {fact}" for name, fact in about.items())]
    lines += ["", "Medians of interleaved rounds, each on work of its own in one database.", ""]
    lines += ["| compared | ratio | this | to that |", "|---|---|---|---|"]
    for title, this, that in ratios:
        if this not in raw:
            continue
        ours, theirs = median(raw[this]), median(raw[that])
        lines.append(f"| {title} | {ours / theirs:.2f} | {ours:,.2f} | {theirs:,.2f} |")
    lines += ["", "| figure | rounds |", "|---|---|"]
    lines += [f"| {name} | {', '.join(f'{value:,.2f}' for value in values)} |" for name, values in raw.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
