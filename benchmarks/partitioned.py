"""Partitions: what they cost a sweep, by the worker's own statements in two databases that differ in nothing else."""

from contextlib import ExitStack
from functools import partial
from time import perf_counter

from benchmarks.measures import Bench, fill_slices, measure
from benchmarks.populations import cutoff_of, fill_thin, settle
from benchmarks.variants import without_celery
from models import PolicyName
from worker.database import partition
from worker.settings import Settings

__all__ = ["ORDINARY", "PARTITIONED", "PARTITIONS", "partitioned"]

PARTITIONS = 16
ORDINARY, PARTITIONED = "in one table each", f"in {PARTITIONS} partitions each"


def partitioned(bench: Bench, *, whole: int, thin: int, rounds: int) -> None:
    """Purge and close slices in turns in both databases, without Celery; `whole` and `thin` accounts at a time."""
    policies = Settings().policies
    for policy, accounts in ((PolicyName.PURGE, whole), (PolicyName.COUNTER_ONLY, thin)):
        with ExitStack() as made:
            engines = {name: made.enter_context(bench.database())[1] for name in (ORDINARY, PARTITIONED)}
            for engine in engines.values():
                if policy is PolicyName.PURGE:
                    fill_slices(bench, engine, [accounts] * rounds)
                else:
                    fill_thin(engine, [accounts] * rounds)
            began = perf_counter()
            partition(engines[PARTITIONED], PARTITIONS)
            if policy is PolicyName.PURGE:
                bench.note("partitioning accounts/s", accounts * rounds * 1.1 / (perf_counter() - began))
            settle(engines[PARTITIONED])
            for number in range(rounds):
                for name in (ORDINARY, PARTITIONED) if number % 2 == 0 else (PARTITIONED, ORDINARY):
                    way = partial(without_celery, engines[name], policies, policy)
                    measure(bench, engines[name], f"{policy} {name}", way, cutoff_of(number))
