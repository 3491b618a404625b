"""People, clocks and sweeps in any order, on real PostgreSQL; after every step a model of the rules agrees."""

from collections import Counter
from copy import deepcopy
from datetime import datetime, timedelta

from builders import OWNED, a_sweep
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from hypothesis.strategies._internal.featureflags import FeatureFlags
from life_cycle import TOKYO, Address, MyPage, RefusedError, refuse, window_closes, years_over
from oracle import OWNERS
from people import people
from sqlalchemy import text
from sqlalchemy.orm import Session

from models import PolicyName
from models.errors import RetentionError
from tasks import holds
from tasks.batch import run_batch
from tasks.explain import GONE, explain
from tasks.rules.cutoff import Cutoff
from tasks.statements import due
from tasks.statements.sweeps import read_clock
from tasks.transitions import Credentials, locked

__all__ = ["Life"]

MOMENT = timedelta.resolution
FULL_WIDTH = {code: code + 0xFEE0 for code in range(ord("!"), ord("~") + 1)}
AS_IT_IS = "as it is"
PEOPLE = ["sato", "suzuki"]


def spellings(person):
    """Ways to give one address, as each is kept: one and the same address all the time."""
    plain = f"{person}@example.jp"
    return [
        Address(person, plain, plain),
        Address(person, plain.upper(), plain.upper()),
        Address(person, f"\u3000{plain}\t", plain),
        Address(person, plain.translate(FULL_WIDTH), plain),
    ]


# Where calendars are odd: before, on and after 29 February, the ends of a month and of a year, and midnight itself.
BEGINNINGS = [
    datetime(2024, 2, 28, 10, tzinfo=TOKYO),
    datetime(2023, 2, 28, 10, tzinfo=TOKYO),
    datetime(2024, 2, 29, tzinfo=TOKYO),
    datetime(2024, 1, 31, 12, tzinfo=TOKYO),
    datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=TOKYO),
    datetime(2021, 4, 1, tzinfo=TOKYO),
    datetime(2028, 2, 29, 12, tzinfo=TOKYO),
]
FACTS = (
    *("registration", "state", "withdrawn_at", "counter_only_at"),
    *("status", "invalidated_at", "sessions", "pending", "history"),
)

STATES = text("""
    SELECT
        a.*, s.status, s.invalidated_at,
        (SELECT count(*) FROM login_sessions WHERE account_id = a.id) AS sessions,
        (SELECT count(*) FROM applications WHERE account_id = a.id AND (kind, status) = ('self', 'pending')) AS pending,
        ARRAY(SELECT id FROM holds WHERE account_id = a.id AND released_at IS NULL) AS holds,
        ARRAY(SELECT ARRAY[kind, from_state, to_state] FROM transitions WHERE account_id = a.id ORDER BY id) AS history
    FROM accounts a LEFT JOIN job_seekings s ON s.account_id = a.id
""")
# A batch's receipt stands for all of its actions, and for no other.
LOG = text("""
    SELECT
        a.action, a.account_id, a.event_at, a.due_at, a.acted_at,
        (r.action, r.acted_at, r.sweep_id) = (a.action, a.acted_at, a.sweep_id)
            AND r.accounts = count(*) OVER (PARTITION BY a.receipt_id) AS has_receipt
    FROM actions a LEFT JOIN receipts r ON r.id = a.receipt_id
    WHERE a.id > :before
""")
EVERYWHERE = text(
    " UNION ALL ".join(
        f"SELECT '{table}' AS name, account_id, count(*) AS rows FROM ({owners}) AS o GROUP BY account_id"
        for table, owners in OWNERS.items()
    )
)
# What else is in a My Page, one row each, so that it is seen to stay, and to go.
REST = ("documents", "messages", "message_attachments", "saved_jobs", "saved_searches")
FILL = text("""
    WITH sent AS (INSERT INTO messages (account_id) VALUES (:id) RETURNING account_id, id),
        attached AS (INSERT INTO message_attachments (account_id, message_id) SELECT account_id, id FROM sent),
        document AS (INSERT INTO documents (account_id) VALUES (:id)),
        job AS (INSERT INTO saved_jobs (account_id) VALUES (:id))
    INSERT INTO saved_searches (account_id) VALUES (:id)
""")
CLEAN = "; ".join(f"DELETE FROM {table}" for table in (*sorted({*OWNED} - {"accounts"}), "accounts"))


def outcome(act):
    """Return "done", or by which error it is refused."""
    try:
        act()
    except RetentionError as error:
        return type(error).__name__
    except RefusedError as error:
        return str(error)
    return "done"


