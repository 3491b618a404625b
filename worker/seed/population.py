"""Chunks of a made-up population, as blocks of text for COPY; the same seed gives the same blocks."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Self
from zoneinfo import ZoneInfo

from models import State
from worker.seed.dates import AGE_DAYS, Dates, Life, boundaries, life
from worker.seed.words import DOCUMENTS, LOCATIONS, OCCUPATIONS, SUBJECTS, USER_AGENTS, letters

__all__ = ["CHUNK_ACCOUNTS", "COLUMNS", "MESSAGES_A_CHUNK", "Chunk", "blocks"]

CHUNK_ACCOUNTS = 500
# Messages are numbered by us, because attachments name them; each chunk has this many numbers for itself.
MESSAGES_A_CHUNK = 200_000
POOL = 2_000
STRIDE = 101
AGE = timedelta(days=AGE_DAYS)
# The edges of the law reach back to the leap year before the last five: further than the population's years.
OLDEST = AGE + timedelta(days=2 * 366)
NULL = r"\N"
# Right in form and length, and of no password that anybody knows.
HASH_OF_NOTHING = "$argon2id$v=19$m=65536,t=3,p=4$bm8tc2FsdC1hdC1hbGwuLg$bWFkZS11cC1oYXNoLW9mLW5vdGhpbm{:012}A"

COLUMNS = {
    "accounts": "id registration state email password_hash withdrawn_at counter_only_at created_at",
    "job_seekings": "account_id status invalidated_at desired_occupation desired_location self_introduction",
    "applications": "account_id kind status job_number statement created_at",
    "messages": "id account_id subject body created_at",
    "message_attachments": "account_id message_id file_name size_bytes",
    "saved_searches": "account_id name conditions created_at",
    "saved_jobs": "account_id job_number created_at",
    "documents": "account_id title storage_key created_at",
    "login_sessions": "account_id user_agent created_at",
    "holds": "account_id reason placed_by placed_at",
    "transitions": "account_id kind actor at from_state to_state",
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Which part of which population; ids begin behind `after_account` and `after_message`.

    `of_accounts` is the size of the whole population, over which the years are spread.
    """

    seed: int
    number: int
    accounts: int
    of_accounts: int
    after_account: int
    after_message: int
    now: datetime
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Pools:
    """Texts and instants, earliest first, that rows are put together from; made once in a process."""

    instants: list[str]
    bodies: list[str]
    statements: list[str]
    job_numbers: list[str]

    @classmethod
    @lru_cache(maxsize=2)
    def of(cls, seed: int, now: datetime) -> Self:
        """Return the pools of one population."""
        rng = Random(seed)  # noqa: S311 - no secret
        # In one zone, so that the order of their texts is that of the instants.
        instants = [_text(now.astimezone(UTC) - AGE * rng.random()) for _ in range(POOL)]
        return cls(
            sorted(instants),
            letters(rng, POOL, characters=(60, 400)),
            letters(rng, POOL, characters=(50, 200)),
            [f"{rng.randint(1010, 47990):05}-{rng.randint(1, 99999999):08}" for _ in range(POOL)],
        )


def blocks(chunk: Chunk) -> dict[str, bytes]:
    """Return a chunk's rows by table, in the text form of COPY."""
    rng = Random(f"{chunk.seed}/{chunk.number}")  # noqa: S311 - no secret
    writer = _Writer(chunk, rng)
    dates = Dates(chunk.now, chunk.zone, rng)
    edges = boundaries(dates) if chunk.number == 0 else []
    for index in range(chunk.accounts):
        if index < len(edges):
            writer.account(edges[index], index, chunk.now - OLDEST + timedelta(minutes=index))
        else:
            created_at = _opened(chunk, index, rng)
            writer.account(life(dates, (chunk.now - created_at).days), index, created_at)
    return {table: _scattered(lines).encode() for table, lines in writer.lines.items()}


def _opened(chunk: Chunk, index: int, rng: Random) -> datetime:
    """Return when an account was opened: the higher its number, the later."""
    place = (chunk.number * CHUNK_ACCOUNTS + index + rng.random()) / chunk.of_accounts
    return chunk.now.astimezone(UTC) - AGE * (1 - place)


def _scattered(lines: list[str]) -> str:
    """Return the lines in an order in which, as in life, what belongs together does not lie together."""
    return "".join("".join(lines[first::STRIDE]) for first in range(STRIDE))


