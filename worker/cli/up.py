"""`retention up`: everything on one machine, until Ctrl-C."""

import os
import signal
import sys
from pathlib import Path
from time import sleep
from typing import NoReturn

import click
from sqlalchemy import select

from models import Account
from models.errors import InvalidConfiguration, Unavailable
from tasks.transaction import transaction
from worker.answers.sweeps import Sweep, read_sweeps
from worker.cli.options import as_json
from worker.cli.output import error_console, print_json
from worker.cli.progress import SweepProgress
from worker.cli.seed import populate
from worker.cli.serve import require_web
from worker.database import migrate
from worker.deployment import Deployment, deployment
from worker.servers import locate
from worker.supervisor import Supervisor

LOOK_SECONDS = 1.0
SHOWN_SWEEPS = 50

LOOK_FURTHER = """
The dashboard: {dashboard}

Look further, from another terminal:
  retention status            what is due, how late, who is at work
  retention sweeps            what ran
  retention log list          which account, when, and why it was due
  retention explain ID        why an account was, or was not, touched
  retention run purge --wait --actor YOU --reason WHY
Ctrl-C stops everything; the data stays under {var}.
"""


@click.command(epilog="Example: retention up --seed 20000")
@click.option("--seed", "accounts", type=click.IntRange(1), help="First fill an empty database with so many accounts.")
@as_json
def command(*, accounts: int | None, as_json: bool) -> None:
    """Run everything on one machine: embedded servers where no URL is set, schema, worker, beat and web.

    With --json, what its sweeps did is printed when it is stopped.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may have started us with Ctrl-C ignored
        signal.signal(number, _interrupt)
    require_web()
    here = deployment(any_schema=True)
    _require_servable(here)
    say = error_console().print
    before, head = migrate(here.engine)
    if before != head:
        say(f"the schema is at {head}")
    if accounts is not None:
        _seed_if_empty(here, accounts)
    _make_directory(here.settings.var_directory)
    newest = read_sweeps(here, limit=1)
    after = newest[0]["id"] if newest else 0
    try:
        with Supervisor(_commands(here), logs=here.settings.var_directory, say=say) as supervisor:
            say("worker, beat and web run; beat dispatches at the next full minute")
            say(LOOK_FURTHER.format(var=here.settings.var_directory, dashboard=_dashboard(here)))
            _follow(here, supervisor, after)
    except KeyboardInterrupt:
        if as_json:
            print_json({"sweeps": _later_than(after, here)})
        say("stopped")


def _require_servable(here: Deployment) -> None:
    """Refuse at once where the web server cannot start, instead of starting it again and again."""
    from worker.web.server import listen, site_of, tokens_of

    site = site_of(here)
    tokens_of(here, site)
    listen(site).close()


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidConfiguration(
            f"cannot make {directory} for logs: {error.strerror}; set RETENTION_VAR_DIRECTORY to another place"
        ) from None


def _later_than(after: int, here: Deployment) -> list[Sweep]:
    return [each for each in read_sweeps(here, limit=SHOWN_SWEEPS) if each["id"] > after]


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _seed_if_empty(here: Deployment, accounts: int) -> None:
    with transaction(here.engine) as connection:
        filled = connection.scalar(select(Account.id).limit(1)) is not None
    if filled:
        error_console().print("the database holds accounts already; nothing is seeded")
        return
    rows, seconds = populate(here, accounts=accounts, number=0, append=False)
    error_console().print(f"seeded {accounts:,} accounts with {sum(rows.values()):,} rows in {seconds:,.1f} s")


def _commands(here: Deployment) -> dict[str, list[str]]:
    celery = [sys.executable, "-m", "celery", "-A", "worker"]
    # One process more than drains, so that dispatching never waits for a batch.
    worker = ["worker", f"--concurrency={here.settings.drains + 1}", f"--hostname=up-{os.getpid()}@%h"]
    web = [sys.executable, "-m", "worker", "serve"]
    return {"worker": [*celery, *worker], "beat": [*celery, "beat"], "web": web}


def _dashboard(here: Deployment) -> str:
    chosen = here.settings
    if chosen.web_url is None and chosen.web_port == 0:
        return f"where {chosen.var_directory / 'web.log'} says"
    return chosen.web_url or f"http://{chosen.web_host}:{chosen.web_port}/"


def _follow(here: Deployment, supervisor: Supervisor, after: int) -> NoReturn:
    """Show what sweeps do, until interrupted; keep everything running meanwhile."""
    with SweepProgress(here) as progress:
        while True:
            supervisor.revive()
            try:
                locate(here.settings)  # an embedded server that was killed is started again
                progress.show(_later_than(after, here))
            except Unavailable as error:
                error_console().print(f"retention: {error}; trying again")
            sleep(LOOK_SECONDS)