class Life(RuleBasedStateMachine):
    """The product and the model beside each other; one example is some years of a few people."""

    accounts = Bundle("accounts")
    holds = Bundle("holds")
    sweeps = Bundle("sweeps")

    passwords = st.sampled_from(["open sesame", "12345678"])
    addresses = st.sampled_from([address for person in PEOPLE for address in spellings(person)])

    def __init__(self, engine, clock, policies, met):
        super().__init__()
        self.engine, self.clock, self.policies, self.met = engine, clock, policies, met
        self.people = people(engine, policies)
        self.given = {}  # by number, the address and the password that an account was last given
        self.versions = {}
        self.looked_at = 0
        # Each example may use every rule: little happens to people who cannot withdraw, or where no time passes.
        self._rules_strategy.enabled_rules_strategy = st.just(FeatureFlags())

    @initialize(target=accounts, at=st.sampled_from(BEGINNINGS))
    def begin(self, at):
        """Two people, logged in; the log goes on from the examples before, since nothing can be deleted from it."""
        self.page = MyPage(now=at)
        self.clock.set(at)
        with self.engine.connect() as connection:
            self.before = connection.scalar(text("SELECT coalesce(max(id), 0) FROM actions"))
        numbers = [self._register(spellings(person)[0], "open sesame", "online") for person in PEOPLE]
        for number in numbers:
            self._by_credentials("log_in", number, 0, right=True)
        return multiple(*numbers)

    @rule(target=accounts, address=addresses, password=passwords, registration=st.sampled_from(["online", "hellowork"]))
    def register(self, address, password, registration):
        number = self._register(address, password, registration)
        return multiple() if number is None else number

    def _register(self, address, password, registration):
        credentials = Credentials(address.given, password)
        return self._both(
            "register",
            lambda: self.people.register(credentials, registration=registration),
            lambda number: self._enter(number, address, password, registration),
        )

    def _enter(self, number, address, password, registration):
        self.page.register(number, address, password, registration)
        self.given[number] = (address, password)
        if number is not None:
            with self.engine.begin() as connection:
                connection.execute(FILL, {"id": number})

    @rule(number=accounts)
    def withdraw(self, number):
        self._both(
            "withdraw",
            lambda: self.people.withdraw(number),
            lambda _: self.page.account(number).withdraw(self.page.now),
        )

    @rule(number=accounts, spelling=st.integers(0, 3), right=st.sampled_from([True, True, True, False]))
    def reactivate(self, number, spelling, right):
        self._by_credentials("reactivate", number, spelling, right=right)

    @rule(number=accounts, spelling=st.integers(0, 3), right=st.sampled_from([True, True, True, False]))
    def log_in(self, number, spelling, right):
        self._by_credentials("log_in", number, spelling, right=right)

    def _by_credentials(self, verb, number, spelling, *, right):
        """By the credentials that the account had once; they may be another's by now."""
        address, password = self.given[number]
        address = spellings(address.whose)[spelling]
        password = password if right else f"not {password}"
        self._both(
            verb,
            lambda: getattr(self.people, verb)(Credentials(address.given, password)),
            lambda _: getattr(self.page.account_of(address, password), verb)(self.page.now),
        )

    @rule(number=accounts, address=addresses, password=passwords)
    def recover(self, number, address, password):
        """At an office, with the old address or another, perhaps somebody else's."""

        def at_the_counter(_):
            self.page.recover(number, address, password)
            self.given[number] = (address, password)

        credentials = Credentials(address.given, password)
        self._both(
            "recover", lambda: self.people.recover(number, credentials, staff="0815", office="13010"), at_the_counter
        )

    @rule(number=accounts)
    def invalidate(self, number):
        self._both(
            "invalidate",
            lambda: self.people.invalidate(number),
            lambda _: self.page.account(number).invalidate(self.page.now),
        )

    @rule(number=accounts, office=st.sampled_from([None, "13010"]))
    def revalidate(self, number, office):
        self._both(
            "revalidate",
            lambda: self.people.revalidate(number, by="0815", office=office),
            lambda _: self.page.account(number).revalidate(self.page.now, at_office=office is not None),
        )

    @rule(number=accounts, kind=st.sampled_from(["self", "self", "referral", None]))
    def apply(self, number, kind):
        """Apply for a job; or all that are pending are decided."""
        account = self.page.accounts.get(number)
        if account is None:
            return
        if kind is None:
            self._write("UPDATE applications SET status = 'rejected' WHERE account_id = :id", number)
            account.pending = 0
        else:
            insert = "INSERT INTO applications (account_id, kind, status) VALUES (:id, :kind, 'pending')"
            self._write(insert, number, kind=kind)
            account.pending += kind == "self"

    @rule(target=holds, number=accounts)
    def place(self, number):
        hold = self._both(
            "place",
            lambda: holds.place(self.engine, number, actor="legal", reason="complaint"),
            lambda hold: self.page.account(number).holds.add(hold),  # noqa: PLW0108 - the account may be gone
        )
        return multiple() if hold is None else hold

    @rule(hold=consumes(holds))
    def release(self, hold):
        def in_the_model(_):
            holders = [account for account in self.page.accounts.values() if hold in account.holds]
            refuse("Refused", not holders)
            holders[0].holds.remove(hold)

        for _ in ("once", "and for good"):
            self._both(
                "release", lambda: holds.release(self.engine, hold, actor="legal", reason="closed"), in_the_model
            )

    @rule(
        one=accounts,
        another=accounts,
        withdrawn=st.sampled_from([*[AS_IT_IS] * 4, None, -1, 0, 30, 30, 31, 40, 40, 40]),
        invalid=st.sampled_from([*[AS_IT_IS] * 4, None, -1, *range(1825, 1829), 2000, 2000]),
        hour=st.sampled_from([None, 0, 10]),
    )
    def a_careless_import(self, one, another, withdrawn, invalid, hour):
        """Overwrite dates, so many days ago; perhaps with none, or one to come. A login goes on."""
        for number in {one, another} & {*self.page.accounts}:
            account = self.page.accounts[number]
            if withdrawn != AS_IT_IS and account.state != "counter_only":
                account.state, account.withdrawn_at = "withdrawn", self._days_ago(withdrawn, hour)
                account.sessions += 1
                query = "UPDATE accounts SET state = 'withdrawn', withdrawn_at = :at WHERE id = :id"
                self._write(query, number, at=account.withdrawn_at)
                self._write("INSERT INTO login_sessions (account_id) VALUES (:id)", number)
            if invalid != AS_IT_IS:
                account.status, account.invalidated_at = "invalid", self._days_ago(invalid, hour)
                query = "UPDATE job_seekings SET status = 'invalid', invalidated_at = :at WHERE account_id = :id"
                self._write(query, number, at=account.invalidated_at)

    def _days_ago(self, days, hour):
        if days is None:
            return None
        at = self.page.now.astimezone(TOKYO) - timedelta(days=days)
        return at if hour is None else at.replace(hour=hour, minute=0, second=0, microsecond=0)

    @rule(hours=st.integers(0, 30) | st.integers(24, 45 * 24))
    def time_passes(self, hours):
        self._set_clock(self.page.now + timedelta(hours=hours))

    def edges(self):
        """Every instant to come at which the answer to some question changes."""
        edges = set()
        for account in self.page.accounts.values():
            for event, due_from in ((account.withdrawn_at, window_closes), (account.invalidated_at, years_over)):
                edges |= {event, due_from(event)} if event else set()
        return sorted(edge for edge in edges if edge > self.page.now)

    @precondition(lambda self: self.edges())
    @rule(which=st.sampled_from([0, 0, 1, 2]), early=st.sampled_from([MOMENT, timedelta()]))
    def an_edge_comes(self, which, early):
        edges = self.edges()
        self._set_clock(max(self.page.now, edges[which % len(edges)] - early))

    def _set_clock(self, at):
        self.page.now = at
        self.clock.set(at)

    @rule(target=sweeps, name=st.sampled_from(PolicyName))
    def ask(self, name):
        """Ask for a sweep that comes late: whenever it comes, it is as of now."""
        with self.engine.begin() as connection:
            now = connection.scalar(read_clock())
            cutoff = Cutoff.of(self.policies, name, now)
            return cutoff, now, a_sweep(connection, cutoff, now)

    @rule(asked=sweeps)
    def work_late(self, asked):
        self._sweep(*asked)

    @rule(names=st.permutations(PolicyName), most=st.integers(1, 2))
    def sweep(self, names, most):
        for name in names[:most]:
            self._sweep(*self.ask(name))

    def _sweep(self, cutoff, as_of, sweep_id):
        states = {number: account.state for number, account in self.page.accounts.items()}

        def work():
            policy = self.policies[cutoff.policy]
            # Not until nothing is claimed: a fault that claims and does not act would never end.
            while run_batch(self.engine, policy, cutoff, sweep_id=sweep_id, lane=0, limit=2).accounts:
                pass

        def in_the_model(_):
            for number, verdict in self.page.sweep(cutoff.policy, as_of).items():
                self.met[f"{cutoff.policy} of {states[number]}", verdict] += 1

        self._both("sweep", work, in_the_model)

    def _both(self, verb, act, model):
        """Do one thing in both; returns the product's result, None where it refuses."""
        results = []
        got = outcome(lambda: results.append(act()))
        result = results[0] if results else None
        moves = len(self.page.log)
        expected = outcome(lambda: model(result))
        self.met[verb, expected] += 1
        if verb != "sweep" and len(self.page.log) > moves:
            self.met[verb, "moves another"] += 1
        assert got == expected, verb
        return result

    def _write(self, statement, number, **values):
        with self.engine.begin() as connection:
            connection.execute(text(statement), {"id": number, **values})

    @invariant()
    def the_product_and_the_model_agree(self):
        self.met["step", "done"] += 1
        with self.engine.connect() as connection:
            rows = connection.execute(STATES).all()
            log = connection.execute(LOG, {"before": self.before}).all()
            everywhere = Counter({(name, number): rows for name, number, rows in connection.execute(EVERYWHERE)})
            self._compare_due(connection)
        self._compare_states(rows)
        assert sorted(tuple(row)[:5] for row in log) == sorted(self.page.log)
        assert all(row.has_receipt and row.due_at <= row.acted_at for row in log)
        assert {number for _, number in everywhere} <= {*self.page.accounts}
        assert all(everywhere[name, number] == 1 for name in REST for number in self.page.accounts)
        self._compare_one_account()

    def _compare_due(self, connection):
        """Whom a sweep would act on now, or about one of the instants at which that may change."""
        turn, which = divmod(self.looked_at, 3)
        edges = self.edges() or [self.page.now]
        edge = edges[turn % len(edges)]
        now = max(self.page.now, (self.page.now, edge - MOMENT, edge)[which])
        for name in PolicyName:
            rows = connection.execute(due.due(Cutoff.of(self.policies, name, now), now=now))
            expected = {n for n, account in self.page.accounts.items() if account.verdict(name, now, now) == "due"}
            assert {row.account_id for row in rows} == expected, (name, now)

    def _compare_states(self, rows):
        shown = {
            row.id: {name: getattr(row, name) for name in FACTS}
            | {"email": row.email, "has_password": row.password_hash is not None, "holds": {*row.holds}}
            for row in rows
        }
        expected = {
            number: {name: getattr(account, name) for name in FACTS}
            | {
                "email": account.address and account.address.kept,
                "has_password": account.password is not None,
                "holds": account.holds,
            }
            for number, account in self.page.accounts.items()
        }
        assert shown == expected
        versions = {row.id: row.version for row in rows}
        assert all(versions[number] >= self.versions.get(number, 1) for number in versions)
        self.versions = versions
        owners = [account.address.whose for account in self.page.accounts.values() if account.address]
        assert len(owners) == len({*owners})

    def _compare_one_account(self):
        """Each in its turn, since this takes longer than the step itself."""
        numbers = sorted(self.given)
        self.looked_at += 1
        turn, explains = divmod(self.looked_at, 2)
        number = numbers[turn % len(numbers)]
        if explains:
            self._compare_explanation(number)
        elif number in self.page.accounts:
            self._compare_answers(number)

    def _compare_explanation(self, number):
        now, account = self.page.now, self.page.accounts.get(number)
        told = explain(self.engine, self.policies, number)
        if account is None:
            assert told.effective_state == GONE
            return
        assert told.effective_state == account.behaves_as(now)
        assert bool(told.anomalies) == account.is_anomaly(now)
        for since, due_from, expected in (
            (account.withdrawn_at, told.counter_only_from, window_closes),
            (account.invalidated_at, told.purge_from, years_over),
        ):
            assert due_from == (expected(since) if since and since <= now else None)
        for name in PolicyName:
            assert (not told.prevented[name]) == (account.verdict(name, now, now) == "due")

    def _compare_answers(self, number):
        """What the account would answer to each of its transitions now; none is done."""
        now, given = self.page.now, Address("nobody", "nobody@example.jp", "nobody@example.jp")
        by, counter = {"by": "owner", "policies": self.policies}, {"staff": "0815", "office": "13010"}
        at_the_counter = {**counter, "email": given.kept, "password_hash": "", "policies": self.policies}
        for verb, how, *others in (("withdraw", by), ("reactivate", by), ("recover", at_the_counter, given, "")):
            with Session(self.engine) as session:
                account = locked(session, number)
                got = outcome(lambda: getattr(account, verb)(now=now, **how))  # noqa: B023 - called at once
            expected = outcome(lambda: getattr(deepcopy(self.page.accounts[number]), verb)(now, *others))  # noqa: B023
            assert got == expected, verb

    def teardown(self):
        with self.engine.begin() as connection:
            connection.exec_driver_sql(CLEAN)
