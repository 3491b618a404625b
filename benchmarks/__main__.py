"""`python -m benchmarks [--smoke] [--only PART]`: one run, one report in Markdown and JSON in benchmarks/results/."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import text

from benchmarks import report
from benchmarks.gentle import gentle
from benchmarks.guessing import guessing
from benchmarks.latency import first_action, pages, seeding
from benchmarks.measures import Bench, batch_sizes, drains, memory, throughput
from benchmarks.partitioned import partitioned
from benchmarks.scanning import scan
from benchmarks.sizes import FULL, SMOKE, Size
from benchmarks.verification import verification
from worker import embedded
from worker.database import connect
from worker.settings import Settings

RESULTS = Path(__file__).parent / "results"
PARTS: dict[str, Callable[[Bench, Size], None]] = {
    "throughput": throughput,
    "batches": batch_sizes,
    "drains": drains,
    "scan": lambda bench, size: scan(bench, size, Settings().policies),
    "gentle": lambda bench, size: gentle(
        bench, accounts=size.gentle_slice, seconds=size.gentle_seconds, rounds=size.rounds
    ),
    "seeding": lambda bench, size: seeding(bench, size.seeded, size.rounds),
    "latency": lambda bench, size: first_action(bench, size.latency_accounts, size.rounds),
    "pages": lambda bench, size: pages(bench, size.pages),
    "memory": memory,
    "partitioned": lambda bench, size: partitioned(
        bench, whole=size.batch_slice, thin=size.thin_slice, rounds=min(size.rounds, 3)
    ),
    "guessing": lambda bench, size: guessing(bench, size.guesses, Settings().policies),
    "verification": lambda bench, size: verification(bench, size.log_actions, min(size.rounds, 3)),
}
SHOWN = ("shared_buffers", "fsync", "wal_compression")
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
        try:
            bench = Bench(given or str(servers.database_url), str(servers.broker_url), Path(var), _say)
            for part in asked.only or PARTS:
                PARTS[part](bench, size)
            about = _about(bench) | {
                "slices": _slices(size),
                "command": " ".join(["make bench", *_options(asked.only)]),
            }
        finally:
            # Before their directory goes, or they would run on without one.
            embedded.release()
    compared = report.compare(bench.raw, size)
    written = report.write(bench.raw, compared, about)
    picture = report.draw(bench.raw, size)
    print(written)
    if not asked.smoke:
        stem = RESULTS / "-".join([f"{datetime.now(UTC):%Y-%m-%d}", *(asked.only or [])])
        stem.with_suffix(".md").write_text(written)
        kept = {"about": about, "compared": [each._asdict() for each in compared], "raw": bench.raw}
        stem.with_suffix(".json").write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n")
        if picture:
            stem.with_suffix(".svg").write_text(picture)


def _options(parts: list[str] | None) -> list[str]:
    return [f'BENCH="{" ".join(f"--only {part}" for part in parts)}"'] if parts else []


def _slices(size: Size) -> str:
    return (
        f"{size.purge_slice:,} accounts to purge, by Django {size.django_slice:,} or what it takes at a time if more,"
        f" by the ORM {size.orm_slice:,}; {size.thin_slice:,} to close"
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _about(bench: Bench) -> dict[str, str]:
    engine = connect(bench.database_url, pooled=False)
    with engine.connect() as connection:
        server = [connection.scalar(text("SHOW server_version"))]
        server += [f"{name} {connection.scalar(text(f'SHOW {name}'))}" for name in SHOWN]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=RESULTS, capture_output=True, text=True, check=False
    )
    return {
        "revision": described.stdout.strip() or "not from a checkout",
        "machine": f"{os.cpu_count()} cores, {memory_bytes / 2**30:.0f} GiB, {platform.machine()}, {platform.system()}",
        "processor": _processor(),
        "python": platform.python_version(),
        "postgresql": ", ".join(server),
        **{name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    """Return its model, where the kernel knows one: on some machines, as on ARM, it does not."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "not named by the kernel")


if __name__ == "__main__":
    main()
