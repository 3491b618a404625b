"""What strikes both beats and the web server, or one of the beats."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from processes import Process, until

from chaos.faults.fault import KILLED, STOPPED, fault, struck
from chaos.faults.workers import all_of, frozen

if TYPE_CHECKING:
    from chaos.deployment import Deployment

__all__ = ["FAULTS"]


@fault(may_end={"beat": {KILLED}, "web": {KILLED}})
def beat_and_web_killed(it: "Deployment") -> Iterator[None]:
    """Both beats and the web server get SIGKILL."""
    processes = _both(it)
    for process in processes:
        process.kill()
    struck(lambda: all(process.poll() == KILLED for process in processes), "beats and web are killed")
    yield


@fault(may_end={"beat": {STOPPED}, "web": {STOPPED}})
def beat_and_web_told_to_stop(it: "Deployment") -> Iterator[None]:
    """Both beats and the web server get SIGTERM."""
    told = _both(it)
    for process in told:
        process.terminate()
    yield
    until(lambda: all(process.poll() is not None for process in told), "beats and web end that were told to", 60)


@fault()
def beat_and_web_frozen(it: "Deployment") -> Iterator[None]:
    """Both beats and the web server get SIGSTOP, and SIGCONT at the end."""
    yield from frozen([each for process in _both(it) for each in all_of(process.pid)])


@fault(may_end={"beat": {KILLED}})
def one_beat_killed(it: "Deployment") -> Iterator[None]:
    """One of the beats gets SIGKILL; the other ticks on."""
    its = it.beats[0]
    its.kill()
    struck(lambda: its.poll() == KILLED, "the beat is killed")
    yield


FAULTS = (beat_and_web_killed, beat_and_web_told_to_stop, beat_and_web_frozen, one_beat_killed)


def _both(it: "Deployment") -> list[Process]:
    return [*it.beats, it.web]
