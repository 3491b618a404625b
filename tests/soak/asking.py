"""Somebody who looks at the web server every few seconds, as a Prometheus and an open page do."""

import time
from collections import Counter

import httpx
import psutil
from chaos.deployment import Deployment

__all__ = ["Asking"]

PATHS = "/metrics", "/api/v1/status"
PATIENCE_SECONDS = 20
MOST_SAID = 200


class Asking:
    """Asks, and keeps account of the answers.

    Attributes:
        answers: how often each path was answered by which status, or not at all.
        failed: where something else came than an answer that all is well: when it was asked for, when it came, in
            seconds since the soak began, and what.
    """

    def __init__(self, it: Deployment, began: float) -> None:
        self._it, self._began = it, began
        # A connection for each: the server ends one that was idle for as long as there is between two.
        alone = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(timeout=PATIENCE_SECONDS, limits=alone, trust_env=False)
        self.answers: Counter[str] = Counter()
        self.failed: list[tuple[float, float, str]] = []

    def ask(self) -> None:
        """Ask for each path once."""
        for path in PATHS:
            self._ask(path)

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _ask(self, path: str) -> None:
        asked = self._now()
        try:
            answered = self._client.get(f"http://127.0.0.1:{self._port()}{path}")
            answer, said = str(answered.status_code), answered.text
        except (httpx.HTTPError, psutil.Error, StopIteration) as error:
            answer, said = type(error).__name__, str(error)
        self.answers[f"{path} {answer}"] += 1
        if answer != "200":
            self.failed.append((asked, self._now(), f"{path} {answer}, {said[:MOST_SAID].strip()}"))

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _port(self) -> int:
        """Find the port that the server of the moment listens on; any that was free."""
        connections = psutil.Process(self._it.web.pid).net_connections("tcp")
        return next(each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN)
