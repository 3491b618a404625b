"""`retention migrate --partitions`: what it says, its exit codes, and a worker's role in such a database."""

import pytest
from administration import Administration
from sqlalchemy import make_url, text

from worker.database import connect, head_revision


@pytest.fixture
def retention(stack, another_database_url):
    """Runs the command on a database that is empty at first."""

    def run(*arguments, url=another_database_url, **how):
        return stack.retention(*arguments, RETENTION_DATABASE_URL=url, **how)

    return run


@pytest.fixture
def somebody(servers, another_database_url):
    """The URL of the same database for a role without any right, who may log in."""
    name = make_url(another_database_url).database + "_somebody"
    with Administration(servers.database_url) as administration:
        administration(f"CREATE ROLE {name} LOGIN")
        yield make_url(another_database_url).set(username=name).render_as_string(hide_password=False)
        administration(f"DROP ROLE {name}")


def test_an_empty_database_is_migrated_and_divided_in_one_go_and_once_only(retention):
    head, arguments = head_revision(), ("migrate", "--partitions", "4")
    assert retention(*arguments, "--json", check=True).json == {
        "before": None,
        "after": head,
        "partitions": 4,
        "partitioned": True,
    }
    assert retention("migrate", check=True).out == f"The schema is at {head} already.\n"
    again = retention(*arguments, check=True).out
    assert again == f"The schema is at {head} already.\nAccounts are in 4 partitions already.\n"
    assert not retention(*arguments, "--json", check=True).json["partitioned"]
    catalog = next(each for each in retention("doctor", "--json").json["checks"] if each["check"] == "catalog")
    assert (catalog["ok"], catalog["detail"].endswith("accounts in 4 partitions")) == (True, True)


@pytest.mark.parametrize(("number", "code"), [("5", 3), ("1", 2), ("257", 2), ("many", 2)])
def test_another_number_is_refused_and_changes_nothing(retention, another_database_url, number, code):
    retention("migrate", "--partitions", "4", check=True)
    refused = retention("migrate", "--partitions", number)
    assert (refused.code, refused.out) == (code, "")
    with connect(another_database_url, pooled=False).connect() as connection:
        parts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'accounts'::regclass"
        assert connection.scalar(text(parts)) == 4


def test_only_the_owner_divides(retention, somebody):
    retention("migrate", check=True)
    refused = retention("migrate", "--partitions", "4", url=somebody)
    assert (refused.code, "refused a right" in refused.err) == (4, True)