class _Writer:
    """Collects one chunk's lines by table."""

    def __init__(self, chunk: Chunk, rng: Random) -> None:
        self.lines: dict[str, list[str]] = {table: [] for table in COLUMNS}
        self._chunk = chunk
        self._random = rng.random
        self._some = rng.choices
        self._pools = Pools.of(chunk.seed, chunk.now)
        self._instants = self._pools.instants
        self._messages = chunk.after_message + chunk.number * MESSAGES_A_CHUNK

    def account(self, of: Life, index: int, created_at: datetime) -> None:
        """Write one account with all that is its."""
        number = self._chunk.after_account + self._chunk.number * CHUNK_ACCOUNTS + index + 1
        created = _text(created_at)
        self._instants = self._between(created, _text(of.withdrawn_at))
        gone = of.state == State.COUNTER_ONLY
        email = NULL if gone else f"seeker{number}@example.{('com', 'org', 'net', 'jp')[number % 4]}"
        password = NULL if gone else HASH_OF_NOTHING.format(number)
        self.lines["accounts"].append(
            f"{number}\t{of.registration}\t{of.state}\t{email}\t{password}\t{_text(of.withdrawn_at)}"
            f"\t{_text(of.counter_only_at)}\t{created}\n"
        )
        if of.status is not None:
            (occupation,), (place,) = self._some(OCCUPATIONS), self._some(LOCATIONS)
            (statement,) = self._some(self._pools.statements)
            self.lines["job_seekings"].append(
                f"{number}\t{of.status}\t{_text(of.invalidated_at)}\t{occupation}\t{place}\t{statement}\n"
            )
        self._history_of(number, of, created)
        if self._random() < 0.003:
            self.lines["holds"].append(f"{number}\t苦情の調査中\tlegal\t{self._some(self._instants)[0]}\n")
        # Most people leave a little, a few leave very much.
        much = 8.0 if self._random() < 0.01 else 0.2 + self._random() * 1.5
        self._messages_of(number, much)
        self._others_of(number, much, logged_in=of.state == State.ACTIVE)

    def _history_of(self, number: int, of: Life, created: str) -> None:
        """Write what people did; what the worker did is in no log, for it never was."""
        changes = [(created, "register", NULL, "active")]
        if of.withdrawn_at is not None and of.withdrawn_at <= self._chunk.now:
            changes.append((_text(of.withdrawn_at), "withdraw", "active", "withdrawn"))
        if of.invalidated_at is not None and of.invalidated_at <= self._chunk.now:
            changes.append((_text(of.invalidated_at), "invalidate", "valid", "invalid"))
        self.lines["transitions"] += [
            f"{number}\t{kind}\towner\t{at}\t{before}\t{after}\n" for at, kind, before, after in sorted(changes)
        ]

    def _between(self, created: str, withdrawn: str) -> list[str]:
        """Return the pool's instants at which the account could be used."""
        instants = self._pools.instants
        last = len(instants) if withdrawn == NULL else bisect_left(instants, withdrawn)
        return instants[bisect_left(instants, created) : last] or [created]

    def _messages_of(self, number: int, much: float) -> None:
        count = self._about(14 * much)
        drawn = zip(
            self._some(SUBJECTS, k=count),
            self._some(self._pools.bodies, k=count),
            self._some(self._instants, k=count),
            strict=True,
        )
        first = self._messages + 1
        self.lines["messages"] += [
            f"{message}\t{number}\t{subject}\t{body}\t{at}\n"
            for message, (subject, body, at) in enumerate(drawn, first)
        ]
        self._messages += count
        self.lines["message_attachments"] += [
            f"{number}\t{message}\t履歴書.pdf\t{9_000 + message % 90_000}\n"
            for message in range(first, first + count)
            if self._random() < 0.15
        ]

    def _others_of(self, number: int, much: float, *, logged_in: bool) -> None:
        pools, lines = self._pools, self.lines
        for job, kind, status, statement, at in self._rows(
            6 * much, pools.job_numbers, ("self", "referral"), ("pending", "accepted", "rejected"), pools.statements
        ):
            lines["applications"].append(f"{number}\t{kind}\t{status}\t{job}\t{statement}\t{at}\n")
        for occupation, place, at in self._rows(4 * much, OCCUPATIONS, LOCATIONS):
            lines["saved_searches"].append(f"{number}\t{occupation}\t{place} {occupation}\t{at}\n")
        for job, at in self._rows(9 * much, pools.job_numbers):
            lines["saved_jobs"].append(f"{number}\t{job}\t{at}\n")
        for n, (title, at) in enumerate(self._rows(2 * much, DOCUMENTS)):
            lines["documents"].append(f"{number}\t{title}\tdocuments/{number}/{n}.pdf\t{at}\n")
        if logged_in:
            for agent, at in self._rows(4 * much, USER_AGENTS):
                lines["login_sessions"].append(f"{number}\t{agent}\t{at}\n")

    def _rows(self, mean: float, *pools: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Return about `mean` rows: a text from each of the pools, and an instant."""
        count = self._about(mean)
        return zip(*(self._some(pool, k=count) for pool in (*pools, self._instants)), strict=True)

    def _about(self, mean: float) -> int:
        return int(mean * (0.5 + self._random()) + self._random())


def _text(instant: datetime | None) -> str:
    return NULL if instant is None else instant.astimezone(UTC).isoformat(timespec="microseconds")
