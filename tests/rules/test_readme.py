"""Both READMEs tell the same: the Japanese one must not fall behind."""

import re
from itertools import zip_longest
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
ENGLISH, JAPANESE = ((CHECKOUT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ja.md"))
# Words for people differ; so does what a placeholder or an argument's example says.
WORDS = re.compile(r'\s+# .*|"[^"]*"|NUMBER:DIGEST|番号:ダイジェスト')


def commands(readme):
    blocks = re.findall(r"^```\w*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    return [WORDS.sub("", line) for block in blocks for line in block.splitlines()]


def test_both_have_the_same_commands_and_the_same_table_of_commands():
    for one, other in zip_longest(commands(ENGLISH), commands(JAPANESE)):
        assert one == other
    tables = [re.findall(r"^\| (`.*?) \|", readme, re.MULTILINE) for readme in (ENGLISH, JAPANESE)]
    assert [WORDS.sub("", row) for row in tables[0]] == [WORDS.sub("", row) for row in tables[1]]


def test_both_lead_to_the_same_pages_and_to_each_other():
    to_english, to_japanese = (set(re.findall(r"\]\(([^)]+)\)", readme)) for readme in (JAPANESE, ENGLISH))
    assert to_english - {"README.md"} == to_japanese - {"README.ja.md"}
    assert "README.md" in to_english
    assert "README.ja.md" in to_japanese


def test_both_have_the_same_parts():
    parts = [len(re.findall(r"^## ", readme, re.MULTILINE)) for readme in (ENGLISH, JAPANESE)]
    assert parts[0] == parts[1]


@pytest.mark.parametrize("page", [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")], ids=lambda page: page.name)
def test_every_page_that_a_page_leads_to_is_there(page):
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert "://" in link or (page.parent / link).exists(), link
