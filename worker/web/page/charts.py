"""Charts of what was done and what is to come, drawn by the server at the width that the page shows them in."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from models import PolicyName
from worker.answers.days import read_days
from worker.web.access import Viewer
from worker.web.api.status import forecast
from worker.web.office import Here
from worker.web.page.bars import draw_bars
from worker.web.page.language import Language, language_of

__all__ = ["draw", "router"]

DAYS = 90
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

router = APIRouter(prefix="/charts")
Width = Annotated[int, Query(ge=240, le=2000)]


@router.get("/done/{policy}.svg")
def done(request: Request, office: Here, _: Viewer, policy: PolicyName, width: Width = 600) -> Response:
    """Draw how many accounts were acted on, on each of the last days, today included."""
    days = read_days(office.deployment, days=DAYS)["policies"][policy.value]
    return _svg(draw([(each["day"], each["accounts"]) for each in days], language_of(request), width))


@router.get("/ahead/{policy}.svg")
def ahead(request: Request, office: Here, person: Viewer, policy: PolicyName, width: Width = 600) -> Response:
    """Draw how many accounts fall due on each of the next days, as was last foreseen."""
    days = forecast(office, person, days=DAYS)["policies"][policy.value]["days"]
    return _svg(draw([(each["day"], each["accounts"]) for each in days], language_of(request), width))


def draw(days: Sequence[tuple[str, int]], language: Language, width: int) -> str:
    """Return bars by day as SVG; `days` are ISO dates with counts."""
    labels = [_label(date.fromisoformat(day), language) for day, _ in days]
    return draw_bars(labels, [count for _, count in days], width=width)


def _svg(drawing: str) -> Response:
    return Response(drawing, media_type="image/svg+xml")


def _label(day: date, language: Language) -> str:
    return f"{day.month}月{day.day}日" if language is Language.JA else f"{day.day} {MONTHS[day.month - 1]}"
