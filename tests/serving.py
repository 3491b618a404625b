"""A real `retention serve` for the tests, on any free port, and those who ask it."""

import json
from collections.abc import Callable
from typing import Any

import httpx
from processes import Stack, until

from worker.web.tokens import Role, new_token

__all__ = ["Serving"]

PATIENCE_SECONDS = 60


class Serving:
    """A server process of one deployment.

    `tokens` are tokens by the names of their roles, one of each, unless it serves without any.
    """

    def __init__(self, stack: Stack, *, with_tokens: bool = True, log: str = "web", **changes: str) -> None:
        self.stack = stack
        self.log = stack.directory / f"{log}.log"
        made = {role.label: new_token(f"the {role.label}", role, None) for role in Role} if with_tokens else {}
        self.tokens = {role: token for role, (token, _) in made.items()}
        self.file = stack.directory / f"{log}.tokens"
        self.file.touch(0o600)
        self.file.write_text("".join(f"{entry.line()}\n" for _, entry in made.values()))
        settings = {"RETENTION_WEB_PORT": "0", "RETENTION_WEB_TOKENS_FILE": str(self.file)}
        self._settings = (settings if with_tokens else {"RETENTION_WEB_PORT": "0"}) | changes
        self.restart()

    def restart(self) -> None:
        """Start the process, after ending the one there is."""
        if hasattr(self, "process"):
            self.stop()
        before = len(self._said())
        self.process = self.stack.start("worker", "serve", log=self.log.stem, **self._settings)
        started = until(lambda: [each for each in self._said()[before:] if each["event"] == "web.started"], "it serves")
        self.port: int = started[0]["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> int:
        """End the process as an operator would; returns its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    def client(self, role: str | None = None, **headers: str) -> httpx.Client:
        """Return somebody who asks, with the token of a role or without one."""
        if role is not None:
            headers["Authorization"] = f"Bearer {self.tokens[role]}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False)

    def ask(self, path: str, role: str | None = "viewer", method: str = "GET", **how: Any) -> httpx.Response:
        """Ask once."""
        with self.client(role) as client:
            return client.request(method, path, **how)

    def act(self, path: str, role: str | None = "operator", reason: str = "a test", **told: Any) -> httpx.Response:
        """Act once."""
        return self.ask(path, role, "POST", json={"reason": reason} | told)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what the server's log says of one kind."""
        return [each for each in self._said() if each["event"] == name]

    def _said(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]


Serve = Callable[..., Serving]
