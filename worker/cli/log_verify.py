"""`retention log verify`: is the log as it was written?"""

from functools import partial
from os.path import isfile

import click

from models.errors import Refused, Unverified
from models.proof import Head
from tasks.exported import exported_head
from tasks.known import heads_in
from tasks.verify import Verification
from tasks.verify import verify as verify_log
from worker.cli.given import read_given
from worker.cli.options import HEAD, as_json
from worker.cli.output import print_json, show
from worker.cli.verify_progress import VerifyProgress
from worker.database import connect
from worker.deployment import deployment

__all__ = ["verify"]

# Some ten seconds' work.
AGAIN_ACTIONS = 500_000


@click.command(epilog="Example: retention log verify --against s3://bucket/log")
@click.option("--head", "heads", type=HEAD, multiple=True, help="A head NUMBER:DIGEST that the chain must contain.")
@click.option("--against", metavar="URL_OR_FILE", help="An export, or a file with heads: the chain must contain them.")
@click.option("--whole", is_flag=True, help="Look at everything from the beginning, as with a head from outside.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Processes at work; by default as many as help.")
@as_json
def verify(*, heads: tuple[Head, ...], against: str | None, whole: bool, jobs: int | None, as_json: bool) -> None:
    """Verify the actions, receipts and links of the log; exit 6 at the first break, which is named.

    Of a log with more than 500,000 actions it looks at what came after the last verification, and at so many from
    before, each time at others: `--whole` at all of them. Without a head from outside it cannot tell the log from one
    written anew as a whole by somebody with every right.
    """
    known = [*heads, *(_known(against) if against else ())]
    here = deployment()
    connecting = partial(connect, here.addresses.database_url, pooled=False)
    with VerifyProgress() as progress:
        again = None if whole or known else AGAIN_ACTIONS
        found = verify_log(connecting, again=again, jobs=jobs, known=known, progress=progress.advance)
    if as_json:
        print_json(_document(found))
    if found.broken is not None:
        raise Unverified(f"the log is {found.broken}")
    if not as_json:
        held = f"; it contains {', '.join(map(str, known))}" if known else ""
        show(f"{_what(found)}: {found.receipts:,} receipts, {found.actions:,} actions, head {found.head}{held}.")


def _what(found: Verification) -> str:
    if found.after is None:
        return "The log is whole"
    return f"In order is all that came after receipt {found.after.number:,}, verified before, and a part of the rest"


def _known(against: str) -> list[Head]:
    if "://" not in against and isfile(against):  # noqa: PTH113 - `Path` fails where a name is too long
        return heads_in(read_given(against))
    head = exported_head(against)
    if head is None:
        raise Refused("nothing was exported to that place; see `retention log export`")
    return [head]


def _document(found: Verification) -> dict[str, object]:
    document: dict[str, object] = {
        "ok": found.broken is None,
        "receipts": found.receipts,
        "actions": found.actions,
        "head": None if found.head is None else str(found.head),
    }
    if found.after is not None:
        document["after"] = str(found.after)
    if found.broken is not None:
        each = found.broken
        fields = {"kind": each.kind.value, "receipt": each.receipt, "action": each.action, "detail": each.detail}
        document["break"] = fields
    return document
