"""What somebody wrote never steers a terminal, and JSON stays the JSON it was."""

import json
import sys
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.printable import printable, printable_json

JOINERS = "\u200c\u200d"
# Text of any kind, and much of the kind that misbehaves.
texts = st.text(
    alphabet=st.characters(codec="utf-8") | st.sampled_from("\x00\x07\x1b\x7f\x9b\n\u2028\u202e\u2066\ufeff")
)


def steers(sign):
    return sign not in JOINERS and category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def test_each_sign_that_steers_or_hides_is_shown_as_an_escape():
    steering = [sign for sign in map(chr, range(sys.maxunicode + 1)) if steers(sign)]
    assert [sign for sign in steering if printable(sign) == sign] == []


@given(texts)
def test_what_is_printed_is_one_line_without_such_signs_and_tells_all_others(text):
    shown = printable(text)
    assert not any(map(steers, shown))
    assert [sign for sign in text if not steers(sign)] == list(printable("".join(s for s in text if not steers(s))))
    assert len(shown) >= len(text)


@given(st.dictionaries(texts, texts | st.integers() | st.lists(texts)))
def test_a_document_is_the_same_to_every_reader_of_json(document):
    written = printable_json(json.dumps(document, ensure_ascii=False, indent=2))
    assert json.loads(written) == document
    assert not any(steers(sign) for sign in written if sign != "\n")


@pytest.mark.parametrize(
    "text", ["履歴書 (最新)\u3000株式会社", "e\u0301 नमस्ते", "👩\u200d💻 ☎️ 🇯🇵", "\u05ea\u05d5\u05d3\u05d4", "a\u00a0b"]
)
def test_what_people_write_is_left_as_it_is(text):
    assert printable(text) == text


def test_an_escape_says_which_sign_it_was():
    assert printable("\x1b[2J\u202eevil\n\U000e0041") == r"\u001b[2J\u202eevil\n\udb40\udc41"
