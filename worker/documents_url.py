"""The URL under which documents' files lie: one that fsspec knows, whose driver is installed, with a place in it."""

from importlib.util import find_spec

from fsspec.registry import get_filesystem_class, known_implementations, registry

__all__ = ["documents_url"]

SHOULD = (
    "the URL under which the files lie, such as file:///srv/documents, s3://bucket/documents, gs://bucket/documents "
    "or az://container/documents"
)
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure"}
LOCAL = ("file", "local")


def documents_url(url: str) -> str:
    """Return `url` without a slash at its end.

    Raises:
        ValueError: it is no such URL; the text says what it should be.
    """
    scheme, separator, rest = url.partition("://")
    place = rest.strip("/")
    if not separator or scheme not in {*known_implementations, *registry} or "::" in url or {"?", "#"} & set(url):
        raise ValueError(SHOULD)
    relative = scheme in LOCAL and not rest.startswith("/")  # to whichever directory a process was started in
    if relative or not place or not {"", ".", ".."}.isdisjoint(place.split("/")):
        raise ValueError(SHOULD)
    if not _is_installed(scheme):
        extra = EXTRAS.get(scheme)
        way = f"pip install 'retention-worker[{extra}]' brings it" if extra else "install the one fsspec names for it"
        raise ValueError(f"a URL whose driver is installed: that of {scheme}:// is not; {way}")
    return url.rstrip("/")


def _is_installed(scheme: str) -> bool:
    if scheme in registry:
        return True
    module = known_implementations[scheme]["class"].partition(".")[0]
    if module != "fsspec":
        # Only looked for: to import a driver takes as long as all the rest of a command.
        return find_spec(module) is not None
    try:
        get_filesystem_class(scheme)
    except ImportError:
        return False
    return True
