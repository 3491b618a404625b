"""Which keys name a file that may be erased, and which could lead elsewhere."""

import re
from enum import StrEnum
from unicodedata import category

__all__ = ["IN_USE", "LONGEST", "KeyFault", "fault_of", "path_under", "spellings"]

IN_USE = "in_use"
# Signs. No store takes as many in a name, and no local file has a longer path; an application may have written more.
LONGEST = 4096

# In these stores every sign but the slash is one of the name; drivers of others read a version behind ? and #.
LITERAL_SCHEMES = ("file", "local", "memory")
URL_LIKE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
UNWRITABLE = ("Cc", "Cs")


class KeyFault(StrEnum):
    """Why a key is refused."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    CONTROL_CHARACTER = "control_character"
    BACKSLASH = "backslash"
    PERCENT_ENCODED = "percent_encoded"
    VERSION = "version"
    OUTSIDE = "outside"
    DOTS_OR_DOUBLE_SLASH = "dots_or_double_slash"
    SYMBOLIC_LINK = "symbolic_link"


def fault_of(key: str, prefix: str) -> KeyFault | None:
    """Return why the file named by `key` may not be erased under `prefix`; None where it may.

    A key that could be read in two ways is refused, for erasing the wrong file cannot be undone, while a
    refused key is only shown.

    Args:
        key: as the document had it: relative to `prefix`, or a full URL inside it.
        prefix: URL under which all files lie, without a slash at its end.
    """
    inside = path_under(key, prefix)
    full = inside != key
    faults = {
        KeyFault.EMPTY: not inside.strip(),
        KeyFault.TOO_LONG: len(key) > LONGEST,
        KeyFault.CONTROL_CHARACTER: any(category(sign) in UNWRITABLE for sign in key),
        KeyFault.BACKSLASH: "\\" in key,
        KeyFault.OUTSIDE: inside.startswith("/") or bool(URL_LIKE.match(inside)),
        # Some programs write URLs encoded, others do not; a relative key is no URL, and means what it says.
        KeyFault.PERCENT_ENCODED: full and "%" in key,
        KeyFault.VERSION: bool({"?", "#"} & set(key)) and (full or _scheme(prefix) not in LITERAL_SCHEMES),
        KeyFault.DOTS_OR_DOUBLE_SLASH: not {"", ".", ".."}.isdisjoint(inside.split("/")),
    }
    return next((fault for fault, found in faults.items() if found), None)


def path_under(key: str, prefix: str) -> str:
    """Return a key's path relative to `prefix`: the key itself, unless it is a full URL inside."""
    return key.removeprefix(f"{prefix}/")


def spellings(key: str, prefix: str) -> list[str]:
    """Return both ways in which a document may name the file of `key`."""
    path = path_under(key, prefix)
    return [path, f"{prefix}/{path}"]


def _scheme(prefix: str) -> str:
    return prefix.partition("://")[0]
