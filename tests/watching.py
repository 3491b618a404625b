"""A real Prometheus with our configuration and our rules, impatient, on one server of ours."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml
from monitored import RULES, program
from processes import until

__all__ = ["Watch", "Watching"]

EVERY = "1s"
PATIENCE_SECONDS = 60


class Watching:
    """A Prometheus process that scrapes and judges each second; what has to last minutes has to last a second."""

    def __init__(self, url: str, directory: Path) -> None:
        self._log = directory / "log"
        shutil.copytree(RULES, directory / "rules")
        configured = yaml.safe_load((RULES.parent / "prometheus.yml").read_text())
        configured["global"] |= {"scrape_interval": EVERY, "evaluation_interval": EVERY}
        configured["scrape_configs"][0]["static_configs"] = [{"targets": [url.removeprefix("http://")]}]
        (directory / "prometheus.yml").write_text(yaml.safe_dump(configured))
        for path in (directory / "rules").iterdir():
            path.write_text(re.sub(r"^( +for:) \w+$", rf"\1 {EVERY}", path.read_text(), flags=re.MULTILINE))
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    str(program("prometheus")),
                    f"--config.file={directory / 'prometheus.yml'}",
                    f"--storage.tsdb.path={directory / 'data'}",
                    "--web.listen-address=127.0.0.1:0",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        listens = until(self._listens, "Prometheus listens", PATIENCE_SECONDS)
        self._client = httpx.Client(base_url=f"http://{listens[1]}", timeout=PATIENCE_SECONDS, trust_env=False)
        until(lambda: self._client.get("/-/ready").status_code == httpx.codes.OK, "Prometheus is ready")

    def ask(self, path: str, **parameters: str) -> Any:
        """Ask its API."""
        answer = self._client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()["data"]

    def rules(self) -> dict[str, dict[str, Any]]:
        """Return every rule that was loaded, by its name, with how it fared."""
        return {rule["name"]: rule for group in self.ask("rules")["groups"] for rule in group["rules"]}

    def firing(self) -> dict[str, dict[str, str]]:
        """Return what fires now: labels by the alert's name."""
        return {
            each["labels"]["alertname"]: each["labels"]
            for each in self.ask("alerts")["alerts"]
            if each["state"] == "firing"
        }

    def manual(self, alert: str) -> set[str]:
        """Return where an alert that is active sends whom it wakes."""
        active = self.ask("alerts")["alerts"]
        return {each["annotations"]["runbook_url"] for each in active if each["labels"]["alertname"] == alert}

    def found(self, expression: str) -> list[dict[str, Any]]:
        """Return every series that an expression has a value of now."""
        series: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return series

    def value(self, expression: str) -> float | None:
        """Return the one value that an expression has; None where it has none."""
        found = self.found(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def stop(self) -> None:
        """End the process."""
        self._client.close()
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)

    def _listens(self) -> re.Match[str] | None:
        assert self._process.poll() is None, self._log.read_text()
        return re.search(r'msg="Listening on" address=(\S+)', self._log.read_text())


Watch = Callable[[str], Watching]
