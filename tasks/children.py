"""Processes that share a task's work: they do not outlive whoever started them."""

import multiprocessing
import os
from multiprocessing.connection import wait
from threading import Thread

__all__ = ["end_with_parent"]


def end_with_parent() -> None:
    """End this process when its parent is gone, even by SIGKILL; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - runs in children only
    sentinel = parent.sentinel

    def follow() -> None:
        wait([sentinel])
        os._exit(1)

    Thread(target=follow, daemon=True).start()
