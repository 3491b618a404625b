"""Which language somebody reads: the one chosen before, else the one their browser prefers, else English."""

from enum import StrEnum

from fastapi import Request

__all__ = ["COOKIE", "KEPT_SECONDS", "Language", "chosen", "language_of"]

COOKIE = "retention_language"
KEPT_SECONDS = 365 * 86_400


class Language(StrEnum):
    """A language that the page has all its texts in."""

    EN = "en"
    JA = "ja"


def chosen(request: Request) -> Language | None:
    """Return the language that the request's URL switches to; None where it does not."""
    return _known(request.query_params.get("lang"))


def language_of(request: Request) -> Language:
    """Return the language to answer in."""
    return _known(request.cookies.get(COOKIE)) or _preferred(request.headers.get("accept-language", ""))


def _preferred(header: str) -> Language:
    """Return what an Accept-Language header likes best of ours; what it gives no weight counts fully (RFC 9110)."""
    best, most = Language.EN, 0.0
    for part in header.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        language = _known(name.partition("-")[0])
        weight = _weight(parameters)
        if language is not None and weight > most:
            best, most = language, weight
    return best


def _weight(parameters: list[str]) -> float:
    given = [each.removeprefix("q=") for each in parameters if each.startswith("q=")]
    try:
        return float(given[0]) if given else 1.0
    except ValueError:
        return 0.0


def _known(name: str | None) -> Language | None:
    return Language(name) if name in [each.value for each in Language] else None
