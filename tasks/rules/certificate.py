"""A certificate: what proves one action to somebody who has a head of the chain and nothing else."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from models.errors import Unverified
from models.proof import Head, chained, merkle_path, root_by_path
from tasks.rules.records import (
    ActionRecord,
    ReceiptRecord,
    array_of,
    digest_of,
    fields_of,
    head_of,
    integer_of,
    without_doubles,
)

__all__ = ["Certificate"]

FORM = "retention.certificate.v1"
FIELDS = ("format", "action", "path", "receipt", "links", "head")
SIDES = ("left", "right")


@dataclass(frozen=True, slots=True)
class Certificate:
    """One action and all that leads from it to a head.

    Attributes:
        action: what was done.
        path: from the action to its receipt's root, as `models.proof.merkle_path` says.
        receipt: which names the root.
        links: the bodies of all later receipts up to the head, in order.
        head: where the chain ends for this certificate.
    """

    action: ActionRecord
    path: tuple[tuple[str, bytes], ...]
    receipt: ReceiptRecord
    links: tuple[bytes, ...]
    head: Head

    @classmethod
    def over(
        cls, action_id: int, receipt: ReceiptRecord, actions: Sequence[ActionRecord], links: Iterable[bytes], head: Head
    ) -> "Certificate":
        """Return the certificate of one of a receipt's actions."""
        index = next(index for index, each in enumerate(actions) if each.id == action_id)
        path = merkle_path([each.digest for each in actions], index)
        return cls(actions[index], tuple(path), receipt, tuple(links), head)

    def check(self) -> None:
        """Recompute everything from the action up to the head.

        Raises:
            Unverified: something does not lead where it should; the message names it.
        """
        action, receipt = self.action, self.receipt
        if action.recomputed() != action.digest:
            raise Unverified(f"what action {action.id} says does not lead to its digest")
        named = (action.receipt_id, action.sweep_id, action.action)
        if named != (receipt.id, receipt.sweep_id, receipt.action):
            raise Unverified(f"action {action.id} names another receipt, sweep or kind than its receipt has")
        if root_by_path(action.digest, self.path) != receipt.root:
            raise Unverified(f"action {action.id} is not under the root of receipt {receipt.number}")
        if chained(receipt.previous, receipt.number, receipt.body()) != receipt.digest:
            raise Unverified(f"what receipt {receipt.number} says does not lead to its digest")
        if list(self.heads())[-1] != self.head:
            raise Unverified(f"receipt {receipt.number} and the links do not lead to the head {self.head}")

    def heads(self) -> Iterator[Head]:
        """Return the chain's heads from the receipt on, as the links lead to them."""
        number, digest = self.receipt.number, self.receipt.digest
        yield Head(number, digest)
        for number, body in enumerate(self.links, number + 1):  # noqa: B020 - it goes on from there
            digest = chained(digest, number, body)
            yield Head(number, digest)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "format": FORM,
            "action": self.action.as_json(),
            "path": [[side, neighbour.hex()] for side, neighbour in self.path],
            "receipt": self.receipt.as_json(),
            "links": [body.hex() for body in self.links],
            "head": str(self.head),
        }

    @classmethod
    def read(cls, text: bytes) -> "Certificate":
        """Read a certificate; nothing is checked but its form.

        Raises:
            Unverified: it is none.
        """
        try:
            found = json.loads(text.decode(), object_pairs_hook=without_doubles, parse_int=integer_of)
            return cls._of_json(found)
        except (ValueError, RecursionError) as error:
            # The text of an error of JSON's own says where, and quotes nothing; nor does one of ours.
            raise Unverified(f"this is no certificate: {error}") from None

    @classmethod
    def _of_json(cls, value: object) -> "Certificate":
        found = fields_of(value, FIELDS)
        if found["format"] != FORM:
            raise ValueError(f"format {FORM} was expected")
        return cls(
            ActionRecord.of_json(found["action"]),
            tuple(_step(step) for step in array_of(found["path"])),
            ReceiptRecord.of_json(found["receipt"]),
            tuple(digest_of(link) for link in array_of(found["links"])),
            head_of(found["head"]),
        )


def _step(value: object) -> tuple[str, bytes]:
    if not (isinstance(value, list) and len(value) == len(SIDES) and value[0] in SIDES):
        raise ValueError("a step [left or right, digest] was expected")
    return value[0], digest_of(value[1])
