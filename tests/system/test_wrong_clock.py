"""A worker whose clock is years ahead deletes nothing, says why, and goes on by itself when the clock is right.

Its clock is put forward in the worker's own process, as described in `wrong_clock/sitecustomize.py`; where Debian's
libfaketime is installed, which a test must not depend on, also by that, for every call into the C library.
"""

import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from builders import an_account, dependents, everything_owned
from processes import until
from sqlalchemy import text

AHEAD = timedelta(days=6 * 365)
WAYS = {
    "in Python": {
        "PYTHONPATH": str(Path(__file__).parents[1] / "wrong_clock"),
        "CLOCK_SHIFT_SECONDS": str(int(AHEAD.total_seconds())),
    }
}
for library in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"):
    WAYS["libfaketime"] = {"LD_PRELOAD": str(library), "FAKETIME": f"+{int(AHEAD.total_seconds())}s"}


def a_minute_later(stack, engine):
    """Let sweeps be judged anew as each minute does; returns how they stand."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE sweeps SET heard_at = now() - interval '1 hour'"))
    assert stack.start("celery", "-A", "worker", "call", "retention.recover", log="call").wait() == 0
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT status FROM sweeps")))


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_six_years_ahead_deletes_nothing_and_the_sweep_goes_on_when_a_right_one_takes_over(stack, engine, way):
    with engine.begin() as connection:
        now = connection.scalar(text("SELECT now()"))
        due = an_account(connection, status="invalid", invalidated_at=now - timedelta(days=3000))
        # Within six years these are due; today they are not.
        for account_id in (
            an_account(connection, status="invalid", invalidated_at=now - timedelta(days=30)),
            an_account(connection, state="withdrawn", withdrawn_at=now - timedelta(days=3)),
        ):
            dependents(connection, account_id)
        before = everything_owned(connection)

    wrong = stack.worker("wrong", **WAYS[way])
    # As beat and command line on the same machine send them; to that worker those of a right clock have expired.
    for policy in ("purge", "counter_only"):
        asked = ("--actor", "test", "--reason", "test", "--json")
        held = stack.retention("run", policy, "--wait", *asked, **WAYS[way])
        assert held.code == 3, held.err
        ((stop),) = held.json["sweeps"][0]["held_for"]
        assert (stop["gate"], stop["numbers"]["clock"]) == ("clock", "this worker")
        assert abs(stop["numbers"]["seconds"] - AHEAD.total_seconds()) < 3600
    call = ("celery", "-A", "worker", "call", "retention.dispatch")
    assert stack.start(*call, log="call", **WAYS[way]).wait() == 0
    log = stack.directory / "wrong.log"
    until(lambda: log.read_bytes().count(b"sweep.held") >= 4, "the ticks' sweeps are held, too")
    assert b"clock.distrusted" in log.read_bytes()
    with engine.connect() as connection:
        assert everything_owned(connection) == before
        assert connection.scalar(text("SELECT count(*) FROM actions")) == 0
        latest = connection.scalar(text("SELECT max(as_of) FROM sweeps"))
        assert latest - now < timedelta(hours=1), "a sweep's instant is the database's, whatever the worker thinks"

    os.killpg(wrong.pid, signal.SIGKILL)
    wrong.wait()
    stack.worker("right")
    until(lambda: a_minute_later(stack, engine) == {"done"}, "all have freed themselves")
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT account_id FROM actions")).all() == [due]
        freed = connection.scalars(text("SELECT actor FROM decisions WHERE kind = 'freed'")).all()
    assert freed == ["worker"] * 4
    assert (stack.directory / "right.log").read_bytes().count(b"sweep.freed") == 4
