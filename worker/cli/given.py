"""Files that a command is given to look at: read as a whole, but no more than any of ours could hold."""

import click

from models.errors import Unverified

__all__ = ["read_given"]

# A certificate with millions of links. What has no end, as a device, must not fill the memory.
LONGEST_BYTES = 256 * 1024 * 1024


def read_given(path: str) -> bytes:
    """Return what a file holds.

    Raises:
        BadParameter: it cannot be read.
        Unverified: it is too long to be one of ours.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a path as it was typed
            content = file.read(LONGEST_BYTES + 1)
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > LONGEST_BYTES:
        raise Unverified(f"{path} holds more than {LONGEST_BYTES:,} bytes, and so nothing that was written here")
    return content
