"""Browsers that are logged in: a signed cookie has the mark of a token and a secret against forged requests."""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from fastapi import Response
from itsdangerous import BadData, URLSafeTimedSerializer

from worker.web.ended import Ended

__all__ = ["COOKIE", "Session", "Sessions"]

COOKIE = "retention_session"
LIFE = timedelta(hours=8)
SALT = "retention.session.v2"


@dataclass(frozen=True, slots=True)
class Session:
    """What a cookie says.

    Attributes:
        mark: of the token it was made with; None for the local session without one.
        csrf: what an act has to repeat in a header, which no other site can read.
        ends_at: when the cookie is worth nothing.
    """

    mark: str | None
    csrf: str
    ends_at: datetime

    @property
    def name(self) -> str:
        """What an ended session is remembered by, which tells nothing of it."""
        return sha256(self.csrf.encode()).hexdigest()


class Sessions:
    """Makes and reads the cookies of one deployment."""

    def __init__(self, secret: bytes, ended: Ended, *, secure: bool) -> None:
        self._secret = secret
        self._ended = ended
        self._signed = URLSafeTimedSerializer(secret, salt=SALT, signer_kwargs={"digest_method": sha256})
        self._secure = secure

    def mark(self, digest: str) -> str:
        """Return what stands in cookies for the token of this digest: without our secret it leads to neither."""
        return hmac.digest(self._secret, f"{SALT} {digest}".encode(), "sha256").hex()

    def begin(self, response: Response, digest: str | None) -> Session:
        """Give the browser a new cookie, for the token of this digest."""
        session = Session(self.mark(digest) if digest else None, token_urlsafe(32), datetime.now(UTC) + LIFE)
        response.set_cookie(
            COOKIE,
            self._signed.dumps([session.mark, session.csrf]),
            max_age=round(LIFE.total_seconds()),
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )
        return session

    def read(self, cookie: str) -> Session | None:
        """Return what a cookie of ours says; None where it is not ours, over, or was ended."""
        try:
            (mark, csrf), made_at = self._signed.loads(
                cookie, max_age=round(LIFE.total_seconds()), return_timestamp=True
            )
        except (BadData, TypeError, ValueError):
            return None
        session = Session(mark, csrf, made_at + LIFE)
        return None if session.name in self._ended else session

    def end(self, response: Response, session: Session | None) -> None:
        """Take the cookie away, and accept it no more."""
        if session is not None:
            self._ended.add(session.name, session.ends_at)
        response.delete_cookie(COOKIE, secure=self._secure, httponly=True, samesite="strict")
