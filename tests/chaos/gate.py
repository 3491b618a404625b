"""A proxy before PostgreSQL that knows how far a sweep has come, and lets something happen right there."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock, Thread

from sqlalchemy import make_url

__all__ = ["Gate", "Outcome", "Point", "gate"]


class Point(StrEnum):
    """How far a sweep has come: its next statement has arrived here, and the server has not got it; or any instant."""

    TICK = "before a tick is claimed"
    START = "before a sweep starts"
    CLAIM = "before the claim"
    ACT = "before it acts"
    COUNT = "before it is counted"
    CHAIN = "before it is chained"
    RECEIPT = "before its receipt"
    COMMIT = "before the commit"
    ANSWER = "before the commit's answer"
    END = "before a sweep ends"
    ERASED = "before an erased file's key goes"
    MOMENT = "at a random moment"


class Outcome(StrEnum):
    """What becomes of a statement that was held, once what was to happen has happened."""

    PASSED = "passed on"
    CUT = "cut before the server has it"
    UNANSWERED = "passed on, and the connection cut before the answer"


# What each statement says that no other of a worker's says.
SAYS = {
    Point.TICK: ("INSERT INTO sweeps",),
    Point.START: ("started_at=coalesce",),
    Point.CLAIM: ("SKIP LOCKED", "job_seekings"),
    Point.ACT: ("INSERT INTO actions",),
    Point.COUNT: ("UPDATE sweeps SET accounts",),
    Point.CHAIN: ("UPDATE chain_heads",),
    Point.RECEIPT: ("INSERT INTO receipts",),
    Point.END: ("reconciled_to=greatest",),
    Point.ERASED: ("DELETE FROM doomed_files",),
}
Strike = Callable[[], Outcome]


class Gate:
    """The proxy on a socket of its own.

    Attributes:
        url: the database, by way of this proxy.
        reached: set once the armed point was reached and what was to happen there has happened.
        process: the number of the process that came there last.
    """

    def __init__(self, database_url: str, directory: str) -> None:
        url = make_url(database_url)
        self._server = f"{url.query['host']}/.s.PGSQL.{url.query.get('port', 5432)}"
        self.url = url.update_query_dict({"host": directory, "port": "5432"}).render_as_string(hide_password=False)
        self.reached = Event()
        self.process = 0
        self._armed: tuple[Point, Strike] | None = None
        self._skipped = 0
        self._arming = Lock()
        self._sessions: set[tuple[socket.socket, socket.socket]] = set()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(Path(directory, ".s.PGSQL.5432")))
        self._listening.listen(100)
        Thread(target=self._accept, daemon=True).start()

    def arm(self, point: Point, strike: Strike, *, skipped: int = 0) -> None:
        """Let `strike` happen when somebody reaches a point, while the statement there, or its answer, is held.

        The first that come there, so many as are to be `skipped`, are let pass.
        """
        self.reached.clear()
        self._skipped = skipped
        self._armed = (point, strike)

    def cut(self) -> int:
        """Break every connection, on both sides; returns how many there were."""
        sessions = list(self._sessions)
        for each in (end for session in sessions for end in session):
            with suppress(OSError):  # it has just ended by itself
                each.shutdown(socket.SHUT_RDWR)
        return len(sessions)

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(self._server)
            except OSError:
                return
            self._sessions.add((client, server))
            answering = Lock()
            answers = Thread(target=_answer, args=(server, client, answering), daemon=True)
            answers.start()
            with suppress(OSError):
                self._listen_to(client, server, answering)
            # It ends the session, after what it was sent.
            with suppress(OSError):
                server.shutdown(socket.SHUT_WR)
            answers.join()
            self._sessions.discard((client, server))

    def _listen_to(self, client: socket.socket, server: socket.socket, answering: Lock) -> None:
        spoken, process = _Spoken(), _process_of(client)
        while sent := client.recv(65536):
            at = spoken.hear(sent)
            outcome = self._strike(at, process)
            if outcome is Outcome.PASSED and at is Point.COMMIT and self._is_armed(Point.ANSWER):
                with answering:
                    server.sendall(sent)
                    outcome = self._strike(Point.ANSWER, process)
                    if outcome is not Outcome.PASSED:
                        client.shutdown(socket.SHUT_RDWR)
                        return
                continue
            if outcome is Outcome.PASSED:
                server.sendall(sent)
                continue
            client.shutdown(socket.SHUT_RDWR)
            if outcome is Outcome.UNANSWERED:
                server.sendall(sent)
            return

    def _is_armed(self, point: Point) -> bool:
        return self._armed is not None and self._armed[0] is point

    def _strike(self, point: Point | None, process: int) -> Outcome:
        with self._arming:
            if point is None or not self._is_armed(point):
                return Outcome.PASSED
            if self._skipped:
                self._skipped -= 1
                return Outcome.PASSED
            assert self._armed is not None
            (_, strike), self._armed = self._armed, None
            self.process = process
        try:
            return strike()
        finally:
            self.reached.set()


class _Spoken:
    """Follows what a client asks for, through as much of the protocol as that takes: how far has it come?"""

    def __init__(self) -> None:
        self._rest = b""
        self._greeted = False
        self._prepared: dict[bytes, str] = {}
        self._of_a_batch = False

    def hear(self, sent: bytes) -> Point | None:
        """Return the point that is reached with what was just sent; None when it is none."""
        self._rest += sent
        found = None
        while (asked := self._next()) is not None:
            found = self._place(asked) or found
        return found

    def _place(self, asked: str) -> Point | None:
        if asked in ("COMMIT", "ROLLBACK"):
            ends, self._of_a_batch = self._of_a_batch and asked == "COMMIT", False
            return Point.COMMIT if ends else None
        for point, words in SAYS.items():
            if all(word in asked for word in words):
                self._of_a_batch |= point is Point.ACT
                return point
        return None

    def _next(self) -> str | None:
        """Take the next whole message; return the statement that it wants carried out, or nothing in words."""
        head = 1 if self._greeted else 0
        if len(self._rest) < head + 4:
            return None
        end = head + int.from_bytes(self._rest[head : head + 4])
        if len(self._rest) < end:
            return None
        kind, body, self._rest = self._rest[:head], self._rest[head + 4 : end], self._rest[end:]
        self._greeted = True
        match kind:
            case b"Q":
                return body.rstrip(b"\0").decode()
            case b"P":
                name, text, _ = body.split(b"\0", 2)
                self._prepared[name] = text.decode()
            case b"B":
                _, name, _ = body.split(b"\0", 2)
                return self._prepared.get(name, "")
        return ""


def _process_of(client: socket.socket) -> int:
    """Return the number of the process at the other end."""
    number, _, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return number


def _answer(server: socket.socket, client: socket.socket, answering: Lock) -> None:
    with suppress(OSError):
        while said := server.recv(65536):
            with answering, suppress(OSError):
                client.sendall(said)
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


@contextmanager
def gate(database_url: str) -> Iterator[Gate]:
    """Run the proxy while the block runs."""
    with TemporaryDirectory() as directory:
        proxy = Gate(database_url, directory)
        try:
            yield proxy
        finally:
            proxy.close()
