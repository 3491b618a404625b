"""A certificate proves one action, with no database, to whoever has a head; whatever is changed in it is found."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from logs import a_log, unguarded
from sqlalchemy import select

from models import Action, PolicyName, Receipt
from models.errors import Refused, Unverified
from models.proof import Head
from tasks.certify import certify
from tasks.rules.certificate import Certificate


@pytest.fixture
def log(engine, policies):
    """Five receipts: of 3, 3 and 1 accounts moved, of 3 and 2 purged."""
    a_log(engine, policies, 7)
    a_log(engine, policies, 5, policy=PolicyName.PURGE)


def heads(engine):
    with engine.connect() as connection:
        return [Head(*row) for row in connection.execute(select(Receipt.number, Receipt.digest).order_by("number"))]


def written(certificate):
    return json.dumps(certificate.as_json(), indent=1)


@pytest.mark.usefixtures("log")
def test_every_action_is_certified_up_to_every_later_head(engine):
    known = heads(engine)
    with engine.connect() as connection:
        actions = connection.execute(
            select(Action.id, Action.account_id, Receipt.number).join(Receipt, Receipt.id == Action.receipt_id)
        ).all()
    assert len(actions) == 12
    for action_id, account_id, number in actions:
        for head in known[number - 1 :]:
            read = Certificate.read(written(certify(engine, action_id, to=head.number)).encode())
            read.check()
            assert (read.action.id, read.action.account_id) == (action_id, account_id)
            assert list(read.heads()) == known[number - 1 : head.number]
        assert certify(engine, action_id).head == known[-1]


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(("action", "to"), [(999, None), (4, 1), (4, 6)])
def test_what_cannot_be_certified_is_refused(engine, action, to):
    with pytest.raises(Refused, match=str(action)):
        certify(engine, action, to=to)


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE actions SET account_id = 1 WHERE id = 4",
        "UPDATE actions SET account_id = 1 WHERE id = 5",
        "DELETE FROM actions WHERE id = 5",
        "UPDATE receipts SET rows = '[]' WHERE number = 2",
        "UPDATE receipts SET rows = '[]' WHERE number = 4",
        "UPDATE receipts SET accounts = 2, digest = previous WHERE number = 3",
    ],
)
def test_a_log_that_was_changed_certifies_nothing(engine, statement):
    with engine.begin() as connection:
        unguarded(connection, statement)
    with pytest.raises(Unverified):
        certify(engine, 4)


@pytest.mark.usefixtures("log")
def test_another_account_cannot_be_put_into_a_certificate(engine):
    document = certify(engine, 4).as_json()
    other = certify(engine, 5).as_json()
    for part in ("action", "path"):
        with pytest.raises(Unverified):
            Certificate.read(json.dumps(document | {part: other[part]}).encode()).check()


SIGNS = st.sampled_from([*'0123456789abcdefABCDEF{}[]",:.+-TZ_ \n\\/u'])


def assert_found_or_harmless(certified, changed):
    """A changed text is refused, or says exactly what the unchanged one says."""
    try:
        read = Certificate.read(changed.encode())
        read.check()
    except Unverified:
        return
    if read.head != certified.head:
        return  # it is held against the head that is known
    assert read == certified
    assert "".join(changed.split()) == "".join(written(certified).split())


def test_any_sign_in_another_case_or_one_further_or_left_out_is_found(certified):
    text = written(certified)
    for index, sign in enumerate(text):
        for other in {sign.swapcase(), chr(ord(sign) ^ 1), "", sign + sign} - {sign}:
            assert_found_or_harmless(certified, text[:index] + other + text[index + 1 :])


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), sign=SIGNS | st.characters(codec="utf-8"), insert=st.booleans())
@example(place=0.0, sign="\ufeff", insert=True)
def test_any_other_sign_anywhere_is_found_or_is_harmless_whitespace(certified, place, sign, insert):
    text = written(certified)
    index = int(place * len(text))
    assert_found_or_harmless(certified, text[:index] + sign + text[index + (not insert) :])


@pytest.fixture
def certified(engine, log):
    """The certificate of an action of the second of five receipts."""
    return certify(engine, 4)


@pytest.mark.usefixtures("log")
def test_a_certificate_in_which_a_name_stands_twice_is_none(engine):
    text = written(certify(engine, 4))
    doubled = text.replace('"path":', '"format": "retention.certificate.v1", "path":', 1)
    assert json.loads(doubled) == json.loads(text)
    with pytest.raises(Unverified, match="twice"):
        Certificate.read(doubled.encode())


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"null", b"[" * 100_000, b"{}", b'{"format": "retention.certificate.v1"}', b"1" * 10_000],
)
def test_what_is_no_certificate_is_said_to_be_none(content):
    with pytest.raises(Unverified, match="this is no certificate"):
        Certificate.read(content)
