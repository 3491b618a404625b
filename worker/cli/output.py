"""How commands speak: one JSON document for programs, tables for people, messages on standard error."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.printable import printable, printable_json

__all__ = ["error_console", "print_json", "show", "table"]


# Without a terminal there is no width to respect: a wrapped line would break `grep` and `awk`.
WIDE = 10_000


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document, digests in hexadecimal; the only thing on standard output."""
    click.echo(printable_json(json.dumps(document, ensure_ascii=False, indent=2, default=bytes.hex)))


def console() -> Console:
    """Return the console for people; plain text when standard output is no terminal."""
    if _is_terminal():
        return Console(highlight=False, markup=False, soft_wrap=True)
    return Console(highlight=False, markup=False, width=WIDE)


@cache
def error_console() -> Console:
    """Return the console for messages and progress."""
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def show(*renderables: Any) -> None:
    """Print tables, or lines of text, for people."""
    lines = (printable(each) if isinstance(each, str) else each for each in renderables)
    console().print(*lines, sep="\n")


def table(title: str | None, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Return a table; numbers stand to the right."""
    columns = list(columns)
    drawn = Table(
        title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", show_header=any(columns)
    )
    filled = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = bool(filled) and all(isinstance(row[index], int) for row in filled)
        drawn.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in filled:
        drawn.add_row(*(_cell(value) for value in row))
    return drawn


def _cell(value: object) -> Text:
    """Return a value as text: what looks like markup or steers a terminal was written by somebody, and does neither."""
    if value is None:
        return Text("-")
    if isinstance(value, bytes):
        return Text(value.hex())
    return Text(f"{value:,}" if isinstance(value, int) else printable(str(value)))


def _is_terminal() -> bool:
    return Console().is_terminal
