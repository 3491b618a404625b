"""The object storage that documents lie in: whether it is there, and erasing files, several at a time.

Nothing here says which file: drivers' errors and log lines quote keys, which may hold personal data, so only an
error's kind leaves this module.
"""

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from time import monotonic
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from tasks.rules.storage_key import KeyFault

__all__ = ["ALREADY_GONE", "ERASED", "Store", "StoreEmptyError"]

ERASED = "erased"
ALREADY_GONE = "already_gone"
THREADS = 16
DRIVERS = ("fsspec", "s3fs", "gcsfs", "adlfs", "azure", "botocore", "aiobotocore", "aiohttp", "urllib3", "paramiko")


class StoreEmptyError(Exception):
    """Nothing at all is at the URL: more likely the wrong place, or a disk not mounted, than every file gone."""


class Store:
    """The files under one fsspec URL.

    Usage:
        Store("s3://bucket/documents").erase(["4711/1.pdf"], patience_seconds=5)  # → ["erased"]
    """

    def __init__(self, url: str) -> None:
        for name in DRIVERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._files, root = url_to_fs(url)
        self._root = root.rstrip("/")
        # Drivers with one connection, as that of FTP, mix up the answers to what is asked at the same time.
        parallel = self._files.async_impl or isinstance(self._files, LocalFileSystem | MemoryFileSystem)
        self._threads = THREADS if parallel else 1

    def erase(self, paths: Sequence[str], *, patience_seconds: float) -> list[str]:
        """Erase files; returns for each what came of it: `erased`, `already_gone`, a `KeyFault`, or an error's kind.

        What has not ended in time counts as failed with `TimeoutError`; should it end later, it was erased early.
        Where nothing at all is in the store, nothing is tried: to believe it would count every file as gone.
        """
        found, *_ = self._each(self._look, [""], patience_seconds)
        if found:
            return [found] * len(paths)
        outcomes = self._each(self._erase, paths, patience_seconds)
        if not {ERASED, ALREADY_GONE} & set(outcomes):
            type(self._files).clear_instance_cache()  # a broken connection is not used again
        return outcomes

    def count_present(self, paths: Sequence[str], *, patience_seconds: float) -> int:
        """Return how many of the files are there.

        Raises:
            StoreEmptyError: nothing is there at all, as far as one may look.
        """
        self._look("")
        return self._each(self._present, paths, patience_seconds).count("")

    def _each(self, do: Callable[[str], str], paths: Sequence[str], patience_seconds: float) -> list[str]:
        pool = ThreadPoolExecutor(self._threads)
        gives_up = monotonic() + patience_seconds
        futures = [pool.submit(do, path) for path in paths]
        wait(futures, timeout=max(gives_up - monotonic(), 0))
        pool.shutdown(wait=False, cancel_futures=True)
        return [_outcome(future) for future in futures]

    def _look(self, _: str) -> str:
        self._files.invalidate_cache()
        there = self._files.exists(self._root)
        if there and isinstance(self._files, LocalFileSystem):
            with os.scandir(self._root) as entries:
                there = next(entries, None) is not None
        if not there:
            raise StoreEmptyError
        return ""

    def _present(self, path: str) -> str:
        return "" if self._files.exists(f"{self._root}/{path}") else ALREADY_GONE

    def _erase(self, path: str) -> str:
        place = f"{self._root}/{path}"
        if isinstance(self._files, LocalFileSystem) and self._leads_out(place):
            return KeyFault.SYMBOLIC_LINK
        try:
            self._files.rm_file(place)
        except FileNotFoundError:
            return ALREADY_GONE
        return ERASED

    def _leads_out(self, place: str) -> bool:
        """Return whether a link on the way leads out of the store, or the file is one and what it means would stay."""
        root, file = Path(self._root).resolve(), Path(place)
        return file.is_symlink() or not file.parent.resolve().is_relative_to(root)


def _outcome(future: Future[Any]) -> str:
    if not future.done() or future.cancelled():
        return TimeoutError.__name__
    error = future.exception()
    return type(error).__name__ if error else str(future.result())
