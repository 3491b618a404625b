"""What a page's template is given: texts in its language, the time zone, the modules to load at once."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from starlette.templating import Jinja2Templates

from worker.web.office import Office
from worker.web.page.language import Language

__all__ = ["STATIC", "TEMPLATES", "shell", "texts"]

HERE = Path(__file__).parent
STATIC = HERE / "static"
TEMPLATES = Jinja2Templates(HERE / "templates")


@cache
def texts(language: Language) -> dict[str, str | dict[str, str]]:
    """Return a language's catalogue: texts by key; where a number decides, a text for each form."""
    catalogue: dict[str, str | dict[str, str]] = json.loads(
        (STATIC / "texts" / f"{language.value}.json").read_text(encoding="utf-8")
    )
    return catalogue


@cache
def modules() -> list[str]:
    """Return the URLs of all scripts, so that a browser fetches them at once and not one import after the other."""
    return sorted(f"/static/js/{each.name}" for each in (STATIC / "js").glob("*.js"))


def shell(office: Office, language: Language) -> dict[str, Any]:
    """Return what templates are given."""
    return {
        "t": _text_in(language),
        "language": language.value,
        "languages": [each.value for each in Language],
        "zone": office.deployment.zone.key,
        "modules": modules(),
    }


def _text_in(language: Language) -> Callable[[str], str]:
    catalogue = texts(language)

    def text(key: str) -> str:
        found = catalogue[key]
        if not isinstance(found, str):
            raise TypeError(f"{key} has forms for numbers, which templates know none of")
        return found

    return text
