"""A directory in any filesystem that fsspec knows: whole files are added to it and read, none is ever changed.

Drivers' errors quote URLs and credentials, so only an error's kind leaves this module.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from models.errors import InvalidConfiguration, RetentionError, Unavailable

__all__ = ["Directory", "Part", "shown"]

PART = ".part"
# Kinds of errors after which the same again is in vain; any other may be over in a minute.
WRONG = ("Permission", "Credential", "Auth", "Forbidden", "NotADirectory", "NotImplemented", "ParamValidation")


class Directory:
    """Files under one fsspec URL, all of them directly in it.

    Usage:
        part = Directory("s3://bucket/log").begin()
        part.write(b"…")
        part.keep("000001.jsonl")  # now it is there, whole
    """

    def __init__(self, url: str) -> None:
        self.url = shown(url)
        should = "it should be a directory in a filesystem that fsspec knows, such as s3://bucket/log or /srv/log"
        if "::" in url:
            raise InvalidConfiguration(f"{self.url} is a chain of URLs; {should}")
        try:
            self.files, root = url_to_fs(url)
        except ImportError:
            missing = f"{self.url} needs a driver that is not installed; install the one that fsspec names for it"
            raise InvalidConfiguration(missing) from None
        except (ValueError, TypeError):
            raise InvalidConfiguration(f"{self.url} cannot be used; {should}") from None
        except Exception as error:  # noqa: BLE001 - of any driver
            raise self._named(error) from None
        self.root = root.rstrip("/") or "/"

    def names(self) -> list[str]:
        """Return the names of the files in it, in order; none where it does not exist yet."""
        with self.named_errors():
            self.files.invalidate_cache()
            try:
                found = self.files.ls(self.root, detail=False)
            except FileNotFoundError:
                return []
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in found)

    def lines(self, name: str) -> Iterator[bytes]:
        """Read a file line by line, each with its line break."""
        with self.named_errors(), self.files.open(f"{self.root}/{name}", "rb") as file:
            yield from file

    def begin(self) -> "Part":
        """Begin a new file."""
        path = f"{self.root}/{uuid4().hex}{PART}"
        with self.named_errors():
            try:
                return Part(self, path, self.files.open(path, "wb"))
            except FileNotFoundError:
                self.files.makedirs(self.root, exist_ok=True)
                return Part(self, path, self.files.open(path, "wb"))

    def clear_parts(self) -> None:
        """Remove what was begun and not kept by writers that did not live to; nobody else may be writing now."""
        for name in self.names():
            if name.endswith(PART):
                with self.named_errors(), suppress(FileNotFoundError):
                    self.files.rm_file(f"{self.root}/{name}")

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Replace a driver's errors by ours, which name its kind alone; only calls of the driver belong in it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - of any driver
            raise self._named(error) from None

    def _named(self, error: Exception) -> RetentionError:
        kind = type(error).__name__
        if any(word in kind for word in WRONG):
            return InvalidConfiguration(f"{self.url} cannot be used ({kind}); mend the URL or the rights")
        return Unavailable(f"{self.url} did not answer as it should ({kind}); try again")


class Part:
    """A file that is being written under a name that no reader looks for.

    Moving it is one step within a filesystem, and in an object store a copy that appears whole: whatever happens at
    whatever time, nothing half stands under the final name. Writing under the final name at once would not do in
    every object store: their files are completed by closing, which leaving a block by an error does as well.
    """

    def __init__(self, directory: Directory, path: str, file: Any) -> None:
        self._directory, self._path, self._file = directory, path, file

    def write(self, data: bytes) -> None:
        """Append to it."""
        with self._directory.named_errors():
            self._file.write(data)

    def keep(self, name: str) -> None:
        """Let it appear in the directory, whole and on disk, under its final name."""
        with self._directory.named_errors():
            if isinstance(self._directory.files, LocalFileSystem):
                self._file.flush()
                os.fsync(self._file.f.fileno())  # or a power cut could leave the name without the content
            self._file.close()
            self._directory.files.mv(self._path, f"{self._directory.root}/{name}")

    def drop(self) -> None:
        """Take it away, as far as that is possible: what stays is in nobody's way and goes with the next writer."""
        with suppress(Exception):
            self._file.close()
            self._directory.files.rm_file(self._path)


def shown(url: str) -> str:
    """Return a URL without whatever may be secret in it: user, password and query."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    _, at, place = rest.rpartition("@")
    return f"{scheme}://{'…@' if at else ''}{place.split('?')[0]}"
