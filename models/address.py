"""E-mail address: what one must look like, and when two are the same."""

import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, func, literal_column

from models.errors import Refused

__all__ = ["address_key", "require_address", "searchable"]

LONGEST = 254  # RFC 5321
SPACES: ColumnElement[str] = literal_column(r"E' \t\n\x0B\f\r'")


def tidy(text: str) -> str:
    """Return an address as given, in NFKC and without surrounding space of any kind."""
    return unicodedata.normalize("NFKC", text).strip()


def searchable(text: str) -> str:
    """Return an address to be looked for: tidied, and what no database holds, surrogates and zeros, replaced."""
    return tidy(text).replace("\0", "?").encode(errors="replace").decode()


def require_address(text: str) -> str:
    """Return an address as it is stored: tidied, in the case given.

    Raises:
        Refused: it is no address. The message does not repeat it.
    """
    address = tidy(text)
    local, at, domain = address.rpartition("@")
    # Neither spaces nor controls, surrogates, and what is not assigned.
    odd = any(unicodedata.category(sign)[0] in "CZ" for sign in address)
    if not (local and at and domain) or odd or len(address) > LONGEST:
        raise Refused("that is no e-mail address; give one such as name@example.jp")
    return address


def address_key(email: SQLColumnExpression[Any]) -> ColumnElement[str]:
    """Return the SQL expression by which addresses are compared: NFKC, surrounding space and case do not count.

    Both sides of a comparison are brought into this form by the database, so that nothing depends on who wrote
    an address; a unique index holds the form.
    """
    return func.lower(func.btrim(func.normalize(email, literal_column("NFKC")), SPACES))
