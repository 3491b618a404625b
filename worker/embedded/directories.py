"""Where embedded servers keep their data, their logs and their sockets."""

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from models.errors import InvalidConfiguration

__all__ = ["Directories"]

# The kernel's limit for the path of a socket is 107 bytes; the longest name in it is PostgreSQL's.
LONGEST_SOCKET_DIRECTORY = 107 - len("/.s.PGSQL.5432.lock")


@dataclass(frozen=True, slots=True)
class Directories:
    """Both are private to their owner.

    Attributes:
        data: data and logs, under the var directory.
        sockets: under `data`, unless that path is too long for a socket.
    """

    data: Path
    sockets: Path

    @classmethod
    def of(cls, var: Path) -> Self:
        """Return the directories that belong to a var directory, made if they are not there.

        Raises:
            InvalidConfiguration: they cannot be made, or belong to somebody else.
        """
        data = var / "embedded"
        sockets = data / "sockets"
        if len(os.fsencode(sockets)) > LONGEST_SOCKET_DIRECTORY:
            digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
            sockets = Path(tempfile.gettempdir()) / f"retention-{os.getuid()}-{digest}"
        for directory in (data, sockets):
            _make_private(directory)
        return cls(data, sockets)


def _make_private(directory: Path) -> None:
    way_out = "set RETENTION_VAR_DIRECTORY to a directory of your own, or both server URLs"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise InvalidConfiguration(f"cannot make {directory}: {error.strerror}; {way_out}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise InvalidConfiguration(
            f"{directory} belongs to user {found.st_uid}, this process runs as user {os.getuid()}; {way_out}"
        )
    directory.chmod(0o700)
