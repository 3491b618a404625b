"""Passwords: hashed by Argon2id, and compared at one cost whether there is something to compare with or not."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from models.errors import Refused

__all__ = ["Passwords"]


class Passwords:
    """Makes and compares hashes; the library's defaults follow RFC 9106."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobodys = self._hasher.hash("the password of nobody")

    def hash(self, password: str) -> str:
        """Return a hash with a salt of its own.

        Raises:
            Refused: the password is blank.
        """
        if not password.strip():
            raise Refused("the password is blank; give one")
        return self._hasher.hash(password)

    def fits(self, stored: str | None, password: str) -> bool:
        """Say whether `password` is the one of `stored`.

        Where nothing that can be read is stored, a hash of nobody's is compared instead and the answer is no, so
        that the time taken does not tell whether there is an account.
        """
        try:
            self._hasher.verify(stored or self._nobodys, password)
        except InvalidHashError:
            return self.fits(None, password)
        except VerificationError:
            return False
        return bool(stored)
