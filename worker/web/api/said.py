"""What the description of the API says about answers that are no success."""

from typing import Any

from worker.web.problems import MEDIA_TYPE, ProblemDocument

__all__ = ["PROBLEMS", "REFUSED", "THERE"]

TEXTS = {
    400: "What was sent is no JSON.",
    401: "No token, an unknown one, or one that has expired.",
    403: "The role is too low, or the page may be another site's.",
    404: "Nothing has that number.",
    409: "Understood and not done; the detail says why.",
    422: "Not what it should be; `errors` says where.",
    429: "Too many wrong tokens of late; wait.",
    503: "The database or the broker does not answer, or nothing is measured yet; try again.",
}


def said(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of these statuses."""
    schema = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
    return {code: {"description": TEXTS[code], "content": {MEDIA_TYPE: {"schema": schema}}} for code in codes}


PROBLEMS = said(400, 401, 403, 422, 503)
THERE = said(404)
REFUSED = said(404, 409)
