"""What a test does to the server itself, as making a database or a role."""

from typing import Any

from sqlalchemy import text

from worker.database import connect

__all__ = ["Administration"]


class Administration:
    """Runs statements outside any transaction, as CREATE DATABASE wants; returns the first value where there is one."""

    def __init__(self, url: str) -> None:
        self._engine = connect(url, pooled=False)

    def __enter__(self):
        return self._run

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def _run(self, statement: str) -> Any:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            done = connection.execute(text(statement))
            return done.scalar() if done.returns_rows else None
