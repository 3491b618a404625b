"""The rules of My Page once more, to be read in a minute: plain Python, and nothing of the product."""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, timezone
from typing import NamedTuple

__all__ = ["Address", "MyPage", "RefusedError", "refuse", "window_closes", "years_over"]

TOKYO = timezone(timedelta(hours=9))  # without summer time since 1951


class RefusedError(Exception):
    """An act is refused, by the error that it names, and changes nothing."""


def refuse(error, when):
    if when:
        raise RefusedError(error)


def window_closes(withdrawn_at):
    """The owner has the day of withdrawal and 30 more, whatever the hour."""
    return datetime.combine(withdrawn_at.astimezone(TOKYO).date() + timedelta(days=31), time(), TOKYO)


def years_over(invalidated_at):
    """Five years from the first whole day; where there is no such day then, its month is over: 1 March."""
    local = invalidated_at.astimezone(TOKYO)
    first = local.date() if local.time() == time() else local.date() + timedelta(days=1)
    if (first.month, first.day) == (2, 29):  # five years after a leap year comes none
        first += timedelta(days=1)
    return datetime.combine(first.replace(year=first.year + 5), time(), TOKYO)


class Address(NamedTuple):
    whose: str
    given: str  # in any of many spellings
    kept: str


@dataclass
class Account:
    address: Address | None
    password: str | None
    registration: str
    state: str = "active"
    withdrawn_at: datetime | None = None
    counter_only_at: datetime | None = None
    status: str = "valid"
    invalidated_at: datetime | None = None
    sessions: int = 0
    pending: int = 0
    holds: set[int] = field(default_factory=set)
    history: list[list[str | None]] = field(default_factory=lambda: [["register", None, "active"]])

    def behaves_as(self, now):
        is_late = self.state == "withdrawn" and self.withdrawn_at and window_closes(self.withdrawn_at) <= now
        return "counter_only" if is_late else self.state

    def is_over(self, now):
        return self.invalidated_at is not None and years_over(self.invalidated_at) <= now

    def is_anomaly(self, now):
        dates = {"withdrawn": self.withdrawn_at, "invalid": self.invalidated_at}
        return any(dates[word] is None or dates[word] > now for word in (self.state, self.status) if word in dates)

    def verdict(self, policy, now, as_of):
        """What a sweep as of then makes of the account now."""
        is_late = self.state == "withdrawn" and self.behaves_as(as_of) == "counter_only"
        if not (self.is_over(as_of) if policy == "purge" else is_late):
            return "not due"
        if self.holds or self.is_anomaly(now):
            return "on hold" if self.holds else "anomaly"
        return "left to the purge" if policy == "counter_only" and self.is_over(as_of) else "due"

    def withdraw(self, now):
        refuse("WrongStateError", self.behaves_as(now) != "active")
        refuse("PendingApplicationError", self.pending)
        self.history.append(["withdraw", "active", "withdrawn"])
        self.state, self.withdrawn_at, self.sessions = "withdrawn", now, 0

    def log_in(self, now):
        refuse("WrongStateError", self.behaves_as(now) != "active")
        self.sessions += 1

    def reactivate(self, now):
        refuse("WindowClosedError", self.behaves_as(now) == "counter_only")
        refuse("WrongStateError", self.state == "active" or self.withdrawn_at is None)
        self._reopen("reactivate", now)

    def recover(self, now, address, password):
        is_open = self.behaves_as(now) == "withdrawn" and self.withdrawn_at is not None
        refuse("WrongStateError", self.state == "active" or is_open)
        self._reopen("recover", now)
        self.address, self.password, self.registration, self.sessions = address, password, "hellowork", 0

    def _reopen(self, kind, now):
        refuse("RetentionOverError", self.is_over(now))
        self.history.append([kind, self.behaves_as(now), "active"])
        self.state, self.withdrawn_at, self.counter_only_at = "active", None, None

    def invalidate(self, now):
        refuse("WrongStateError", self.status == "invalid")
        self.history.append(["invalidate", "valid", "invalid"])
        self.status, self.invalidated_at = "invalid", now

    def revalidate(self, now, *, at_office):
        refuse("WrongStateError", self.status == "valid" or not (at_office or self.behaves_as(now) == "active"))
        self.history.append(["revalidate", "invalid", "valid"])
        self.status, self.invalidated_at = "valid", None
        self.registration = "hellowork" if at_office else self.registration


@dataclass
class MyPage:
    """All accounts by number, and the log: (action, account, event, due from, done at)."""

    now: datetime
    accounts: dict[int, Account] = field(default_factory=dict)
    log: list[tuple[str, int, datetime, datetime, datetime]] = field(default_factory=list)

    def account(self, number):
        refuse("NoSuchAccountError", number not in self.accounts)
        return self.accounts[number]

    def account_of(self, address, password):
        holder = self.accounts.get(self.holder(address))
        refuse("CredentialsError", holder is None or holder.password != password)
        return holder

    def holder(self, address):
        owners = {each.address.whose: number for number, each in self.accounts.items() if each.address}
        return owners.get(address.whose)

    def loser(self, address, winner=None):
        """Whoever is past the window loses the address; nobody else does."""
        number = self.holder(address)
        if number in (None, winner):
            return None
        holder = self.accounts[number]
        refuse("AddressTakenError", holder.behaves_as(self.now) != "counter_only")
        refuse("Refused", holder.holds or holder.is_anomaly(self.now))
        return number

    def register(self, number, address, password, registration):
        self.move(self.loser(address))
        self.accounts[number] = Account(address, password, registration)

    def recover(self, number, address, password):
        account, loser = self.account(number), self.loser(address, number)
        account.recover(self.now, address, password)
        self.move(loser)

    def sweep(self, policy, as_of):
        """Act on all who are due; returns the verdict on everybody, by number."""
        verdicts = {number: each.verdict(policy, self.now, as_of) for number, each in self.accounts.items()}
        for number in [number for number, verdict in verdicts.items() if verdict == "due"]:
            (self.purge if policy == "purge" else self.move)(number)
        return verdicts

    def move(self, number):
        if account := self.accounts.get(number):
            since, account.state, account.counter_only_at = account.withdrawn_at, "counter_only", self.now
            account.address, account.password, account.sessions = None, None, 0
            self.log.append(("counter_only", number, since, window_closes(since), self.now))

    def purge(self, number):
        since = self.accounts.pop(number).invalidated_at
        self.log.append(("purge", number, since, years_over(since), self.now))
