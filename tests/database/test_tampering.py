"""Any single change of any stored value of the log is found, whatever it is and wherever."""

import pytest
from hypothesis import HealthCheck, assume, example, given, reject, settings
from hypothesis import strategies as st
from logs import a_log, unguarded
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from models import Action, ChainHead, PolicyName, Receipt
from tasks.verify import verify_within

BITS = range(64)
MICROSECOND = "interval '1 microsecond'"
CHANGES = {
    "BIGINT": [f"{{0}} # (1::bigint << {bit})" for bit in BITS],
    "TIMESTAMP": [f"{{0}} {sign} {MICROSECOND} * {2**bit}" for bit in BITS[:60] for sign in "+-"]
    + ["'infinity'", "'-infinity'", "'294276-12-31 23:59:59.999999+00'", "'4713-01-01 BC'"],
    "BYTEA": [f"set_bit({{0}}, {bit}, 1 - get_bit({{0}}, {bit}))" for bit in range(256)]
    + [r"{0} || '\x00'", "substr({0}, 1, 31)", "substr({0}, 2)", "''", "{0} || {0}", "sha256('any')"],
    "TEXT": ["{0} || ' '", "{0} || '|1'", "upper({0})", "''", "left({0}, -1)", "{0} || chr(173)", "reverse({0})"],
    "JSONB": [
        """jsonb_set({0}, '{{accounts}}', '-1')""",
        """jsonb_set({0}, '{{accounts}}', to_jsonb({0} ->> 'accounts'))""",
        """jsonb_set({0}, '{{accounts}}', (({0} ->> 'accounts') || '.0')::jsonb)""",
        """jsonb_set({0}, '{{accounts}}', 'null')""",
        """jsonb_set({0}, '{{accounts}}', '[]')""",
        """jsonb_set({0}, '{{more}}', '0')""",
        """jsonb_set({0}, '{{accounts=1,more}}', '0')""",
        "{0} - 'accounts'",
        "jsonb_build_array({0})",
        "to_jsonb({0}::text)",
        "'{{}}'",
        "'null'",
    ],
    "BOOLEAN": ["NOT {0}"],
}


def kind_of(column):
    return column.type.compile(dialect=postgresql.dialect()).split()[0]


COLUMNS = [
    (table.name, column.name, kind_of(column))
    for table in (Action.__table__, Receipt.__table__, ChainHead.__table__)
    for column in table.columns
]
UNCONSTRAINED = """
DO $$ DECLARE each record; BEGIN
    FOR each IN SELECT conrelid::regclass AS place, conname FROM pg_constraint
                 WHERE conrelid IN (SELECT relid FROM unnest(ARRAY['actions', 'receipts', 'chain_heads']) AS name,
                                    LATERAL pg_partition_tree(name::regclass)
                                    UNION SELECT 'chain_heads'::regclass)
                   AND contype IN ('c', 'u', 'f', 'p') AND conparentid = 0 AND conislocal
    LOOP EXECUTE 'ALTER TABLE ' || each.place || ' DROP CONSTRAINT ' || each.conname || ' CASCADE'; END LOOP;
END $$
"""


@pytest.fixture
def log(engine, policies):
    """Five receipts in a database that refuses nothing."""
    a_log(engine, policies, 7)
    a_log(engine, policies, 5, policy=PolicyName.PURGE)
    with engine.begin() as connection:
        connection.exec_driver_sql(UNCONSTRAINED)
        for table, column, _ in COLUMNS:
            connection.exec_driver_sql(f"ALTER TABLE {table} ALTER {column} DROP IDENTITY IF EXISTS")
            connection.exec_driver_sql(f"ALTER TABLE {table} ALTER {column} DROP NOT NULL")
        for table in {table for table, _, _ in COLUMNS}:
            connection.exec_driver_sql(f"CREATE TABLE {table}_before AS TABLE {table}")


DIFFERS = "SELECT EXISTS (SELECT * FROM {table} EXCEPT ALL SELECT * FROM {table}_before)"
CHANGE = st.sampled_from(COLUMNS).flatmap(
    lambda column: st.tuples(st.just(column), st.sampled_from([*CHANGES[column[2]], "NULL"]), st.integers(0, 11))
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(change=CHANGE)
@example(change=(("receipts", "accounts", "BIGINT"), "NULL", 0))
@pytest.mark.usefixtures("log")
def test_any_single_changed_value_is_found(engine, change):
    (table, column, _), how, row = change
    changed = how.format(column)
    one = f"SELECT ctid FROM {table} ORDER BY ctid OFFSET mod({row}, (SELECT count(*) FROM {table})) LIMIT 1"
    with engine.connect() as connection, connection.begin() as undone:
        try:
            unguarded(connection, f"UPDATE {table} SET {column} = {changed} WHERE ctid = ({one})")
        except DBAPIError:
            reject()  # no such value can be stored
        assume(connection.exec_driver_sql(DIFFERS.format(table=table)).scalar_one())
        found = verify_within(connection)
        undone.rollback()
    assert found.broken is not None


@pytest.mark.usefixtures("log")
def test_the_log_that_is_changed_here_is_whole(engine):
    with engine.connect() as connection:
        assert verify_within(connection).broken is None
