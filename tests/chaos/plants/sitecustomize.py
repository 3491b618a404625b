"""Mistakes that the campaign has to see: the one that CHAOS_PLANT names is made in each process that starts here.

Where each shows, and as what, is said in `chaos/planting.py`.
"""

import datetime as dt
import os
import runpy
import signal
from collections import Counter
from pathlib import Path

if "CHAOS_STEPPED" in os.environ:  # of two such files only the first is taken
    runpy.run_path(str(Path(__file__).parents[2] / "wrong_clock" / "sitecustomize.py"))

import celery.apps.beat
import celery.apps.worker

import celeryconfig
import tasks.batch
import tasks.dispatch
import tasks.drain
import tasks.erase_files
import tasks.gates
import tasks.recover
import tasks.resolve
import tasks.sweep
import worker.process
from models.errors import Unavailable
from tasks import events
from tasks.rules.storage_key import path_under
from tasks.statements.files import claim_files, forget_files
from tasks.statements.sweeps import end_sweep


def torn():
    """A batch is not one transaction: what it did is committed before it is counted and chained."""
    seal = tasks.batch.seal

    def sealing(connection, *acted, **how):
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("BEGIN")
        return seal(connection, *acted, **how)

    tasks.batch.seal = sealing


def deaf():
    """A worker does not hear that it is to stop."""
    celery.apps.worker.install_worker_term_handler = lambda *_, **__: signal.signal(signal.SIGTERM, signal.SIG_IGN)


def stale():
    """A beat leaves a file behind when it is killed, and takes that for another beat when it starts."""
    run = celery.apps.beat.Beat.run

    def running(self):
        directory = Path(os.environ["CLOCK_SHIFT_FILE"]).parent
        if len(list(directory.glob("*.pid"))) == 2:
            raise SystemExit(73)
        mine = directory / f"{os.getpid()}.pid"
        mine.touch()
        try:
            run(self)
        finally:
            mine.unlink()

    celery.apps.beat.Beat.run = running


def fragile():
    """A worker ends when the broker does."""
    celeryconfig.broker_connection_retry = False


def unwoken():
    """Nobody wakes a sweep whose messages were lost."""
    tasks.recover.send_drains = lambda *_: None


def hasty():
    """A drain that finds another on its lane takes the sweep for done."""
    run = tasks.drain.run_batch

    def running(engine, *about, sweep_id, **how):
        batch = run(engine, *about, sweep_id=sweep_id, **how)
        if batch is None:
            _end(engine, sweep_id)
        return batch

    tasks.drain.run_batch = running


def unreadable():
    """A worker takes whatever is in the queue for a message."""
    worker.process.take_only_ours = lambda: None


def guessed():
    """A batch whose commit was not answered is taken for committed."""

    def guess(_, *, receipt_id, **where):
        tasks.resolve.log.warning(events.BATCH_RESOLVED, receipt=receipt_id, committed=True, **where)

    tasks.drain.resolve_batch = guess


def impatient():
    """A sweep fails at the first error, though it be a passing one."""
    tasks.drain.MOST_ATTEMPTS = 1
    tasks.drain._react = lambda task, sweep, _, error: tasks.drain._count_attempt(task, sweep.id, type(error).__name__)


def swallowed():
    """A drain that meets an error of the database says nothing, and the sweep is called done."""
    run = tasks.drain._run_batches

    def running(task, sweep, *about):
        try:
            return run(task, sweep, *about)
        except Unavailable:
            _end(task.runtime.engine, sweep.id)
            return False

    tasks.drain._run_batches = running


def believed():
    """A worker believes its own clock, and asks no other."""
    blind()
    tasks.dispatch.trust_clock = lambda _: dt.datetime.now(dt.UTC)
    tasks.sweep.comes_from_the_future = lambda *_: False


def blind():
    """No clock is compared with another."""
    tasks.gates.clock_stops = lambda *_, **__: []


def forgotten():
    """A file's key is forgotten before the file is erased."""

    def erasing(engine, url, *, lane=0):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            files = connection.execute(claim_files(), {"most": tasks.erase_files.PORTION_FILES}).all()
            if files:
                connection.execute(forget_files(each.id for each in files))
        paths = {each.id: path_under(each.storage_key, url) for each in files}
        return Counter(tasks.erase_files._erase(url, paths).values())

    tasks.erase_files.erase_portion = erasing


def _end(engine, sweep_id):
    with engine.begin() as connection:
        connection.execute(end_sweep(sweep_id))


globals()[os.environ["CHAOS_PLANT"]]()
