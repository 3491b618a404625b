"""What strikes all workers, or only the processes in which they run tasks, or only the one that has the batch."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING

import psutil
from own_servers import is_gone
from processes import until

from chaos.faults.fault import KILLED, STOPPED, NotStruckError, fault, struck
from chaos.gate import Point

if TYPE_CHECKING:
    from chaos.deployment import Deployment

__all__ = ["FAULTS", "all_of", "frozen"]

# A batch may take 15 s to end, and Celery ends after that.
STOPPING_SECONDS = 60
# Longer than a transaction of a batch may rest, so that PostgreSQL gives it up.
LONG_SECONDS = 13
# Whose transactions may rest for longer than that.
OF_A_SWEEP = (Point.TICK, Point.START, Point.END, Point.ERASED)


@fault(may_end={"worker": {KILLED}})
def worker_killed(it: "Deployment") -> Iterator[None]:
    """All processes of every worker get SIGKILL, the one with the batch among them."""
    for worker in it.workers:
        os.killpg(worker.pid, signal.SIGKILL)
    struck(lambda: all(worker.poll() == KILLED for worker in it.workers), "the workers are killed")
    yield


@fault(may_end={"worker": {KILLED}})
def worker_parent_killed(it: "Deployment") -> Iterator[None]:
    """The first process of every worker gets SIGKILL; its children, which nobody tells, have to end by themselves."""
    children = _children(it)
    for worker in it.workers:
        worker.kill()
    struck(lambda: all(worker.poll() == KILLED for worker in it.workers), "the workers' parents are killed")
    yield
    until(lambda: all(is_gone(child) for child in children), "orphans end", STOPPING_SECONDS)


@fault(may_end={"worker": {KILLED}}, of_a_batch=True)
def one_worker_killed(it: "Deployment") -> Iterator[None]:
    """All processes of the worker whose batch came there last get SIGKILL; the other workers go on."""
    (its,) = [worker for worker in it.workers if worker.pid == _with_the_batch(it).ppid()]
    os.killpg(its.pid, signal.SIGKILL)
    struck(lambda: its.poll() == KILLED, "the worker is killed")
    yield


@fault(of_a_batch=True, not_at=OF_A_SWEEP)
def one_child_frozen_for_long(it: "Deployment") -> Iterator[None]:
    """The process whose batch came there last gets SIGSTOP for longer than its transaction may rest, then SIGCONT."""
    began = monotonic()
    with contextmanager(frozen)([_with_the_batch(it)]):
        yield
        sleep(max(0.0, began + LONG_SECONDS - monotonic()))


@fault()
def worker_child_killed(it: "Deployment") -> Iterator[None]:
    """The processes that run tasks get SIGKILL; their parents live."""
    yield from _end_children(it, signal.SIGKILL)


@fault()
def worker_child_told_to_stop(it: "Deployment") -> Iterator[None]:
    """The processes that run tasks get SIGTERM, which only their parents should."""
    yield from _end_children(it, signal.SIGTERM)


@fault(may_end={"worker": {STOPPED}})
def worker_told_to_stop(it: "Deployment") -> Iterator[None]:
    """Workers get SIGTERM, as in a rolling deployment."""
    told = list(it.workers)
    for worker in told:
        worker.terminate()
    yield
    until(
        lambda: all(worker.poll() is not None for worker in told),
        "workers that were told to stop end",
        STOPPING_SECONDS,
    )


@fault()
def worker_frozen(it: "Deployment") -> Iterator[None]:
    """All processes of every worker get SIGSTOP, and SIGCONT at the end."""
    yield from frozen([each for worker in it.workers for each in all_of(worker.pid)])


@fault()
def worker_child_frozen(it: "Deployment") -> Iterator[None]:
    """The processes that run tasks get SIGSTOP, and SIGCONT at the end; their parents go on."""
    yield from frozen(_children(it))


FAULTS = (
    worker_killed,
    worker_told_to_stop,
    worker_frozen,
    worker_child_killed,
    worker_child_told_to_stop,
    worker_child_frozen,
    worker_parent_killed,
    one_worker_killed,
    one_child_frozen_for_long,
)


def all_of(pid: int) -> list[psutil.Process]:
    """Return a process and its children."""
    parent = psutil.Process(pid)
    return [parent, *parent.children()]


def frozen(processes: Sequence[psutil.Process]) -> Iterator[None]:
    """Let processes stand still until the fault is over."""
    try:
        for process in processes:
            process.suspend()
        struck(lambda: all(each.status() == psutil.STATUS_STOPPED for each in processes), "they stand still")
        yield
    finally:
        for process in processes:
            process.resume()


def _children(it: "Deployment") -> list[psutil.Process]:
    found = [child for worker in it.workers for child in psutil.Process(worker.pid).children()]
    if not found:
        raise NotStruckError("no worker has a child")
    return found


def _with_the_batch(it: "Deployment") -> psutil.Process:
    return psutil.Process(it.gate.process)


def _end_children(it: "Deployment", number: int) -> Iterator[None]:
    children = _children(it)
    for child in children:
        child.send_signal(number)
    struck(lambda: all(is_gone(child) for child in children), "the workers' children have ended")
    yield
