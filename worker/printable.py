"""Texts that somebody else has written, made fit for a terminal: nothing in them steers it, or hides what they say."""

import json
import re

__all__ = ["printable", "printable_json"]

# Unicode's categories Cc, Cf, Cs, Zl, Zp: controls and escapes, marks and overrides of the direction of writing, what
# is invisible, lines' ends. But not the two joiners, which emoji and some scripts are spelt with.
ASCII_CONTROLS = "\x00-\x1f"
STEERING = (
    "\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
IN_TEXT = re.compile(f"[{ASCII_CONTROLS}{STEERING}]")
IN_JSON = re.compile(f"[{STEERING}]")


def printable(text: str) -> str:
    """Return a text in one line, with an escape in place of each sign that is no sign to be seen."""
    return IN_TEXT.sub(_escape, text)


def printable_json(document: str) -> str:
    """Return the same JSON document with such signs as its own escapes; controls of ASCII are those already."""
    return IN_JSON.sub(_escape, document)


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]
