"""Whatever a variable holds: the settings can be worked with, or one line names it and what it should hold."""

import os

import pytest
from fuzzing import examples, texts
from hypothesis import example, given
from hypothesis import strategies as st

from models.errors import InvalidConfiguration
from worker.app import create_app
from worker.printable import printable
from worker.servers import Addresses
from worker.settings import FROM_FILES, Settings, settings
from worker.web.server import listen
from worker.web.site import Site

NAMES = sorted({f"RETENTION_{name.upper()}" for name in Settings.model_fields} | FROM_FILES.keys())
ADDRESSES = Addresses("postgresql+psycopg://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1/0")
PASSWORD = "hun7er2"

SCHEMES = [
    "redis",
    "rediss",
    "redis+socket",
    "postgresql",
    "file",
    "memory",
    "http",
    "https",
    "s3",
    "unix",
    "zip",
    "simplecache",
]
JOINTS = ["://", ":", "/", "//", "?", "#", "@", "[", "]", "&", "=", "..", "~", "-", "*", "::", ",", "%"]
HOSTS = [
    "127.0.0.1",
    "[::1]",
    "localhost",
    "99999",
    "0",
    "%00",
    "%zz",
    "ssl_cert_reqs=required",
    "virtual_host=0",
    "virtual_host=",
]
TIMES_OF_DAY = ["08:00", "24:00", "08:00-20:00", "*/0", "60", "L", "5#5", "@daily", "0", "0", "31", "2", "30"]
OTHERS = ["Asia/Tokyo", "../UTC", "Etc/GMT+12", "nan", "inf", "1e999", "-0", "1_000", "true", "INFO"]
pieces = st.sampled_from([*SCHEMES, *JOINTS, *HOSTS, *TIMES_OF_DAY, *OTHERS, " "])
numbers = st.one_of(st.integers(), st.floats()).map(str)
values = texts | numbers | st.lists(pieces, min_size=1, max_size=8).map("".join)


def read(given_):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given_.items():
            patch.setenv(name, value)
        return settings.__wrapped__()


def assert_told(error, one_of):
    said = printable(str(error))
    assert len(said.splitlines()) == 1, said
    assert any(name in said for name in one_of), said
    assert PASSWORD not in said


@examples(300)
@given(st.dictionaries(st.sampled_from(NAMES), values, min_size=1, max_size=3))
@example({"RETENTION_PURGE_CRON": "0 0 31 2 *"})
@example({"RETENTION_PURGE_CRON": "*/7 0-0/1 L * 1#5"})
@example({"RETENTION_EXPORT_URL": "file://[::1"})
@example({"RETENTION_BROKER_URL": "redis://[::1"})
@example({"RETENTION_BROKER_URL": "redis+socket:///x?virtual_host=" + "9" * 5000})
@example({"RETENTION_TIMEZONE": "/etc/passwd"})
@example({"RETENTION_DATABASE_URL_FILE": "a\nb"})
def test_any_value_is_used_or_refused_by_name(given_):
    try:
        chosen = read(given_)
    except InvalidConfiguration as refused:
        assert_told(refused, one_of=given_)
        return
    app = create_app(chosen, ADDRESSES)
    app.close()
    assert chosen.limits
    assert all(policy.fingerprint for policy in chosen.policies)


@examples(100)
@given(texts.filter(lambda text: text and "=" not in text))
@example("X\nY")
def test_an_unknown_name_is_refused(name):
    variable = f"RETENTION_{name}"
    if variable not in NAMES:
        with pytest.raises(InvalidConfiguration, match="is not a known variable") as refused:
            read({variable: "1"})
        assert_told(refused.value, one_of=["RETENTION_"])


@examples(100)
@given(st.sampled_from([name for name in NAMES if name.endswith("_URL")]), st.lists(pieces, max_size=5).map("".join))
def test_a_refused_url_never_shows_its_password(name, rest):
    try:
        read({name: f"nowhere://somebody:{PASSWORD}@127.0.0.1/x?password={PASSWORD}{rest}"})
    except InvalidConfiguration as refused:
        assert_told(refused, one_of=[name])


@pytest.mark.parametrize("host", ["..", ".", "a" * 64, "é" * 64, "a..b", "\udcff", "::1%x", "[::1]", "。", "a" * 5000])
def test_an_address_that_is_none_is_refused(host):
    with pytest.raises(InvalidConfiguration) as refused:
        listen(Site(host, 0)).close()
    assert_told(refused.value, one_of=["RETENTION_WEB_HOST"])


def test_nothing_is_left_in_the_environment():
    assert not [name for name in os.environ if name.startswith("RETENTION_")]
