"""Where embedded servers keep their data, their logs and their sockets."""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from models.errors import InvalidConfiguration

__all__ = ["Directories", "make_private"]

# A socket's path is at most 107 bytes on Linux and 103 elsewhere; the longer name of our two is PostgreSQL's.
LONGEST_SOCKET_DIRECTORY = 103 - len("/.s.PGSQL.5432")
# What needs no quoting in a URL, nor in PostgreSQL's list of socket directories.
PLAIN = re.compile(r"[A-Za-z0-9/._+-]+")
# Not what TMPDIR says, which may differ between processes that must meet there.
TEMPORARY = Path("/tmp")  # noqa: S108 - only a directory is made there, and it is refused unless private


@dataclass(frozen=True, slots=True)
class Directories:
    """Both are private to their owner.

    Attributes:
        data: data, logs and locks, under the var directory.
        sockets: under `data`, unless that path does not suit a socket.
    """

    data: Path
    sockets: Path

    @classmethod
    def of(cls, var: Path) -> Self:
        """Return the directories that belong to a var directory."""
        data = var.resolve() / "embedded"
        sockets = data / "sockets"
        if len(os.fsencode(sockets)) > LONGEST_SOCKET_DIRECTORY or not PLAIN.fullmatch(str(sockets)):
            digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
            sockets = TEMPORARY / f"retention-{os.geteuid()}-{digest}"
        return cls(data, sockets)


def make_private(directory: Path) -> None:
    """Make a directory that only its owner may enter, or make sure that it is one.

    Raises:
        InvalidConfiguration: it cannot be made, or belongs to somebody else.
    """
    way_out = "set RETENTION_VAR_DIRECTORY to a directory of your own, or both server URLs"
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise InvalidConfiguration(f"cannot make {directory}: {error.strerror}; {way_out}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise InvalidConfiguration(f"{directory} is not a directory but in its place; remove it, or {way_out}")
    if found.st_uid != os.geteuid():
        raise InvalidConfiguration(
            f"{directory} belongs to user {found.st_uid}, this process runs as user {os.geteuid()}; {way_out}"
        )
    directory.chmod(0o700)
