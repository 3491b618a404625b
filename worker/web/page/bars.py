"""Bars by label, drawn as SVG that holds neither style nor script: the page's own style sheet colours them."""

import sys
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import pygal
from pygal.etree import etree

__all__ = ["draw_bars"]

# pygal leaves a finder for plugins of old there, of which Python 3.11 warns at every import to come; so nothing else is
# imported between it and this.
sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

# pygal takes lxml where that is installed, whose elements take none of ours. So a chart is the same whatever else is
# there.
etree.to_etree()

HEIGHT = 150
# What a date below the axis needs, in pixels.
LABEL_WIDTH = 74
MOST_MARKS = 4


def draw_bars(labels: Sequence[str], values: Sequence[int], *, width: int) -> str:
    """Return an SVG document with a bar for each value, titled with its label; `width` is in pixels, as it is shown."""
    step = max(1, -(-len(labels) * LABEL_WIDTH // width))
    marks = _marks(max(values, default=0))
    chart = pygal.Bar(
        width=width,
        height=HEIGHT,
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
        range=(0, marks[-1]),
        y_labels=marks,
        truncate_label=-1,
        value_formatter=_whole,
    )
    chart.add(None, values)
    chart.add_xml_filter(_bare)
    drawn: str = chart.render(is_unicode=True)
    return drawn


def _marks(most: int) -> list[int]:
    """Return round numbers from 0 to `most` or just above it: there are no parts of accounts."""
    step = next(step for step in _round_steps() if step * MOST_MARKS >= most)
    return list(range(0, max(most, 1) + step, step))


def _round_steps() -> Iterator[int]:
    return (factor * 10**power for power in count() for factor in (1, 2, 5))


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _bare(root: Element) -> Element:
    """Leave nothing but the drawing, with a title for each bar: the content policy lets no style or script in it."""
    for parent in list(root.iter()):
        for child in list(parent):
            if _is_extra(child):
                if parent.get("class") == "bar":
                    _entitle(parent, child)
                parent.remove(child)
        parent.attrib.pop("style", None)
    root.attrib.pop("id", None)
    root.set("aria-hidden", "true")  # the figures stand in the table beside
    return root


def _is_extra(element: Any) -> bool:
    # A comment's tag is a function.
    return callable(element.tag) or element.tag in ("defs", "title", "desc") or "overlay" in element.get("class", "")


def _entitle(bar: Element, description: Element) -> None:
    """Give a bar what its description says, the value first and the label after: browsers show a title."""
    if description.get("class") == "value":
        SubElement(bar, "title").text = description.text
    elif description.get("class") == "x_label":
        title = bar.find("title")
        if title is not None:
            title.text = f"{description.text}: {title.text}"
