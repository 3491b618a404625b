"""A crowd: processes that act as people at random, on accounts that others, and the worker, want too."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Any
from uuid import uuid4

from people import people
from sqlalchemy import Row, text

from models.errors import OutcomeUnknownError, Refused, Unavailable
from tasks import holds
from tasks.transitions import Credentials
from worker.database import connect
from worker.settings import Settings

__all__ = ["ACTS", "PASSWORD", "Diary", "live"]

PASSWORD = "open sesame"
ACTS_AT_LEISURE, MOST_ACTS_AT_LEISURE = 50, 2000
PATIENCE_SECONDS = 120
LEGAL = {"actor": "legal", "reason": "complaint"}

LOOK = """
    SELECT a.id, a.email, a.state, j.status,
           (SELECT min(h.id) FROM holds h WHERE h.account_id = a.id AND h.released_at IS NULL) AS hold_id
      FROM accounts a JOIN job_seekings j ON j.account_id = a.id """
ANYBODY = text(f"""{LOOK}
     WHERE a.id >= (SELECT min(id) + CAST(:share * (max(id) - min(id)) AS bigint) FROM accounts)
     ORDER BY a.id LIMIT 1""")
# The one, or nearly, whom the worker comes for next; so people and the worker meet.
NEXT_TO_GO = (
    text(f"{LOOK} WHERE j.status = 'invalid' ORDER BY j.invalidated_at, a.id LIMIT 1 OFFSET :others"),
    text(f"{LOOK} WHERE a.state = 'withdrawn' ORDER BY a.withdrawn_at, a.id LIMIT 1 OFFSET :others"),
)

# How one and the same address is written by different people.
SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    str.upper,
    " {}\t".format,
    lambda email: email.replace("@", "\uff20"),
)


@dataclass
class Diary:
    """What came of a person's acts.

    Attributes:
        done: what succeeded, and whose account it was.
        refused: how often the product said no, by act and error.
        unavailable: how often it asked to try again and had changed nothing, by act and reason.
        unknown: how often it could not say whether it was done, by act.
        unexpected: everything else, which is a fault.
    """

    done: list[tuple[str, int]] = field(default_factory=list)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    unavailable: Counter[tuple[str, str]] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __add__(self, other: "Diary") -> "Diary":
        return Diary(
            self.done + other.done,
            self.refused + other.refused,
            self.unavailable + other.unavailable,
            self.unknown + other.unknown,
            self.unexpected + other.unexpected,
        )


class Person:
    """Somebody who may do anything to any account: its owner, an office, or the legal department."""

    def __init__(self, url: str, seed: int) -> None:
        self._engine = connect(url)
        self._transitions = people(self._engine, Settings().policies)
        self._random = Random(seed)
        self._remembered: deque[Row[Any]] = deque(maxlen=100)
        self.diary = Diary()

    def do_something(self) -> None:
        """Look at an account and do what fits its state, or now and then anything."""
        account = self._some_account()
        sensible = [act for act, fits in ACTS.items() if fits(account)]
        act = self._random.choice(sensible if self._random.random() < 0.8 else list(ACTS))
        if self._attempt(act, account) and act == "withdraw" and self._random.random() < 0.5:
            # A window is open for some milliseconds only, so who regrets has to be quick.
            self._attempt("reactivate", account)

    def close(self) -> None:
        self._engine.dispose()

    def _some_account(self) -> Row[Any]:
        """Look at an account, half the time at one that is next to go; or remember an old look."""
        if self._remembered and self._random.random() < 0.1:
            return self._random.choice(self._remembered)
        with self._engine.connect() as connection:
            account = None
            if self._random.random() < 0.5:
                next_to_go = self._random.choice(NEXT_TO_GO)
                account = connection.execute(next_to_go, {"others": self._random.randrange(4)}).one_or_none()
            if account is None:
                account = connection.execute(ANYBODY, {"share": self._random.random()}).one()
        self._remembered.append(account)
        return account

    def _attempt(self, act: str, account: Row[Any]) -> bool:
        try:
            account_id = getattr(self, f"_{act.replace(' ', '_')}")(account)
        except Refused as error:
            self.diary.refused[act, type(error).__name__] += 1
        except OutcomeUnknownError:
            self.diary.unknown[act] += 1
        except Unavailable as error:
            self.diary.unavailable[act, str(error)] += 1
        except Exception as error:  # noqa: BLE001 - whatever else comes is what the test is to report
            self.diary.unexpected[act, f"{type(error).__name__}: {error}"] += 1
        else:
            self.diary.done.append((act, account_id))
            return True
        return False

    def _withdraw(self, account: Row[Any]) -> int:
        self._transitions.withdraw(account.id)
        return account.id

    def _reactivate(self, account: Row[Any]) -> int:
        return self._transitions.reactivate(self._own(account))

    def _log_in(self, account: Row[Any]) -> int:
        return self._transitions.log_in(self._own(account))

    def _recover(self, account: Row[Any]) -> int:
        self._transitions.recover(account.id, self._new(), staff="0815", office="13010")
        return account.id

    def _register(self, _: Row[Any]) -> int:
        return self._transitions.register(self._new())

    def _invalidate(self, account: Row[Any]) -> int:
        self._transitions.invalidate(account.id)
        return account.id

    def _revalidate(self, account: Row[Any]) -> int:
        self._transitions.revalidate(account.id)
        return account.id

    def _hold(self, account: Row[Any]) -> int:
        holds.place(self._engine, account.id, **LEGAL)
        return account.id

    def _release(self, account: Row[Any]) -> int:
        return holds.release(self._engine, account.hold_id or 0, **LEGAL).account_id

    def _own(self, account: Row[Any]) -> Credentials:
        """What the owner believes to be right; not always is it."""
        password = PASSWORD if self._random.random() < 0.95 else "wrong"
        return Credentials(account.email or "nobody@example.jp", password)

    def _new(self) -> Credentials:
        """A new address; at times one that somebody has, or that several want at once."""
        which = self._random.random()
        email = f"{uuid4().hex}@example.jp"
        if which < 0.2 and self._remembered:
            email = self._random.choice(self._remembered).email or email
        elif which < 0.4:
            email = f"wanted{int(monotonic() * 10)}@example.jp"
        return Credentials(self._random.choice(SPELLINGS)(email), PASSWORD)


# When somebody would think of each. Only some registrations are made valid again, or nobody would ever be purged.
ACTS: dict[str, Callable[[Row[Any]], bool]] = {
    "withdraw": lambda account: account.state == "active",
    "reactivate": lambda account: account.state == "withdrawn",
    "log in": lambda account: account.state == "active",
    "recover": lambda account: account.state != "active",
    "register": lambda account: True,
    "invalidate": lambda account: account.status == "valid",
    "revalidate": lambda account: account.status == "invalid" and account.id % 4 == 0,
    "hold": lambda account: account.hold_id is None and account.id % 4 == 1,
    "release": lambda account: account.hold_id is not None,
}


def live(url: str, seed: int, seconds: float, together: Any) -> Diary:
    """Act as one person after another, in a process of its own: at leisure, then in a hurry for so long.

    Until all of the crowd are there together a day lasts a day, and whatever needs an open window is easy: everybody
    has succeeded in everything once.
    """
    person = Person(url, seed)
    for number in range(MOST_ACTS_AT_LEISURE):
        if number >= ACTS_AT_LEISURE and {act for act, _ in person.diary.done} == ACTS.keys():
            break
        person.do_something()
    together.wait(PATIENCE_SECONDS)
    ends = monotonic() + seconds
    while monotonic() < ends:
        person.do_something()
    person.close()
    return person.diary
