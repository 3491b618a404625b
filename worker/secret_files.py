"""Secrets that lie in files, as Docker, systemd and Kubernetes hand them over: read, or refused for a reason."""

import os
import stat
from pathlib import Path

from models.errors import InvalidConfiguration

__all__ = ["LONGEST_BYTES", "read_private", "read_secret"]

LONGEST_BYTES = 64 * 1024
TOO_OPEN = {stat.S_IROTH: "read by everybody", stat.S_IWGRP | stat.S_IWOTH: "written by others than its owner"}


def read_secret(path: Path, name: str) -> str:
    """Return what a file holds, without the white space around it.

    Args:
        path: of the file.
        name: of the variable or option that names it, for errors. What the file holds is in none of them.

    Raises:
        InvalidConfiguration: it is blank, no text, or not to be read as `read_private` reads.
    """
    try:
        secret = read_private(path, name).decode().strip()
    except UnicodeDecodeError:
        raise InvalidConfiguration(f"{name}: {path} holds no text in UTF-8") from None
    if not secret:
        raise InvalidConfiguration(f"{name}: {path} is blank")
    if not secret.isprintable():
        raise InvalidConfiguration(f"{name}: {path} holds more than one line, or control characters")
    return secret


def read_private(path: Path, name: str, *, longest_bytes: int = LONGEST_BYTES) -> bytes:
    """Return what a file holds that only those who may know it can read, and only its owner can change.

    Its group may read it: that is how Kubernetes hands secrets over.

    Raises:
        InvalidConfiguration: it is not there, no file, not to be read, too long, read by all, or written by others.
    """
    try:
        with open(path, "rb", opener=_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InvalidConfiguration(f"{name}: {path} is no file; a pipe or a device may keep one waiting")
            content = file.read(longest_bytes + 1)
    except OSError as error:
        raise InvalidConfiguration(f"{name}: {path} cannot be read: {error.strerror}") from None
    mode = stat.S_IMODE(status.st_mode)
    wrong = [what for bits, what in TOO_OPEN.items() if mode & bits]
    if wrong:
        raise InvalidConfiguration(
            f"{name}: {path} can be {' and '.join(wrong)} (mode {mode:04o}); `chmod 640` it, or set "
            "`defaultMode: 0440` where it is a Kubernetes secret"
        )
    if len(content) > longest_bytes:
        raise InvalidConfiguration(f"{name}: {path} holds more than {longest_bytes:,} bytes, and so no secret of ours")
    return content


def _at_once(path: str, flags: int) -> int:
    """Open a file without waiting for anybody, as one would for whoever writes to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)
