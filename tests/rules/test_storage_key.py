from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.rules.patience import distance
from tasks.rules.storage_key import KeyFault, fault_of, path_under, spellings

S3, LOCAL = "s3://bucket/documents", "file:///srv/documents"


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("4711/1.pdf", "4711/1.pdf"),
        ("履歴書 (最新).pdf", "履歴書 (最新).pdf"),
        ("a%20b.pdf", "a%20b.pdf"),
        ("..hidden/...", "..hidden/..."),
        ("s3://bucket/documents/4711/1.pdf", "4711/1.pdf"),
    ],
)
def test_a_key_is_relative_or_a_full_url_inside(key, path):
    assert fault_of(key, S3) is None
    assert path_under(key, S3) == path


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("", KeyFault.EMPTY),
        (" ", KeyFault.EMPTY),
        ("a\0b", KeyFault.CONTROL_CHARACTER),
        ("a\nb", KeyFault.CONTROL_CHARACTER),
        ("a\\..\\b", KeyFault.BACKSLASH),
        ("..", KeyFault.DOTS_OR_DOUBLE_SLASH),
        ("../b", KeyFault.DOTS_OR_DOUBLE_SLASH),
        ("a/../../b", KeyFault.DOTS_OR_DOUBLE_SLASH),
        ("a/./b", KeyFault.DOTS_OR_DOUBLE_SLASH),
        ("a//b", KeyFault.DOTS_OR_DOUBLE_SLASH),
        ("a/", KeyFault.DOTS_OR_DOUBLE_SLASH),
        ("s3://bucket/documents/../other/1.pdf", KeyFault.DOTS_OR_DOUBLE_SLASH),
        ("s3://bucket/documents/", KeyFault.EMPTY),
        ("/etc/passwd", KeyFault.OUTSIDE),
        ("s3://bucket/documents//etc", KeyFault.OUTSIDE),
        ("s3://bucket/documents", KeyFault.OUTSIDE),
        ("s3://bucket/documents2/1.pdf", KeyFault.OUTSIDE),
        ("s3://other/documents/1.pdf", KeyFault.OUTSIDE),
        ("gs://bucket/documents/1.pdf", KeyFault.OUTSIDE),
        ("file:/etc/passwd", KeyFault.OUTSIDE),
        ("C:/1.pdf", KeyFault.OUTSIDE),
        ("s3://bucket/documents/s3://other/1.pdf", KeyFault.OUTSIDE),
        ("s3://bucket/documents/%2e%2e/1.pdf", KeyFault.PERCENT_ENCODED),
        ("a?versionId=b", KeyFault.VERSION),
        ("a#1", KeyFault.VERSION),
    ],
)
def test_a_key_that_could_lead_elsewhere_is_refused(key, fault):
    assert fault_of(key, S3) == fault


def test_in_a_directory_every_sign_but_the_slash_is_one_of_the_name():
    assert fault_of("C# und wie?.pdf", LOCAL) is None
    assert fault_of(f"{LOCAL}/C#.pdf", LOCAL) == KeyFault.VERSION


@given(st.text(alphabet="a./\\:%?#\0 s3ftile", max_size=12))
def test_no_key_that_is_let_through_leaves_the_prefix(key):
    for given_key in (key, f"{LOCAL}/{key}"):
        if fault_of(given_key, LOCAL) is None:
            path = path_under(given_key, LOCAL)
            assert not path.startswith("/")
            assert all(part not in ("", ".", "..") for part in path.split("/"))
            assert spellings(given_key, LOCAL) == spellings(path, LOCAL)


def test_the_distance_between_attempts_doubles_from_a_minute_to_an_hour():
    minutes = [distance(attempts) / timedelta(minutes=1) for attempts in (1, 2, 3, 6, 7, 8, 10_000)]
    assert minutes == [1, 2, 4, 32, 60, 60, 60]
