"""Where the server listens and under which URL it is reached: what follows for hosts, origins and cookies."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from worker.settings import DEFAULT_PORTS

__all__ = ["Site"]

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Site:
    """A server's place.

    Attributes:
        host: the address it listens on.
        port: the port; 0 for any that is free.
        url: the URL by which browsers reach it, without a path; None: the address itself.
    """

    host: str
    port: int
    url: str | None = None

    @property
    def is_loopback(self) -> bool:
        """Say whether only this machine reaches the address."""
        return _is_loopback(self.host)

    @property
    def is_local(self) -> bool:
        """Say whether it is meant for this machine alone: neither its address nor its URL leads here from another."""
        return self.is_loopback and (self.url is None or _is_loopback(urlsplit(self.url).hostname or ""))

    @property
    def is_in_clear(self) -> bool:
        """Say whether tokens and cookies come from other machines without TLS, as far as we are told."""
        if self.url is None:
            return not self.is_loopback
        return not self.is_https and not _is_loopback(urlsplit(self.url).hostname or "")

    @property
    def is_https(self) -> bool:
        """Say whether browsers reach it by TLS: then cookies are sent no other way."""
        return self.url is not None and self.url.startswith("https://")

    def is_own_host(self, host: str | None) -> bool:
        """Say whether a request that names `host` means this server, and not a name that was made to lead here."""
        if not host:
            return False
        host = host.lower()
        if self.url is not None and host in _names(self.url):
            return True
        if self.is_loopback:
            name = host if host.endswith("]") else host.rsplit(":", 1)[0]
            return name in LOOPBACK_NAMES or name == self.host
        return self.url is None

    def is_own_origin(self, origin: str, host: str | None) -> bool:
        """Say whether a page of `origin` is ours; `host` is what its request names."""
        if self.url is not None and origin == self.url:
            return True
        return origin == f"http://{host}" and not self.is_https


def _names(url: str) -> set[str]:
    """Return what browsers name in `Host` that come by a URL: its host, or any name of loopback's where it is one."""
    parts = urlsplit(url)
    hosts = {parts.netloc.rpartition("]")[0] + "]" if "]" in parts.netloc else parts.netloc.partition(":")[0]}
    if _is_loopback(parts.hostname or ""):
        hosts |= {*LOOPBACK_NAMES}
    ports = {f":{parts.port}"} if parts.port else {"", f":{DEFAULT_PORTS[parts.scheme]}"}
    return {host + port for host in hosts for port in ports}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
