"""The URL of a directory that the log is exported to: one that fsspec knows, with a place in it."""

from fsspec.registry import known_implementations, registry

__all__ = ["export_url"]

SHOULD = "the URL of a directory that fsspec knows, such as s3://bucket/log or file:///srv/log, or an absolute path"


def export_url(url: str) -> str:
    """Return `url` unchanged.

    Whether its driver is installed shows when it is used: to ask now would take as long as all the rest of a command.

    Raises:
        ValueError: it is no such URL; the text says what it should be.
    """
    scheme, separator, place = url.partition("://")
    known = scheme in {*known_implementations, *registry} and place.strip("/")
    relative = scheme in ("file", "local") and not place.startswith("/")  # to wherever a process was started
    if not (known and not relative if separator else url.startswith("/")) or "::" in url:
        raise ValueError(SHOULD)
    return url
