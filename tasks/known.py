"""Heads of the chain that were kept outside the database, in whichever file."""

from models.proof import Head
from tasks.rules.certificate import Certificate
from tasks.rules.segments import read_line

__all__ = ["heads_in"]


def heads_in(content: bytes) -> list[Head]:
    """Return the heads that a file holds: a list of them, one a line; a segment of an export; or a certificate.

    Raises:
        Unverified: it holds none.
    """
    lines = [line for line in content.splitlines(keepends=True) if line.strip()]
    for reading in (_listed, _ending):
        try:
            return reading(lines)
        except (ValueError, RecursionError):
            continue
    certificate = Certificate.read(content)
    certificate.check()
    return [certificate.head]


def _listed(lines: list[bytes]) -> list[Head]:
    return [Head.parse(line.decode()) for line in lines]


def _ending(lines: list[bytes]) -> list[Head]:
    last = read_line(lines[-1] if lines else b"")
    if isinstance(last, Head):
        return [last]
    raise ValueError("the last line holds no head")
