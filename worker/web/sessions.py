"""Browsers that are logged in: a signed cookie names a token's digest and a secret against forged requests."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from fastapi import Response
from itsdangerous import BadData, URLSafeTimedSerializer

__all__ = ["COOKIE", "Session", "Sessions"]

COOKIE = "retention_session"
LIFE = timedelta(hours=8)
SALT = "retention.session.v1"


@dataclass(frozen=True, slots=True)
class Session:
    """What a cookie says.

    Attributes:
        token: digest of the token it was made with; None for the local session without one.
        csrf: what an act has to repeat in a header, which no other site can read.
        ends_at: when the cookie is worth nothing.
    """

    token: str | None
    csrf: str
    ends_at: datetime


class Sessions:
    """Makes and reads the cookies of one deployment."""

    def __init__(self, secret: bytes, *, secure: bool) -> None:
        self._signed = URLSafeTimedSerializer(secret, salt=SALT, signer_kwargs={"digest_method": sha256})
        self._secure = secure

    def begin(self, response: Response, token: str | None) -> Session:
        """Give the browser a new cookie."""
        session = Session(token, token_urlsafe(32), datetime.now(UTC) + LIFE)
        response.set_cookie(
            COOKIE,
            self._signed.dumps([session.token, session.csrf]),
            max_age=round(LIFE.total_seconds()),
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )
        return session

    def read(self, cookie: str) -> Session | None:
        """Return what a cookie of ours says; None where it is not ours, or over."""
        try:
            (token, csrf), made_at = self._signed.loads(
                cookie, max_age=round(LIFE.total_seconds()), return_timestamp=True
            )
        except (BadData, TypeError, ValueError):
            return None
        return Session(token, csrf, made_at + LIFE)

    def end(self, response: Response) -> None:
        """Take the cookie away."""
        response.delete_cookie(COOKIE, secure=self._secure, httponly=True, samesite="strict")
