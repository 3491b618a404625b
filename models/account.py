"""Account: one My Page, with its state, the dates that the law asks about, and every transition a person can cause.

Transitions are pure: they change the object and what hangs on it, and ask no clock. Whoever calls them has locked
the account's row (`FOR UPDATE`): only so is nobody adding an application, or a hold, at the same moment. `version`
makes it an error to overwrite what somebody else has made of the row.
"""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from sqlalchemy import CheckConstraint, Index, Integer, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.address import address_key
from models.base import FINITE, WORKER, Base, CreatedAt, Identifier, one_of
from models.errors import PendingApplicationError, RetentionOverError, WindowClosedError, WrongStateError
from models.job_seeking import JobSeeking, Status
from models.my_page import LoginSession
from models.policy import CounterOnly, Policies
from models.transition import Transition, TransitionKind

if TYPE_CHECKING:
    from models.my_page import Application

__all__ = ["Account", "Registration", "State"]


class Registration(StrEnum):
    """Where the person is registered: online only, or at an office (ハローワーク利用登録者)."""

    ONLINE = "online"
    HELLOWORK = "hellowork"


class State(StrEnum):
    """What the account's row says; an account that is gone has no row."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"
    COUNTER_ONLY = "counter_only"


class Account(Base):
    """One My Page; owns every dependent row."""

    __tablename__ = "accounts"

    id: Mapped[Identifier]
    registration: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=State.ACTIVE)
    email: Mapped[str | None] = mapped_column(unique=True)
    password_hash: Mapped[str | None]
    withdrawn_at: Mapped[datetime | None]
    counter_only_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))

    job_seeking: Mapped[JobSeeking | None] = relationship()
    applications: Mapped[list["Application"]] = relationship()
    login_sessions: Mapped[list[LoginSession]] = relationship(cascade="all, delete-orphan")
    history: Mapped[list[Transition]] = relationship(order_by=Transition.id)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's contract
    __table_args__ = (
        CheckConstraint(one_of("registration", *Registration), name="registration_known"),
        CheckConstraint(one_of("state", *State), name="state_known"),
        CheckConstraint("(state <> 'active'::text) OR (withdrawn_at IS NULL)", name="active_not_withdrawn"),
        CheckConstraint("(state = 'counter_only'::text) OR (counter_only_at IS NULL)", name="counter_only_at_fits"),
        CheckConstraint(
            "(state <> 'counter_only'::text) OR ((email IS NULL) AND (password_hash IS NULL))",
            name="counter_only_without_credentials",
        ),
        CheckConstraint(FINITE.format("withdrawn_at"), name="withdrawn_at_finite"),
        CheckConstraint(FINITE.format("counter_only_at"), name="counter_only_at_finite"),
        Index("uq_accounts_address", address_key(literal_column("email")), unique=True),
        # Each answers "due?" and "anomalous?" from its ends; the account's number breaks ties in a fixed order.
        Index(None, "withdrawn_at", "id", postgresql_where=text("state = 'withdrawn'")),
        Index(
            "ix_accounts_counter_only_latest",
            text("greatest(withdrawn_at, counter_only_at)"),
            postgresql_where=text("state = 'counter_only'"),
        ),
        {"info": {WORKER: ("SELECT", "INSERT", "UPDATE", "DELETE")}},
    )

    @classmethod
    def register(
        cls,
        *,
        now: datetime,
        by: str,
        email: str,
        password_hash: str,
        registration: Registration = Registration.ONLINE,
    ) -> Self:
        """Return a new account with a valid job-seeking registration (rule: who does not come registers anew)."""
        account = cls(registration=registration, state=State.ACTIVE, email=email, password_hash=password_hash)
        account.created_at = now
        account.job_seeking = JobSeeking(status=Status.VALID)
        account._record(TransitionKind.REGISTER, None, State.ACTIVE, at=now, actor=by)
        return account

    def effective_state(self, now: datetime, window: CounterOnly) -> State:
        """Return how the account behaves at `now`: a window that is over is over, however late the worker."""
        if self.state == State.WITHDRAWN and self.withdrawn_at is not None and window.is_over(self.withdrawn_at, now):
            return State.COUNTER_ONLY
        return State(self.state)

    def withdraw(self, *, now: datetime, by: str, policies: Policies) -> None:
        """Leave My Page (退会); logins end.

        Raises:
            PendingApplicationError: a self-made application is pending.
            WrongStateError: the account is not active.
        """
        self._require_active(now, policies, "only an active account can be withdrawn")
        if any(application.is_pending_self_made for application in self.applications):
            raise PendingApplicationError(
                f"account {self.id} has a self-made application pending; withdraw when it is decided or taken back"
            )
        self.login_sessions.clear()
        self.state, self.withdrawn_at = State.WITHDRAWN, now
        self._record(TransitionKind.WITHDRAW, State.ACTIVE, State.WITHDRAWN, at=now, actor=by)

    def reactivate(self, *, now: datetime, by: str, policies: Policies) -> None:
        """Reopen the account inside its window (アカウント再登録); the caller has seen that the password is right.

        Raises:
            WindowClosedError: the window is over.
            RetentionOverError: the purge is due, which does not ask for the window.
            WrongStateError: the account is not withdrawn, or nobody knows since when.
        """
        state = self.effective_state(now, policies.counter_only)
        if state is State.ACTIVE:
            raise WrongStateError(f"account {self.id} is active: there is nothing to reactivate; log in")
        if state is State.COUNTER_ONLY:
            raise WindowClosedError(
                f"the reactivation window of account {self.id} is over{self._since(policies.counter_only)}: "
                "an office counter can recover the account, or the person registers anew"
            )
        if self.withdrawn_at is None:
            raise WrongStateError(
                f"account {self.id} was withdrawn at an unknown time, so nobody knows whether its window is open; "
                "an office has to look"
            )
        self._require_retained(now, policies)
        self._reopen()
        self._record(TransitionKind.REACTIVATE, state, State.ACTIVE, at=now, actor=by)

    def recover(
        self,
        *,
        now: datetime,
        staff: str,
        office: str,
        email: str,
        password_hash: str,
        policies: Policies,
    ) -> None:
        """Reopen the account at an office counter, with new credentials; its job-seeking information stays.

        Whoever was registered online only is an office registrant from now on. An account withdrawn at an unknown
        time may be recovered too: nobody else could ever reopen it.

        Raises:
            RetentionOverError: the purge is due.
            WrongStateError: the account is active, or its window is open and the owner reactivates it alone.
        """
        state = self.effective_state(now, policies.counter_only)
        if state is State.ACTIVE:
            raise WrongStateError(f"account {self.id} is active: there is nothing to recover")
        if state is State.WITHDRAWN and self.withdrawn_at is not None:
            raise WrongStateError(
                f"account {self.id} is inside its reactivation window: "
                "the owner reactivates it with the old address and password"
            )
        self._require_retained(now, policies)
        self.login_sessions.clear()
        self.email, self.password_hash = email, password_hash
        self.registration = Registration.HELLOWORK
        self._reopen()
        self._record(TransitionKind.RECOVER, state, State.ACTIVE, at=now, actor=staff, office=office)

    def invalidate(self, *, now: datetime, by: str) -> None:
        """Make the job-seeking registration invalid: it ran out, or the person was hired. The years begin.

        Raises:
            WrongStateError: there is none, or it is invalid already.
        """
        job_seeking = self._require_job_seeking()
        if job_seeking.status == Status.INVALID:
            raise WrongStateError(f"the job-seeking registration of account {self.id} is invalid already")
        job_seeking.status, job_seeking.invalidated_at = Status.INVALID, now
        self._record(TransitionKind.INVALIDATE, Status.VALID, Status.INVALID, at=now, actor=by)

    def revalidate(self, *, now: datetime, by: str, policies: Policies, office: str | None = None) -> None:
        """Make the job-seeking registration valid again: the years stop, and start anew at the next invalidation.

        Allowed also where the years are over, as long as nothing is deleted: in doubt the person is kept. An office
        that does it has checked the registration, so an online registrant is an office registrant from now on.

        Raises:
            WrongStateError: there is none, or it is valid already; or the owner, who cannot log in, does it alone.
        """
        job_seeking = self._require_job_seeking()
        if office is None:
            self._require_active(now, policies, "an office can make its registration valid again")
        if job_seeking.status == Status.VALID:
            raise WrongStateError(f"the job-seeking registration of account {self.id} is valid already")
        job_seeking.status, job_seeking.invalidated_at = Status.VALID, None
        if office is not None:
            self.registration = Registration.HELLOWORK
        self._record(TransitionKind.REVALIDATE, Status.INVALID, Status.VALID, at=now, actor=by, office=office)

    def log_in(self, *, now: datetime, policies: Policies) -> LoginSession:
        """Return a new login session, for the caller to keep, who has seen that the password is right.

        Raises:
            WrongStateError: the account is not active.
        """
        self._require_active(now, policies, "nobody can log in to it")
        return LoginSession(account_id=self.id, created_at=now)

    def _require_active(self, now: datetime, policies: Policies, otherwise: str) -> None:
        state = self.effective_state(now, policies.counter_only)
        if state is not State.ACTIVE:
            raise WrongStateError(f"account {self.id} is {state}: {otherwise}")

    def _require_retained(self, now: datetime, policies: Policies) -> None:
        if self.job_seeking is not None and self.job_seeking.is_over(now, policies.purge):
            raise RetentionOverError(
                f"account {self.id} is to be deleted: its job-seeking registration has been invalid for "
                f"{policies.purge.years} years; an office has to make that valid first"
            )

    def _require_job_seeking(self) -> JobSeeking:
        if self.job_seeking is None:
            raise WrongStateError(f"account {self.id} has no job-seeking registration")
        return self.job_seeking

    def _since(self, window: CounterOnly) -> str:
        """Return when the window closed, for a message; empty where that is not known any more."""
        if self.withdrawn_at is None:
            return ""
        return f" since {window.due_from(self.withdrawn_at).astimezone(window.zone).isoformat()}"

    def _reopen(self) -> None:
        self.state, self.withdrawn_at, self.counter_only_at = State.ACTIVE, None, None

    def _record(self, kind: TransitionKind, before: str | None, after: str, **by_whom: datetime | str | None) -> None:
        self.history.append(Transition(kind=kind, from_state=before, to_state=after, **by_whom))
