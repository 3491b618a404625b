"""The formats are promises to whoever holds a head, a certificate or an export: who changes one breaks them all."""

from datetime import UTC, datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.proof import (
    GENESIS,
    Head,
    action_digest,
    chained,
    merkle_path,
    merkle_root,
    microseconds,
    receipt_body,
    root_by_path,
)
from tasks.rules.records import ActionRecord, ReceiptRecord
from tasks.rules.segments import Segment, entry_line, head_line, header_line, read_header, read_line

TOKYO = ZoneInfo("Asia/Tokyo")


ACTION = {
    "id": 4711,
    "action": "purge",
    "account_id": 1842,
    "event_at": datetime(2021, 3, 31, 9, 30, 0, 1, tzinfo=UTC),
    "due_at": datetime(2026, 3, 31, 15, tzinfo=UTC),
    "acted_at": datetime(2026, 3, 31, 15, 30, 1, 999999, tzinfo=UTC),
    "sweep_id": 12,
    "receipt_id": 345,
}
INSTANTS = {name: microseconds(value) for name, value in ACTION.items() if isinstance(value, datetime)}
RECEIPT = {
    "id": 345,
    "sweep_id": 12,
    "action": "purge",
    "accounts": 1,
    "rows": {"messages": 7, "accounts": 1, "message_attachments": 0},
    "acted_at": datetime(2026, 3, 31, 15, 30, 1, 999999, tzinfo=UTC),
    "root": bytes(range(32)),
    "replays": None,
}


ACTION_DIGEST = "099b105e66100e0f485548e0efa50dab4ddadbe416156c900c4719152a2a5ed6"
BODY = "0132f5e6f40a7ec72abd5ae08769cafd8f7058a9cf6bba207af6a92e537c56bf"
BODY_OF_A_REPLAY = "b40a5b2f7b8a16ed6bb6fdaf982a39d57b2571440dbe67bb6a1fe3a5f644f163"
FIRST_DIGEST = "7108c7d24c37520c5685e5561bfa8c91aac6ee21b3eafeda5709865dcfd59abf"
# Over leaves of 32 equal bytes: 00…, 01…, 02…, and so on.
ROOTS = {
    1: "7f9c9e31ac8256ca2f258583df262dbc7d6f68f2a03043d5c99a4ae5a7396ce9",
    2: "28fb81e496897e0ce886f08602392e9239b65c659041e5202163e58ad898f444",
    3: "ba8d94b7fbcecae7b81c4c80574fe24734a6917bf9c1ecd66ff3e0c34ead4620",
    5: "85e20cac1f02fda7bcdb2fc3f908568c57018c77815f1fa361acad13994f08bf",
    8: "f907f23f76aa01b755a614d31ef9832909f44638b4590073301e61e6d01f9a1d",
}
CANONICAL_ACTION = "retention.action.v1|4711|purge|1842|1617183000000001|1774969200000000|1774971001999999|12|345"
CANONICAL_RECEIPT = (
    "retention.receipt.v1|345|12|purge|1|accounts=1,message_attachments=0,messages=7|1774971001999999|"
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f|"
)


def test_the_digest_of_an_action_stays_as_it_is():
    assert action_digest(ACTION).hex() == ACTION_DIGEST == sha256(CANONICAL_ACTION.encode()).hexdigest()


def test_an_instant_is_digested_alike_in_every_zone():
    elsewhere = {name: value.astimezone(TOKYO) for name, value in ACTION.items() if isinstance(value, datetime)}
    assert action_digest(ACTION | elsewhere).hex() == ACTION_DIGEST


def test_the_body_of_a_receipt_stays_as_it_is():
    assert receipt_body(RECEIPT).hex() == BODY == sha256(CANONICAL_RECEIPT.encode()).hexdigest()
    assert receipt_body(RECEIPT | {"replays": bytes(32)}).hex() == BODY_OF_A_REPLAY


def test_the_digest_of_a_receipt_stays_as_it_is():
    assert chained(GENESIS, 1, bytes.fromhex(BODY)).hex() == FIRST_DIGEST
    assert sha256(bytes(32) + b"\0\0\0\0\0\0\0\1" + bytes.fromhex(BODY)).hexdigest() == FIRST_DIGEST


def leaves(count):
    return [bytes([number % 256]) * 32 for number in range(count)]


@pytest.mark.parametrize(("count", "root"), ROOTS.items())
def test_the_roots_stay_as_they_are(count, root):
    assert merkle_root(leaves(count)).hex() == root


def tree_hash(entries):
    """The tree as RFC 9162, section 2.1.1, defines it: cut at the largest power of two."""
    if len(entries) == 1:
        return sha256(b"\0" + entries[0]).digest()
    cut = 1 << (len(entries) - 1).bit_length() - 1
    return sha256(b"\1" + tree_hash(entries[:cut]) + tree_hash(entries[cut:])).digest()


@given(st.integers(1, 200), st.data())
def test_the_tree_is_that_of_the_standard_and_every_path_leads_to_its_root(count, data):
    root = merkle_root(leaves(count))
    assert root == tree_hash(leaves(count))
    index = data.draw(st.integers(0, count - 1))
    assert root_by_path(leaves(count)[index], merkle_path(leaves(count), index)) == root


@pytest.mark.parametrize(
    "text",
    ["5", "5:", ":" + "0" * 64, "05:" + "0" * 64, "5:" + "A" * 64, "5:" + "0 " * 32, "-1:" + "0" * 64, "[" * 100_000],
)
def test_what_is_no_head_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match=r"^a head NUMBER:DIGEST was expected$"):
        Head.parse(text)


SEGMENT = (
    '{"format":"retention.export.v1","segment":3,"follows":"6:' + "0" * 64 + '"}\n'
    '{"receipt":{"id":345,"number":7,"sweep_id":12,"action":"purge","accounts":1,'
    '"rows":{"messages":7,"accounts":1,"message_attachments":0},"acted_at":"2026-03-31T15:30:01.999999+00:00",'
    '"root":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f","replays":null,'
    '"previous":"' + "0" * 64 + '","digest":"' + FIRST_DIGEST + '"},'
    '"actions":[{"id":4711,"action":"purge","account_id":1842,"event_at":"2021-03-31T09:30:00.000001+00:00",'
    '"due_at":"2026-03-31T15:00:00.000000+00:00","acted_at":"2026-03-31T15:30:01.999999+00:00",'
    '"sweep_id":12,"receipt_id":345,"digest":"' + ACTION_DIGEST + '"}]}\n'
    '{"head":"7:' + FIRST_DIGEST + '"}\n'
).encode()


def test_a_segment_stays_as_it_is():
    place = {"number": 7, "previous": GENESIS, "digest": bytes.fromhex(FIRST_DIGEST)}
    receipt = ReceiptRecord(**RECEIPT | place | {"acted_at": INSTANTS["acted_at"]})
    action = ActionRecord(**ACTION | INSTANTS, digest=bytes.fromhex(ACTION_DIGEST))
    head = Head(7, receipt.digest)
    segment = Segment(3, 7, *head)
    assert segment.name == f"000003-000000000007-000000000007-{FIRST_DIGEST}.jsonl"
    assert header_line(3, Head(6, GENESIS)) + entry_line(receipt, [action]) + head_line(head) == SEGMENT
    header, line, end = SEGMENT.splitlines(keepends=True)
    assert read_header(header, segment) == Head(6, GENESIS)
    assert read_line(line) == (receipt, [action])
    assert read_line(end) == head
