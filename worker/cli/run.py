"""`retention run`: trigger a sweep by hand, through Celery."""

from collections.abc import Iterator
from time import monotonic, sleep

import click

from models import PolicyName, SweepStatus
from models.errors import Unavailable
from tasks.base import MINUTELY, RetentionApp
from tasks.drain import send_drains
from tasks.finish import UNVERIFIED
from tasks.run import ALL
from tasks.sweep import sweep
from worker.acts import Acts
from worker.answers.sweeps import Sweep, read_sweeps
from worker.app import create_client
from worker.broker import publishing, workers
from worker.cli.options import actor_and_reason, as_json
from worker.cli.output import error_console, print_json, show
from worker.cli.progress import SweepProgress
from worker.cli.sweeps import held_lines, sweep_table
from worker.deployment import Deployment, deployment

POLL_SECONDS = 0.3
# Longer than a batch takes, and short enough for a script that forgot to start a worker.
QUIET_SECONDS = 60
EXITS = {SweepStatus.FAILED: 1, SweepStatus.HELD: 3, SweepStatus.REJECTED: 3}


@click.command(epilog='Example: retention run purge --wait --actor mori --reason "after the import of 1 May"')
@click.argument("policy", metavar="POLICY", type=click.Choice([*(name.value for name in PolicyName), ALL]))
@click.option("--wait", is_flag=True, help="Show progress and return when the sweep has ended.")
@actor_and_reason
@as_json
def command(*, policy: str, wait: bool, actor: str, reason: str, as_json: bool) -> int:
    """Trigger a sweep of POLICY as of now; a worker carries it out.

    With --wait, returns when it has ended or is held by a gate (exit 3).
    """
    here = deployment()
    app = create_client(here.settings, here.addresses)
    ids = [each["id"] for each in Acts(here, app, actor).run(policy, reason)]
    if wait:
        _wait(app, here, ids)
    sweeps = read_sweeps(here, ids=ids)
    if as_json:
        print_json({"sweeps": sweeps})
    else:
        show(sweep_table(None, sweeps), *held_lines(sweeps))
        if not wait:
            show("", "A worker takes it from here; look with `retention sweeps`.")
    return max(map(_exit_code, sweeps))


def _exit_code(sweep: Sweep) -> int:
    """Return 6 for a sweep that a verification failed, which is no fault of the program."""
    is_unverified = sweep["status"] == SweepStatus.FAILED and (sweep["failure"] or "").startswith(UNVERIFIED)
    return 6 if is_unverified else EXITS.get(SweepStatus(sweep["status"]), 0)


def _wait(app: RetentionApp, here: Deployment, ids: list[int]) -> None:
    if not workers(app):
        error_console().print("no worker answers yet; start one with `retention up` or `celery -A worker worker`")
    with SweepProgress(here) as progress:
        for sweeps in _polled(app, here, ids):
            progress.show(sweeps)


def _polled(app: RetentionApp, here: Deployment, ids: list[int]) -> Iterator[list[Sweep]]:
    """Yield the sweeps' state again and again, the last time when all have ended.

    Raises:
        Unavailable: nothing has moved for a while, and no worker is there.
    """
    last, patience_ends = None, 0.0
    while True:
        sweeps = read_sweeps(here, ids=ids)
        yield sweeps
        if all(each["ended_at"] or each["status"] == SweepStatus.HELD for each in sweeps):
            return
        if sweeps != last:
            last, patience_ends = sweeps, monotonic() + QUIET_SECONDS
        elif monotonic() > patience_ends:
            _wake(app, sweeps)
            patience_ends = monotonic() + QUIET_SECONDS
        sleep(POLL_SECONDS)


def _wake(app: RetentionApp, sweeps: list[Sweep]) -> None:
    """Send the sweeps' messages once more; whoever asks is told when nobody is there to hear them."""
    unended = [each for each in sweeps if not each["ended_at"]]
    if not workers(app):
        raise Unavailable(
            f"no worker is there; sweep {unended[0]['id']} stays {unended[0]['status']} until one comes: "
            "start it with `retention up` or `celery -A worker worker`"
        )
    with publishing(app):
        for each in unended:
            if each["status"] == SweepStatus.QUEUED:
                sweep.apply_async((each["id"],), **MINUTELY)
            else:
                send_drains(each["id"], app.runtime.drains)
