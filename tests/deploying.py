"""What is shipped to deploy the worker, read as the tools that use it read it."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from worker.settings import FROM_FILES, Settings

__all__ = [
    "CHECKOUT",
    "LEFT_OUT",
    "compose_text",
    "known_variables",
    "make_secrets",
    "systemd_analyze",
    "yaml_documents",
]

CHECKOUT = Path(__file__).parents[1]
LEFT_OUT = (
    "NOT RUN: what systemd itself says of the units, in tests/rules/test_units.py, for there is no systemd here. "
    "Install it (Debian: apt install systemd); nothing of it has to run."
)
GIVEN = {"SECRETS_UID": "1000", "SECRETS_GID": "1000"}
# Without another in it, so that the innermost is replaced first.
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^${}]*))?\}")


def compose_text(**chosen: str) -> str:
    """Return docker-compose.yml as it is with nothing in .env but what is chosen and what `make secrets` writes."""
    given = GIVEN | chosen
    text = (CHECKOUT / "docker-compose.yml").read_text()
    while VARIABLE.search(text):
        text = VARIABLE.sub(partial(_filled, given), text)
    return text


def _filled(given: Mapping[str, str], found: re.Match[str]) -> str:
    if found["kind"] == "-":
        return given.get(found["name"], found["text"])
    return given[found["name"]]


def systemd_analyze() -> str | None:
    """Return the path of the program that judges units, None where there is no systemd."""
    return shutil.which("systemd-analyze")


def make_secrets(checkout: Path) -> Path:
    """Run the script of `make secrets` in a directory as if it were the checkout; returns where the secrets are."""
    script = Path("deploy", "compose", "make-secrets.sh")
    (checkout / script).parent.mkdir(parents=True, exist_ok=True)
    (checkout / script).write_bytes((CHECKOUT / script).read_bytes())
    subprocess.run(["sh", checkout / script], check=True, capture_output=True)
    return checkout / "secrets"


def yaml_documents(*paths: Path) -> list[dict[str, Any]]:
    """Return all documents of these files."""
    return [document for path in paths for document in yaml.safe_load_all(path.read_text()) if document]


def known_variables() -> set[str]:
    """Return the names of all settings."""
    return {f"RETENTION_{name.upper()}" for name in Settings.model_fields} | FROM_FILES.keys()
