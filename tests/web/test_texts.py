"""The page's texts: the same keys in each language, each used, and one for whatever the worker can say."""

import json
import re

import pytest

from models import DecisionKind, PolicyName, SweepStatus
from models.account import Registration, State
from models.transition import TransitionKind
from tasks.rules.anomaly import Anomaly
from tasks.rules.gate import Gate
from tasks.rules.verdict import Level, Matter
from worker.web.page.language import Language
from worker.web.page.shell import HERE, texts
from worker.web.tokens import Role

# A key in quotes; one that a script or a template puts together; one of a group that is named.
WHOLE = re.compile(r"""["'`]([a-z_]+(?:\.[a-z_0-9]+)*)["'`]""")
SCRIPTED = re.compile(r"`((?:[a-z_]+\.|\$\{[^}`]+\}\.?)*(?:[a-z_]+|\$\{[^}`]+\}))`")
TEMPLATED = re.compile(r"""t\(((?:"[a-z_.]+"|[a-z]+)(?: ~ (?:"[a-z_.]+"|[a-z]+))+)\)""")
NAMED = re.compile(r"""named\("([a-z_]+)",""")

SAID = {
    "anomaly": list(Anomaly),
    "decision": list(DecisionKind),
    "gate": list(Gate),
    "policy": list(PolicyName),
    "registration": list(Registration),
    "role": [role.label for role in Role],
    "state": [*State, "gone"],
    "status": list(SweepStatus),
    "transition": list(TransitionKind),
    "verdict": [level.label for level in Level],
    "concern": list(Matter),
    "language": list(Language),
}


def sources():
    files = [*(HERE / "static" / "js").glob("*.js"), *(HERE / "templates").glob("*.html")]
    return {file.name: file.read_text(encoding="utf-8") for file in files}


def forms(text):
    return list(text.values()) if isinstance(text, dict) else [text]


def test_every_language_has_the_same_texts_in_the_same_order():
    english, japanese = (list(texts(each)) for each in Language)
    assert english == japanese


def test_every_text_names_the_same_values_in_every_language():
    for key, english in texts(Language.EN).items():
        named = [set(re.findall(r"\{\w+\}", " ".join(forms(each)))) for each in (english, texts(Language.JA)[key])]
        assert named[0] == named[1], key


def test_a_form_for_one_is_where_english_counts_and_none_is_empty():
    for language in Language:
        for key, text in texts(language).items():
            assert all(each.strip() for each in forms(text)), key
            if isinstance(text, dict):
                assert set(text) == ({"one", "other"} if language is Language.EN else {"other"}), key


def test_japanese_texts_are_japanese():
    spoken = {key: " ".join(forms(text)) for key, text in texts(Language.JA).items()}
    foreign = {key for key, text in spoken.items() if not re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", text)}
    assert foreign == {"language.en", "footer.api", "who"}


def patterns(source):
    """Every key that a source puts together, as a pattern in which the parts it fills in are free."""
    free = r"[a-z_0-9]+"
    for found in SCRIPTED.findall(source):
        if "${" in found and re.search("[a-z]", re.sub(r"\$\{.*?\}", "", found)):
            yield re.sub(r"\\\$\\\{.*?\\\}", lambda _: free, re.escape(found))
    for found in TEMPLATED.findall(source):
        parts = (re.escape(each.strip('"')) if each.startswith('"') else free for each in found.split(" ~ "))
        yield "".join(parts)
    for group in NAMED.findall(source):
        yield rf"{group}\.{free}"


def test_every_text_is_used():
    sources_of_all = sources().values()
    whole = {key for source in sources_of_all for key in WHOLE.findall(source)}
    together = re.compile("|".join({each for source in sources_of_all for each in patterns(source)}))
    unused = [key for key in texts(Language.EN) if key not in whole and not together.fullmatch(key)]
    assert unused == []


def test_every_text_that_is_asked_for_is_there():
    asked = set()
    for source in sources().values():
        asked |= set(re.findall(r"""\bt\(["'`]([a-z_]+(?:\.[a-z_0-9]+)*)["'`]""", source))
    assert len(asked) > 100
    assert asked - set(texts(Language.EN)) == set()


@pytest.mark.parametrize("group", SAID)
def test_whatever_the_worker_can_say_has_a_text(group):
    missing = [each for each in SAID[group] if f"{group}.{each}" not in texts(Language.EN)]
    assert missing == []


@pytest.mark.parametrize("act", re.findall(r"^  (\w+): \{ path", sources()["acts.js"], re.MULTILINE))
def test_every_act_is_named_explained_and_confirmed(act):
    for part in ("button", "title", "what", "done"):
        assert f"act.{act}.{part}" in texts(Language.EN)


def test_a_catalogue_is_plain_json_without_a_key_twice():
    for language in Language:
        source = (HERE / "static" / "texts" / f"{language.value}.json").read_text(encoding="utf-8")
        pairs = json.loads(source, object_pairs_hook=lambda found: [key for key, _ in found])
        assert len(pairs) == len(set(pairs))
