"""Secrets that lie in files, as Docker, systemd and Kubernetes hand them over: read, or refused for a reason."""

import stat
from pathlib import Path

from models.errors import InvalidConfiguration

__all__ = ["LONGEST_BYTES", "read_secret"]

LONGEST_BYTES = 64 * 1024


def read_secret(path: Path, name: str) -> str:
    """Return what a file holds, without the white space around it.

    Args:
        path: of the file.
        name: of the variable or option that names it, for errors. What the file holds is in none of them.

    Raises:
        InvalidConfiguration: it is not there, blank, no text, not to be read, or to be read by everybody.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            content = file.read(LONGEST_BYTES + 1)
    except OSError as error:
        raise InvalidConfiguration(f"{name}: {path} cannot be read: {error.strerror}") from None
    if mode & stat.S_IROTH:
        raise InvalidConfiguration(
            f"{name}: {path} can be read by everybody (mode {mode:04o}); `chmod 640` it, or set `defaultMode: 0440` "
            "where it is a Kubernetes secret"
        )
    if len(content) > LONGEST_BYTES:
        raise InvalidConfiguration(f"{name}: {path} holds more than {LONGEST_BYTES:,} bytes, and so no secret of ours")
    try:
        secret = content.decode().strip()
    except UnicodeDecodeError:
        raise InvalidConfiguration(f"{name}: {path} holds no text in UTF-8") from None
    if not secret:
        raise InvalidConfiguration(f"{name}: {path} is blank")
    if not secret.isprintable():
        raise InvalidConfiguration(f"{name}: {path} holds more than one line, or control characters")
    return secret
