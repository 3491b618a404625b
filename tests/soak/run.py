"""One soak: load, faults now and then, rest; and all that was seen meanwhile."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from chaos.deployment import Deployment, deployment
from chaos.judgement import judge_data
from chaos.servers import Servers

from soak.asking import Asking
from soak.feed import Feed
from soak.logged import errors
from soak.meanwhile import meanwhile
from soak.seen import Sample, Watch, lasting, redis_client
from soak.strikes import STRIKING, Strike, Strikes, plan

__all__ = ["Seen", "Terms", "soak"]

# What a killed worker had not acknowledged comes back after the visibility timeout of five minutes.
REST_SECONDS = 420
# Who is killed leaves its name in kombu's tables of who listens: sixty bytes in two of them, and no key of its own.
BINDINGS = "retention:_kombu.binding"
BY_HAND = {"policy": "all", "actor": "soak", "reason": "in a hurry"}
EACH_MINUTE = {"RETENTION_PURGE_CRON": "* * * * *", "RETENTION_COUNTER_ONLY_CRON": "* * * * *"}


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of a soak.

    Attributes:
        seed: chooses faults, moments and what people do.
        minutes: how long the load lasts.
        rate: accounts a second that are brought; four of five are due at once.
        accounts: so many are there at the beginning.
        every: minutes in which one fault strikes; none without.
        look: seconds between samples.
        warm_up: minutes of a process's life that are not judged.
        caches: megabytes that a process's caches may still take afterwards; more the shorter the warm-up is.
        pause: seconds between what people do.
        hurry: seconds between ticks and sweeps by hand, besides those of the beats; for a short soak.
    """

    seed: int
    minutes: float = 60
    rate: float = 3
    accounts: int = 2000
    every: float | None = 3
    look: float = 10
    warm_up: float = 15
    caches: float = 10
    pause: float = 0.5
    hurry: float | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a soak; `soak.judge` says what of it is wrong.

    Attributes:
        terms: what was asked for.
        began: seconds since 1970.
        samples: what was seen, one after another.
        struck: the faults.
        rested: after how many seconds nothing was due, nor under way, once nobody brought or did anything; None: never.
        waited: of each account acted on, when that was in minutes since the beginning, and how many seconds it waited.
        fed: accounts that were brought.
        acts: what people did.
        answers: of the web server.
        broken: promises, and whatever else is wrong at the end: its name, and how often or what.
    """

    terms: Terms
    began: float
    samples: list[Sample]
    struck: list[Strike]
    rested: float | None
    waited: list[tuple[float, float]]
    fed: int
    acts: int
    answers: dict[str, int]
    broken: dict[str, str]


class _Soak:
    """A deployment, and all who are busy with it."""

    def __init__(self, it: Deployment, directory: Path, terms: Terms, faults: Sequence[str]) -> None:
        self.it, self.terms, self.faults = it, terms, faults
        self.feed = Feed(it.engine, it.files, terms.rate)
        self.feed.begin()
        it.revive()
        self.began, self.began_at = time.monotonic(), time.time()
        self.strikes = Strikes(it, self.began)
        self.watch = Watch(it, self.feed, self.began)
        self.asking = Asking(it, self.began)
        self._hurried = 0.0
        it.send("retention.dispatch", expires=55)

    def load(self, say: Callable[[str], None]) -> None:
        """Let all be busy for as long as is asked."""
        seconds, next_line = self.terms.minutes * 60, time.monotonic()
        ends = time.monotonic() + seconds
        if self.terms.every:
            self.strikes.begin(plan(list(self.faults), self.terms.seed, seconds=seconds, every=self.terms.every * 60))
        with ExitStack() as busy:
            busy.callback(self.asking.close)
            busy.enter_context(meanwhile(self.asking.ask, every=5))
            busy.enter_context(self.it.people(self.terms.seed, every=self.terms.pause))
            busy.enter_context(meanwhile(self.feed.feed, every=1))
            while time.monotonic() < ends:
                self.turn()
                if time.monotonic() >= next_line and self.watch.samples:
                    next_line += 60
                    say(_line(self.watch.samples[-1]))

    def turn(self) -> None:
        """Wait a moment, and do what is time for."""
        time.sleep(0.5)
        self.strikes.look(self.watch.tell)
        if self.terms.hurry and time.monotonic() - self._hurried >= self.terms.hurry and self._has_ended():
            self._hurried = time.monotonic()
            self.it.send("retention.dispatch", expires=55)
            self.it.send("retention.run", kwargs=BY_HAND, expires=55)

    def _has_ended(self) -> bool:
        """Whether no sweep was open of late; to ask for more than can be done would be no hurry."""
        waiting = self.watch.samples[-1].waiting if self.watch.samples else None
        return waiting is not None and not waiting["sweeps"]

    def rest(self) -> float | None:
        """Wait until nothing is due nor under way; returns how many seconds that took, None where it did not come."""
        began = time.monotonic()
        while time.monotonic() < began + REST_SECONDS:
            self.turn()
            if _is_quiet(self.watch.look()):
                return time.monotonic() - began
        return None

    def stop_beats(self, *, rests: bool) -> None:
        """End the beats, and wait for what they have begun, so that the end is judged at rest, if there is one."""
        for beat in self.it.beats:
            beat.terminate()
            beat.wait(60)
        ends = time.monotonic() + REST_SECONDS
        while rests and not _is_quiet(self.watch.look()) and time.monotonic() < ends:
            time.sleep(0.5)

    def keys(self) -> Counter[str]:
        """Return what lasts in Redis at rest."""
        with redis_client(self.it) as client:
            return lasting(client)


def soak(
    servers: Servers,
    directory: Path,
    terms: Terms,
    *,
    faults: Sequence[str] = STRIKING,
    say: Callable[[str], None] = print,
    **changes: str,
) -> Seen:
    """Run a deployment under load, let faults strike, let it come to rest, and look at it all the time."""
    export = f"file://{directory}/export"
    settings = EACH_MINUTE | {
        "RETENTION_BATCH_ACCOUNTS": "3000",
        # Nobody has foreseen who is brought.
        "RETENTION_CEILING_FLOOR": "1000000",
        "RETENTION_EXPORT_URL": export,
    }
    with deployment(servers, directory, accounts=terms.accounts, beat="worker", **settings | changes) as it:
        a = _Soak(it, directory, terms, faults)
        with meanwhile(a.watch.watch, every=terms.look):
            broken = {} if a.rest() is not None else {"it did not come to rest at first": f"in {REST_SECONDS} seconds"}
            keys = a.keys()
            a.load(say)
            rested = a.rest()
        a.stop_beats(rests=rested is not None)
        broken |= _new_keys(keys, a.keys())
        with it.engine.begin() as connection:
            connection.exec_driver_sql("CREATE INDEX ON crowd.done (account_id)")
        broken |= {promise: str(number) for promise, number in judge_data(it).items()}
        if code := it.stack.retention("log", "verify", "--whole", "--against", export).code:
            broken["the exported log does not verify"] = f"exit code {code}"
        if files := a.feed.wrong_files():
            broken["a file is left of a purged account, or gone of another"] = str(files)
        if a.strikes.unexplained:
            broken["a process ended that no fault had ended"] = "; ".join(a.strikes.unexplained)
        broken |= _unanswered(a)
        if logged := errors(directory, a.strikes.struck, a.began_at):
            broken["errors were logged without a fault"] = str(logged)
        return Seen(
            terms,
            a.began_at,
            a.watch.samples,
            a.strikes.struck,
            rested,
            [((at - a.began_at) / 60, seconds) for at, seconds in a.feed.waited()],
            it.scalar("SELECT count(storage_key) FROM soak.fed"),
            len(it.diary.done),
            dict(a.asking.answers),
            broken,
        )


def _is_quiet(sample: Sample) -> bool:
    return (
        sample.waiting is not None
        and sample.redis is not None
        and not any((sample.waiting["accounts"], sample.waiting["sweeps"]))
        and not any((sample.redis["queue"], sample.redis["unacked"]))
    )


def _new_keys(before: Counter[str], after: Counter[str]) -> dict[str, str]:
    more = {key: number - before[key] for key, number in after.items() if number > before[key]}
    left = {key: number for key, number in more.items() if not key.startswith(BINDINGS)}
    return {"Redis holds more at the end than at the beginning": str(left)} if left else {}


def _unanswered(a: _Soak) -> dict[str, str]:
    without_reason = [
        f"{what} at {came:.0f} s"
        for asked, came, what in a.asking.failed
        if not any(each.covers(asked, came) for each in a.strikes.struck)
    ]
    return {"the web server failed without a fault": "; ".join(without_reason)} if without_reason else {}


def _line(sample: Sample) -> str:
    memory = Counter[str]()
    for process in sample.processes:
        memory[process.role] = max(memory[process.role], round(process.memory))
    return f"{sample.at / 60:5.1f} min | MB {dict(memory)} | {sample.database} | {sample.redis} | {sample.waiting}"
