"""Passwords: hashed by Argon2id, and compared at one cost whether there is something to compare with or not."""

from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, VerifyMismatchError

from models.errors import Refused

__all__ = ["Passwords"]


class Passwords:
    """Makes and compares hashes; the library's defaults follow RFC 9106."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()

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

        One comparison by our own parameters is computed in any case: where nothing is stored, or what is stored cannot
        be read, or was made by other parameters, it is with a hash of nobody's. So the time taken does not tell
        whether there is an account.
        """
        fits, computed = (False, False) if stored is None else self._compare(stored, password)
        if not computed:
            self._compare(self._nobodys, password)
        return fits

    def renewed(self, stored: str, password: str) -> str:
        """Return the hash to keep of a password that fits: the stored one, unless other parameters made it."""
        return self._hasher.hash(password) if self._hasher.check_needs_rehash(stored) else stored

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("the password of nobody")

    def _compare(self, stored: str, password: str) -> tuple[bool, bool]:
        """Return whether the password fits, and whether a comparison by our own parameters was computed."""
        try:
            is_ours = not self._hasher.check_needs_rehash(stored)
            self._hasher.verify(stored, password)
        except VerifyMismatchError:
            return False, is_ours
        except (Argon2Error, ValueError):  # it cannot be read
            return False, False
        return True, is_ours
