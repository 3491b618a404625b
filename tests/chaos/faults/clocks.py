"""What strikes clocks: they are stepped, forth or back, by hours or years, and put right again at the end."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from chaos.faults.fault import Clocks, Fault, fault, struck

if TYPE_CHECKING:
    from chaos.deployment import Deployment

__all__ = ["FAULTS"]

HOURS, YEARS = timedelta(hours=7), timedelta(days=6 * 365)
# What a worker says that finds a clock wrong.
DISTRUSTED = b'"clock.distrusted"'


def _ours(name: str, by: timedelta) -> Fault:
    def does(it: "Deployment") -> Iterator[None]:
        before = it.workers_said(DISTRUSTED)
        it.step_clocks(by)
        try:
            yield
            struck(lambda: it.workers_said(DISTRUSTED) > before, "a worker has found its clock wrong")
        finally:
            it.step_clocks(timedelta())

    does.__name__ = name
    return fault(clocks=Clocks.OURS, loses_messages=True)(does)


def _of_the_database(name: str, by: timedelta) -> Fault:
    def does(it: "Deployment") -> Iterator[None]:
        before = it.workers_said(DISTRUSTED)
        it.servers.step_clock(by)
        try:
            yield
            struck(lambda: it.workers_said(DISTRUSTED) > before, "a worker has found the database's clock wrong")
        finally:
            it.servers.step_clock(timedelta())

    does.__name__ = name
    return fault(clocks=Clocks.DATABASE)(does)


FAULTS = tuple(
    make(f"{whose}_{by}_{way}", sign * step)
    for make, whose in ((_ours, "clocks"), (_of_the_database, "database_clock"))
    for by, step in (("hours", HOURS), ("years", YEARS))
    for way, sign in (("forth", 1), ("back", -1))
)
