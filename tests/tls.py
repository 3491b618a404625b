"""TLS before the real servers: the embedded ones speak none, so a small server of this process ends it for them.

Certificates are made for each test, by a certificate authority of its own.
"""

import socket
import ssl
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trustme

__all__ = ["Authority", "served"]

SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # what libpq asks before anything else
PORTION = 65536


class Authority:
    """A certificate authority, with its certificate in a file."""

    def __init__(self, directory: Path, name: str) -> None:
        self._authority = trustme.CA()
        self.file = directory / f"{name}.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def context(self, *names: str) -> ssl.SSLContext:
        """Return what a server needs that proves to be one of these hosts."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*names).configure_cert(context)
        return context


@contextmanager
def served(behind: Path, context: ssl.SSLContext, *, postgresql: bool = False):
    """Serve TLS on 127.0.0.1 for a server on the socket `behind`; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as stack:
        stopping = threading.Event()

        def accept() -> None:
            while not stopping.is_set():
                with suppress(TimeoutError):
                    client, _ = listening.accept()
                    how = {"postgresql": postgresql}
                    threading.Thread(target=_talk, args=(client, behind, context), kwargs=how, daemon=True).start()

        listening.settimeout(0.1)
        accepting = threading.Thread(target=accept)
        accepting.start()
        stack.callback(accepting.join)
        stack.callback(stopping.set)
        yield listening.getsockname()[1]


def postgresql_socket(url: str) -> Path:
    """Return the socket that a URL of the embedded PostgreSQL names."""
    return Path(parse_qs(urlsplit(url).query)["host"][0]) / ".s.PGSQL.5432"


def broker_socket(url: str) -> Path:
    """Return the socket that a URL of the embedded Redis names."""
    return Path(urlsplit(url).path)


def _talk(client: socket.socket, behind: Path, context: ssl.SSLContext, *, postgresql: bool) -> None:
    # A client that does not trust us breaks off, which is what the tests are about.
    with suppress(OSError), client, socket.socket(socket.AF_UNIX) as server:
        if postgresql:
            if client.recv(8, socket.MSG_WAITALL) != SSL_REQUEST:
                return  # it wants to speak in the clear; we do not
            client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as secure:
            server.connect(str(behind))
            back = threading.Thread(target=_pass_on, args=(server, secure), daemon=True)
            back.start()
            _pass_on(secure, server)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while portion := source.recv(PORTION):
            target.sendall(portion)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
