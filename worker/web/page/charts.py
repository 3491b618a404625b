"""Charts of what was done and what is to come, drawn here as SVG without styles of its own: the page's apply."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any
from xml.etree.ElementTree import Element, SubElement

import pygal
from fastapi import APIRouter, Query, Request, Response

from models import PolicyName
from worker.answers.days import read_days
from worker.web.access import Viewer
from worker.web.api.status import forecast
from worker.web.office import Here
from worker.web.page.language import Language, language_of

__all__ = ["draw", "router"]

DAYS = 90
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
# About as many days apart as leave room for a date below the axis, in units of the drawing.
LABEL_WIDTH = 74

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


def _svg(drawing: str) -> Response:
    return Response(drawing, media_type="image/svg+xml")


def draw(days: Sequence[tuple[str, int]], language: Language, width: int) -> str:
    """Return bars by day as SVG; `days` are ISO dates with counts, `width` is in pixels, as wide as it is shown."""
    labels = [_label(day, language) for day, _ in days]
    step = max(1, -(-len(days) * LABEL_WIDTH // width))
    chart = pygal.Bar(
        width=width,
        height=150,
        margin=2,
        spacing=6,
        js=[],
        css=[],
        no_prefix=True,
        disable_xml_declaration=True,
        show_legend=False,
        print_values=False,
        show_minor_x_labels=False,
        x_labels=labels,
        x_labels_major=labels[::step],
        range=(0, max([count for _, count in days], default=0) or 1),
        max_scale=4,
        min_scale=1,
        truncate_label=-1,
        formatter=_whole,
    )
    chart.add(None, [count for _, count in days])
    chart.add_xml_filter(_bare)
    drawn: str = chart.render(is_unicode=True)
    return drawn


def _label(day: str, language: Language) -> str:
    on = date.fromisoformat(day)
    return f"{on.month}月{on.day}日" if language is Language.JA else f"{on.day} {MONTHS[on.month - 1]}"


def _whole(value: Any) -> str:
    return f"{value:,.0f}" if value == round(value) else ""


def _bare(root: Element) -> Element:
    """Leave nothing but the drawing, with a title for each bar: the content policy lets no style or script in it."""
    for parent in list(root.iter()):
        for child in list(parent):
            overlay = "overlay" in child.get("class", "")
            if callable(child.tag) or child.tag in ("defs", "title", "desc") or overlay:
                _take_out(parent, child)
        parent.attrib.pop("style", None)
    root.attrib.pop("id", None)
    root.set("aria-hidden", "true")  # the figures stand in the table beside
    return root


def _take_out(parent: Element, child: Element) -> None:
    if parent.get("class") == "bar" and child.get("class") == "value":
        SubElement(parent, "title").text = child.text
    elif parent.get("class") == "bar" and child.get("class") == "x_label":
        title = parent.find("title")
        if title is not None:
            title.text = f"{child.text}: {title.text}"
    parent.remove(child)
