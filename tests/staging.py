"""Everything that the page can show, at once: held and running sweeps, pauses, quarantine, anomalies, holds, a log."""

from datetime import UTC, datetime, timedelta

from builders import a_hold, an_account
from by_hand import ByHand
from sqlalchemy import Connection, Engine, text
from sweeping import closable, purgeable

__all__ = ["Stage", "set_stage"]

DAY = timedelta(days=1)
HELD_FOR = (
    '[{"gate": "ceiling", "detail": "203,418 accounts would be touched, and the ceiling as a share of all accounts '
    'allows 50,000; see whether their dates are right, then approve or reject", "needs_approval": true, '
    '"numbers": {"ceiling": "share", "allowed": 50000, "accounts": 203418}}]'
)
SWEEP = """
INSERT INTO sweeps (policy, tick, as_of, cutoff, actor, reason, status, due, accounts, batches, held_at, held_for,
                    planned, planned_digest, started_at, ended_at, failure)
VALUES (:policy, :tick, now(), now(), :actor, :reason, :status, :due, :accounts, 3, :held_at, :held_for,
        :planned, :digest, :started_at, :ended_at, :failure)
RETURNING id
"""
QUARANTINE = """
INSERT INTO quarantine (account_id, policy, attempts, failure, first_at, last_at, set_aside_at)
VALUES (:id, 'purge', 3, 'SQLSTATE 23503 in applications', now(), now(), now())
"""
BEAT = """
INSERT INTO heartbeats (source, at) VALUES (:source, :at)
ON CONFLICT (source) DO UPDATE SET at = EXCLUDED.at
"""


class Stage:
    """A deployment with something of everything; its numbers by what they are."""

    def __init__(self, engine: Engine, hand: ByHand) -> None:
        self.engine = engine
        self._hand = hand
        with engine.begin() as connection:
            done = [purgeable(connection) for _ in range(5)]
            for _ in range(3):
                closable(connection)
        hand.carry_out(hand.request("purge"))
        hand.carry_out(hand.request("counter_only"))
        self.purged = done[0]
        with engine.begin() as connection:
            self._people(connection)
            self._sweeps(connection)
        self.measure()

    def measure(self) -> None:
        """Let beat be heard and everything be counted now."""
        self._hand.do("dispatch")
        self._hand.do("measure")
        with self.engine.begin() as connection:
            for source in ("beat", "verify"):
                connection.execute(text(BEAT), {"source": source, "at": datetime.now(UTC)})

    def _people(self, connection: Connection) -> None:
        self.account = an_account(connection)
        self.kept = purgeable(connection)
        self.hold = a_hold(connection, self.kept)
        an_account(connection, status="invalid", invalidated_at=None)
        an_account(connection, state="withdrawn", withdrawn_at=None)
        self.aside = [purgeable(connection), purgeable(connection)]
        for number in self.aside:
            connection.execute(text(QUARANTINE), {"id": number})
        for days in (3, 5, 5, 20):
            an_account(connection, state="withdrawn", withdrawn_at=datetime.now(UTC) - (31 - days) * DAY)

    def _sweeps(self, connection: Connection) -> None:
        now = datetime.now(UTC)
        self.failed = self.sweep(
            connection, "purge", "failed", started_at=now - 2 * DAY, ended_at=now - 2 * DAY, failure="Unverified"
        )
        self.held = self.sweep(
            connection, "purge", "held", tick=now - DAY, held_at=now - DAY, held_for=HELD_FOR, planned=203_418
        )
        self.running = self.sweep(
            connection, "counter_only", "running", started_at=now - timedelta(seconds=40), due=50_000, accounts=12_345
        )

    def sweep(self, connection: Connection, policy: str, status: str, **how: object) -> int:
        """Insert a sweep; returns its number."""
        names = ["tick", "due", "held_at", "started_at", "ended_at", "failure", "planned"]
        values = dict.fromkeys(names) | {"accounts": 0, "held_for": "[]", "actor": "beat", "reason": "cron 30 0 * * *"}
        values |= {"policy": policy, "status": status} | how
        values["digest"] = bytes(32) if values["planned"] is not None else None
        return connection.execute(text(SWEEP), values).scalar_one()


def set_stage(engine: Engine, hand: ByHand) -> Stage:
    """Set a stage."""
    return Stage(engine, hand)
