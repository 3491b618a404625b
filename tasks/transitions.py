"""What people do to an account: find it, lock it, let the model decide, all in one transaction.

Each method returns when its change is committed, or raises and has changed nothing. `now` is the database's clock,
read under the account's lock: of a person's act and the worker's, whoever has the lock first goes first, whole.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models import Account, Policies, Registration
from models.address import require_address, searchable
from models.errors import AddressTakenError, CredentialsError, NoSuchAccountError
from tasks.free_address import free_address
from tasks.guesses import Attempt, Guesses
from tasks.passwords import Passwords
from tasks.statements.accounts import (
    end_old_logins,
    lock_account,
    select_credentials,
    select_guess_key,
    select_purge,
)
from tasks.statements.sweeps import read_clock
from tasks.transaction import transaction

__all__ = ["OWNER", "Credentials", "Transitions", "gone", "locked"]

OWNER = "owner"
LOGINS_LOADED = 100


@dataclass(frozen=True, slots=True)
class Credentials:
    """An e-mail address and a password, as a person gives them; never shown by `repr`."""

    email: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Transitions:
    """Every way a person changes an account.

    Of an account that is gone, or never was, each method that is given its number raises NoSuchAccountError. All
    raise Unavailable where the database does not answer, or a batch has the account for too long.
    """

    engine: Engine
    policies: Policies
    passwords: Passwords
    guesses: Guesses

    def withdraw(self, account_id: int, *, by: str = OWNER) -> None:
        """Leave My Page.

        Raises:
            PendingApplicationError: a self-made application is pending.
            WrongStateError: the account is not active.
        """
        with self._changing() as session:
            account = locked(session, account_id)
            _end_old_logins(session, account_id)
            account.withdraw(now=_clock(session), by=by, policies=self.policies)

    def reactivate(self, credentials: Credentials, *, by: str = OWNER) -> int:
        """Reopen the account inside its window by its old address and password; returns its number.

        Raises:
            CredentialsError: they do not fit; nothing tells whether the address exists.
            TooManyAttemptsError: somebody may be guessing.
            WindowClosedError: they fit, and the window is over.
            RetentionOverError: they fit, and the account is only waiting to be deleted.
            WrongStateError: they fit, and the account is not withdrawn, or nobody knows since when.
            NoSuchAccountError: they fitted, and the account was deleted meanwhile.
        """
        with self._let_in(credentials) as (session, account):
            account.reactivate(now=_clock(session), by=by, policies=self.policies)
        return account.id

    def log_in(self, credentials: Credentials) -> int:
        """Open a login session; returns the account's number.

        Raises:
            CredentialsError: they do not fit; nothing tells whether the address exists.
            TooManyAttemptsError: somebody may be guessing.
            WrongStateError: they fit, and nobody can log in to the account.
        """
        with self._let_in(credentials) as (session, account):
            session.add(account.log_in(now=_clock(session), policies=self.policies))
        return account.id

    def recover(self, account_id: int, credentials: Credentials, *, staff: str, office: str) -> None:
        """Reopen the account at an office counter, with new credentials.

        Raises:
            WrongStateError: the account is active, or the owner can still reactivate it alone.
            RetentionOverError: it is only waiting to be deleted.
            AddressTakenError: another account has the address.
            Refused: the address is none, or the password is blank.
        """
        email, password_hash = require_address(credentials.email), self.passwords.hash(credentials.password)
        with self._changing() as session:
            account = locked(session, account_id)
            free_address(session, self.policies, email, by=staff, but_for=account_id)
            _end_old_logins(session, account_id)
            account.recover(
                now=_clock(session),
                staff=staff,
                office=office,
                email=email,
                password_hash=password_hash,
                policies=self.policies,
            )

    def register(
        self, credentials: Credentials, *, registration: Registration = Registration.ONLINE, by: str = OWNER
    ) -> int:
        """Open a new account with a new job-seeking registration; returns its number.

        An account past its window that still has the address, because the worker is late, is moved first.

        Raises:
            AddressTakenError: another account has the address; inside its window the message says to reactivate it.
            Refused: the address is none, or cannot be given away now; or the password is blank.
        """
        email, password_hash = require_address(credentials.email), self.passwords.hash(credentials.password)
        with self._changing() as session:
            free_address(session, self.policies, email, by=by)
            account = Account.register(
                now=_clock(session), by=by, email=email, password_hash=password_hash, registration=registration
            )
            session.add(account)
        return account.id

    def invalidate(self, account_id: int, *, by: str = OWNER) -> None:
        """Make the job-seeking registration invalid; the years begin.

        Raises:
            WrongStateError: there is none, or it is invalid already.
        """
        with self._changing() as session:
            locked(session, account_id).invalidate(now=_clock(session), by=by)

    def revalidate(self, account_id: int, *, by: str = OWNER, office: str | None = None) -> None:
        """Make the job-seeking registration valid again; the years stop.

        Raises:
            WrongStateError: there is none, or it is valid already; or no office does it, and nobody can log in.
        """
        with self._changing() as session:
            locked(session, account_id).revalidate(now=_clock(session), by=by, policies=self.policies, office=office)

    @contextmanager
    def _changing(self) -> Iterator[Session]:
        """Open a session in one transaction, which commits when the block ends."""
        with transaction(self.engine) as connection, Session(connection, expire_on_commit=False) as session:
            try:
                yield session
                session.flush()
            except IntegrityError as error:
                raise _meaning(error) from None

    @contextmanager
    def _let_in(self, credentials: Credentials) -> Iterator[tuple[Session, Account]]:
        """Lock the account that the credentials fit; what is done on the way does not depend on whether one does."""
        attempt, password_hash = self._look_up(credentials.email)
        self.guesses.admit(attempt)
        fits = self.passwords.fits(password_hash, credentials.password)
        if attempt.account_id is None or password_hash is None or not fits:
            raise CredentialsError(
                "address and password do not fit an account; "
                "after the reactivation window an office counter helps, or registering anew"
            )
        self.guesses.forget(attempt)
        renewed = self.passwords.renewed(password_hash, credentials.password)
        with self._changing() as session:
            account = locked(session, attempt.account_id)
            if account.password_hash not in (password_hash, None):
                raise CredentialsError("the password has just been changed; use the new one")
            yield session, account
            account.password_hash = renewed

    def _look_up(self, email: str) -> tuple[Attempt, str | None]:
        """Return an attempt to be counted, and the hash that the password has to fit."""
        with transaction(self.engine) as connection:
            key = connection.execute(select_guess_key()).scalar_one()
            self.guesses.expect(key)
            looked_up = connection.execute(select_credentials(), {"address": searchable(email)}).one()
        number, address, account_id, password_hash = looked_up
        return Attempt(number, key, account_id, address), password_hash


def locked(session: Session, account_id: int) -> Account:
    """Lock an account, waiting for a batch that has it.

    Raises:
        NoSuchAccountError: it is gone, or never was; says which.
    """
    account = session.scalar(lock_account(account_id))
    if account is None:
        raise gone(session, account_id)
    return account


def gone(session: Session, account_id: int) -> NoSuchAccountError:
    """Return what to say of an account that has no row: whether it was deleted, or never was."""
    purge_id = session.scalar(select_purge(account_id))
    if purge_id is None:
        return NoSuchAccountError(f"there is no account {account_id}")
    return NoSuchAccountError(
        f"account {account_id} was deleted for ever (action {purge_id} in the log); only opening a new My Page helps"
    )


def _end_old_logins(session: Session, account_id: int) -> None:
    """End older logins by a statement where there are very many: the model loads those that it ends."""
    session.execute(end_old_logins(account_id, newest=LOGINS_LOADED), execution_options={"synchronize_session": False})


def _meaning(error: IntegrityError) -> Exception:
    """Return what a refused row means: somebody else has taken the address in the meantime, or a fault of ours."""
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    if constraint in ("uq_accounts_address", "uq_accounts_email"):
        return AddressTakenError("another account has taken this e-mail address just now; log in to that one")
    return error


def _clock(session: Session) -> datetime:
    return session.scalars(read_clock()).one()
