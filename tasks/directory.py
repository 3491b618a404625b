"""A directory in any filesystem that fsspec knows: whole files are added to it and read, none is ever changed.

Drivers' errors quote URLs and credentials, so only an error's kind leaves this module.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import NamedTemporaryFile
from typing import Any
from uuid import uuid4

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from models.errors import InvalidConfiguration, RetentionError, Unavailable

__all__ = ["Directory", "Part", "shown"]

PART = ".part"
# A receipt has 10,000 actions at most, of some 400 bytes each. What has no end must not fill the memory.
LONGEST_LINE_BYTES = 64 * 1024 * 1024
OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "tos", "obs", "b2"}
# Kinds of errors after which the same again is in vain; any other may be over in a minute.
WRONG = ("Permission", "Credential", "Auth", "Forbidden", "ADirectory", "NotImplemented", "ParamValidation")


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
        """Read a file line by line, each with its line break; of one that is longer than any of ours, a part."""
        with self.named_errors(), self.files.open(f"{self.root}/{name}", "rb") as file:
            while line := file.readline(LONGEST_LINE_BYTES):
                yield line

    def begin(self) -> "Part":
        """Begin a new file."""
        protocol = self.files.protocol
        protocols = {protocol} if isinstance(protocol, str) else set(protocol)
        return Upload(self) if protocols & OBJECT_STORES else Part(self)

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
    """A file that is being written under a name that no reader looks for, and moved when it is whole.

    That is one step within a filesystem, so whatever happens at whatever time, nothing half has the final name.
    """

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._path = f"{directory.root}/{uuid4().hex}{PART}"
        with directory.named_errors():
            try:
                self.file: Any = directory.files.open(self._path, "wb")
            except FileNotFoundError:
                directory.files.makedirs(directory.root, exist_ok=True)
                self.file = directory.files.open(self._path, "wb")

    def write(self, data: bytes) -> None:
        """Append to it."""
        with self.directory.named_errors():
            self.file.write(data)

    def keep(self, name: str) -> None:
        """Let it appear in the directory, whole and on disk, under its final name."""
        with self.directory.named_errors():
            if isinstance(self.directory.files, LocalFileSystem):
                self.file.flush()
                os.fsync(self.file.f.fileno())  # or a power cut could leave the name without the content
            self.file.close()
            self.directory.files.mv(self._path, f"{self.directory.root}/{name}")
            if isinstance(self.directory.files, LocalFileSystem):
                _sync(self.directory.root)

    def drop(self) -> None:
        """Take it away, as far as that is possible: what stays is in nobody's way and goes with the next writer."""
        with suppress(Exception):
            self.file.close()
            self.directory.files.rm_file(self._path)


class Upload(Part):
    """A file that is being written here and uploaded when it is whole.

    An object appears as a whole or not at all, and may then be locked: whoever writes it needs no right to delete.
    Its own writing would not do: an object is completed by closing it, and leaving a block by an error closes it too.
    """

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.file = NamedTemporaryFile(prefix="retention-")  # noqa: SIM115 - `keep` and `drop` close it

    def keep(self, name: str) -> None:
        """Upload it under its final name."""
        self.file.flush()
        with self.directory.named_errors():
            self.directory.files.put_file(self.file.name, f"{self.directory.root}/{name}")
        self.file.close()

    def drop(self) -> None:
        """Take it away."""
        self.file.close()


def _sync(directory: str) -> None:
    """Have the names in a directory written to disk as well."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def shown(url: str) -> str:
    """Return a URL without whatever may be secret in it: user, password and query."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    _, at, place = rest.rpartition("@")
    return f"{scheme}://{'…@' if at else ''}{place.split('?')[0]}"
