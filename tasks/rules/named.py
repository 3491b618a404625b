"""Who asks, and why: what a person gives with each act, to be recorded with it."""

from unicodedata import category, normalize

from models.errors import Refused

__all__ = ["LONGEST", "OURS", "fault", "require_named"]

OURS = ("beat", "worker")  # what is recorded for what they do by themselves

LONGEST = {"actor": 100, "reason": 1000}
UNWRITABLE = ("Cc", "Cs")  # controls, and what stands for bytes that are no text


def fault(name: str, text: str) -> str | None:
    """Say what is wrong with a text; None where nothing is.

    Args:
        name: `actor` and `reason` may have so many signs; any other as many as it likes.
        text: as it was given.
    """
    if not text.strip():
        return "is blank; say who, or why, or where"
    if any(category(sign) in UNWRITABLE for sign in text):
        return "holds a control character, or is not in UTF-8"
    if name in LONGEST and len(text) > LONGEST[name]:
        return f"has {len(text):,} signs; {LONGEST[name]:,} are enough"
    return None


def require_named(*, actor: object, reason: object) -> None:
    """Make sure that both can be recorded; they may come from a message, and so be anything.

    Raises:
        Refused: one is blank, too long, or nothing that could be written down; or the actor has a name of `OURS`.
    """
    for name, text in (("actor", actor), ("reason", reason)):
        found = fault(name, text) if isinstance(text, str) else "is no text"
        if found:
            raise Refused(f"{name} {found}")
    if _as_read(str(actor)) in OURS:
        raise Refused(f"actor may not be {' or '.join(OURS)}, which are recorded for what these do by themselves")


def _as_read(name: str) -> str:
    """Return a name as people read it: without signs that are not seen, or only look otherwise."""
    return "".join(sign for sign in normalize("NFKC", name) if category(sign) != "Cf").strip().casefold()
