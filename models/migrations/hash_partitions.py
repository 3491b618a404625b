"""An option of the migration: accounts, and all that is theirs, as tables partitioned by the hash of the account.

What a table has is read from the catalog, not from the models, so that whatever an operator added stays. Only what
cannot be kept is named and refused.
"""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from models.account_addresses import ADDRESSES, FILL_ADDRESSES, MAKE_ADDRESSES, OF_ITS_OWNER
from models.errors import InvalidConfiguration

__all__ = ["partition"]


def partition(connection: sa.Connection, tables: Sequence[str], number: int) -> None:
    """Turn `tables` into so many partitions each, with their rows and all that they have.

    Args:
        connection: in a transaction; it locks the tables until that ends.
        tables: `accounts` and every table that is an account's, parents before children.
        number: of partitions.

    Raises:
        InvalidConfiguration: something stands on the tables, or is unique in them, that partitions could not have; or
            the server has room for too few locks.
    """
    # So everything made here is the owner's, whoever migrates.
    owner = connection.scalar(sa.text("SELECT relowner::regrole::text FROM pg_class WHERE oid = 'accounts'::regclass"))
    _do(connection, f"SET LOCAL ROLE {owner}")
    _do(connection, f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
    _require_room(connection, tables, number)
    if others := _ask(connection, IN_THE_WAY, tables):
        raise InvalidConfiguration(
            f"{', '.join(others)}: made on tables that are to be partitioned, where they cannot stay; "
            "drop what is named, migrate, and make again what can be"
        )
    _do(connection, "SET LOCAL maintenance_work_mem = '512MB'")
    given_out = {
        name: connection.execute(sa.text(f"SELECT last_value, is_called FROM {name}")).one()
        for name in _ask(connection, SEQUENCES, tables)
    }
    through = {table: _ask(connection, THROUGH, [table, "accounts"]) for table in tables}
    remaking = [statement for query in REMAKING for statement in _ask(connection, query, tables, number)]
    for table in tables:
        _make(connection, table, number, _ask(connection, OPTIONS, [table])[0])
    for table in tables:
        _copy(connection, table, *through[table])
    _do(connection, f"DROP TABLE {', '.join(f'{table}_before' for table in tables)}")
    for statement in remaking:
        _do(connection, statement)
    for name, (last, used) in given_out.items():
        connection.execute(sa.text("SELECT setval(:name, :last, :used)"), {"name": name, "last": last, "used": used})
    _do(connection, MAKE_ADDRESSES)
    _do(connection, FILL_ADDRESSES)
    _do(connection, OF_ITS_OWNER)
    # The statistics of the whole, which nothing else gathers.
    _do(connection, f"ANALYZE {', '.join((*tables, ADDRESSES))}")
    _do(connection, "RESET ROLE")


def _require_room(connection: sa.Connection, tables: Sequence[str], number: int) -> None:
    """Make sure that a few batches at once have their locks: each locks every partition, and every index of it."""
    relations = number * int(
        _ask(connection, "SELECT count(*)::text FROM owned, pg_index WHERE indrelid = oid", tables)[0]
    )
    room, each, connections = connection.execute(sa.text(ROOM)).one()
    needed = BATCHES_AT_ONCE * (relations + number * len(tables))
    if needed > room:
        raise InvalidConfiguration(
            f"{number} partitions need {needed:,} locks for {BATCHES_AT_ONCE} batches at once, and the server has room "
            f"for {room:,}: set max_locks_per_transaction (now {each}) to {-(-needed // connections)} and restart it, or "
            "take fewer partitions"
        )


def _make(connection: sa.Connection, table: str, number: int, options: str) -> None:
    _do(connection, f"ALTER TABLE {table} RENAME TO {table}_before")
    _do(
        connection,
        f"CREATE TABLE {table} (LIKE {table}_before INCLUDING ALL EXCLUDING IDENTITY EXCLUDING INDEXES) "
        f"PARTITION BY HASH ({_key(table)})",
    )
    for remainder in range(number):
        bounds = f"FOR VALUES WITH (MODULUS {number}, REMAINDER {remainder})"
        _do(connection, f"CREATE TABLE {table}_{remainder} PARTITION OF {table} {bounds} {options}")


def _copy(connection: sa.Connection, table: str, parent: str | None = None) -> None:
    """Copy the rows; those that named their account only through another table's row name it from now on."""
    columns = _ask(connection, COLUMNS, [table])
    if parent is None:
        listed = ", ".join(columns)
        _do(connection, f"INSERT INTO {table} ({listed}) OVERRIDING SYSTEM VALUE SELECT {listed} FROM {table}_before")
        return
    found = ", ".join("parent.account_id" if name == "account_id" else f"child.{name}" for name in columns)
    _do(
        connection,
        f"INSERT INTO {table} ({', '.join(columns)}) OVERRIDING SYSTEM VALUE SELECT {found} "
        f"FROM {table}_before AS child LEFT JOIN {parent}",
    )


def _key(table: str) -> str:
    return "id" if table == "accounts" else "account_id"


def _ask(connection: sa.Connection, query: str, tables: Iterable[str], number: int = 0) -> list[str]:
    return list(connection.scalars(sa.text(OWNED + query), {"tables": list(tables), "number": number}))


def _do(connection: sa.Connection, statement: str) -> None:
    connection.exec_driver_sql(statement.replace("%", "%%"))


BATCHES_AT_ONCE = 4
ROOM = """
SELECT locks * connections, locks, connections
  FROM (SELECT current_setting('max_locks_per_transaction')::int,
               current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)
       AS server (locks, connections)
"""
# Before: the tables as they are. `key` is what says whose a row is.
OWNED = """
WITH owned AS (
    SELECT pg_class.*, CASE name WHEN 'accounts' THEN 'id' ELSE 'account_id' END AS key
      FROM unnest(CAST(:tables AS text[])) AS name JOIN pg_class ON oid = to_regclass(name)
), keys AS (
    SELECT pg_constraint.*, owned.relname, owned.key,
           ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)) AS columns
      FROM pg_constraint JOIN owned ON owned.oid = conrelid
), indexes AS (
    SELECT pg_index.*, pg_class.relname AS name, owned.relname, owned.key,
           ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY (indkey)) AS columns
      FROM pg_index JOIN owned ON owned.oid = indrelid JOIN pg_class ON pg_class.oid = indexrelid
     WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND conrelid = indrelid)
)
"""
# What replaces the two that keep addresses unique is in `models.account_addresses`.
IN_THE_WAY = """
SELECT DISTINCT kind || ' ' || ev_class::regclass
  FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid JOIN owned ON owned.oid = refobjid,
       LATERAL (SELECT CASE ev_class WHEN owned.oid THEN 'a rule of' ELSE 'view' END) AS said (kind)
 WHERE classid = 'pg_rewrite'::regclass AND refclassid = 'pg_class'::regclass
UNION SELECT 'publication ' || pubname FROM pg_publication LEFT JOIN pg_publication_rel ON prpubid = pg_publication.oid
 WHERE puballtables OR prrelid IN (SELECT oid FROM owned)
UNION SELECT 'publication ' || pubname FROM pg_publication JOIN pg_publication_namespace ON pnpubid = pg_publication.oid
 WHERE pnnspid IN (SELECT relnamespace FROM owned)
UNION SELECT 'foreign key ' || conname || ' of ' || conrelid::regclass FROM pg_constraint
 WHERE contype = 'f' AND confrelid IN (SELECT oid FROM owned) AND conrelid NOT IN (SELECT oid FROM owned)
UNION SELECT 'table ' || inhrelid::regclass FROM pg_inherits WHERE inhparent IN (SELECT oid FROM owned)
UNION SELECT 'row security of ' || relname FROM owned WHERE relrowsecurity
UNION SELECT 'unique key ' || conname || ' of ' || relname FROM keys
 WHERE contype IN ('u', 'x') AND key <> ALL (columns) AND conname <> 'uq_accounts_email'
UNION SELECT 'unique index ' || name FROM indexes
 WHERE indisunique AND key <> ALL (columns) AND name <> 'uq_accounts_address'
"""
SEQUENCES = "SELECT pg_get_serial_sequence(relname, attname) FROM owned JOIN pg_attribute ON attrelid = oid WHERE attidentity <> ''"
# What autovacuum was told of the table, its partitions are told.
OPTIONS = "SELECT coalesce('WITH (' || array_to_string(reloptions, ', ') || ')', '') FROM owned"
COLUMNS = """
SELECT quote_ident(attname) FROM owned JOIN pg_attribute ON attrelid = oid
 WHERE attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
# By which other table's row it is known whose a row is, where it does not say so itself.
THROUGH = """
SELECT format('%I_before AS parent ON parent.%I = child.%I', parent.relname, theirs.attname, ours.attname)
  FROM keys JOIN pg_class AS parent ON parent.oid = confrelid
  JOIN pg_attribute AS ours ON ours.attrelid = conrelid AND ours.attnum = conkey[1]
  JOIN pg_attribute AS theirs ON theirs.attrelid = confrelid AND theirs.attnum = confkey[1]
 WHERE contype = 'f' AND conrelid NOT IN (SELECT conrelid FROM keys WHERE confrelid = to_regclass('accounts'))
"""
REMAKE_IDENTITIES = """
SELECT format('ALTER TABLE %I ALTER %I ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s INCREMENT %s MINVALUE %s '
              'MAXVALUE %s START %s CACHE %s %s)', relname, attname,
              CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, seqrelid::regclass, seqincrement, seqmin,
              seqmax, seqstart, seqcache, CASE WHEN seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END)
  FROM owned JOIN pg_attribute ON attrelid = oid
  JOIN pg_sequence ON seqrelid = pg_get_serial_sequence(relname, attname)::regclass
 WHERE attidentity <> ''
"""
# A key has to include the account. It stands last, so that a number alone is still one look into each partition.
REMAKE_KEYS = """
SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s', relname, conname,
              CASE WHEN key = ANY (columns) THEN pg_get_constraintdef(oid)
                   ELSE regexp_replace(pg_get_constraintdef(oid), '\\)', ', ' || key || ')') END)
  FROM keys WHERE contype IN ('p', 'u', 'x') AND conname <> 'uq_accounts_email'
"""
REMAKE_INDEXES = """
SELECT CASE name WHEN 'uq_accounts_address' THEN replace(pg_get_indexdef(indexrelid), ' UNIQUE ', ' ')
                 ELSE pg_get_indexdef(indexrelid) END
  FROM indexes
"""
# Each row says itself whose it is, and is looked for by that.
INDEX_ACCOUNTS = """
SELECT format('CREATE INDEX ix_%s_account_id ON %I (account_id)', relname, relname) FROM owned
 WHERE NOT EXISTS (SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
                    WHERE indrelid = owned.oid AND attname = key)
"""
# What is an account's refers to what is the same account's, and that lies in the partition of the same number. So each
# partition has its own foreign keys: a check looks into one table, as if nothing were partitioned, where one between
# the wholes costs five times as much. A reference to what is another's than `accounts` names the account as well.
REMAKE_REFERENCES = """
SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s', keys.relname || part, conname,
              regexp_replace(CASE parent.relname WHEN 'accounts' THEN definition ELSE naming END,
                             ' REFERENCES (.*)\\(', format(' REFERENCES \\1%s(', part)))
  FROM keys JOIN owned AS parent ON parent.oid = confrelid,
       pg_get_constraintdef(keys.oid) AS definition,
       regexp_replace(definition, '\\((.*)\\) REFERENCES (.*)\\(', '(account_id, \\1) REFERENCES \\2(account_id, ') AS naming,
       (SELECT '_' || n FROM generate_series(0, :number - 1) AS n) AS parts (part)
 WHERE contype = 'f'
UNION ALL SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s', relname, conname, pg_get_constraintdef(oid))
  FROM keys WHERE contype = 'f' AND confrelid NOT IN (SELECT oid FROM owned)
"""
REMAKE_TRIGGERS = """
SELECT pg_get_triggerdef(pg_trigger.oid) || CASE tgenabled WHEN 'O' THEN '' ELSE
       format('; ALTER TABLE %I %s TRIGGER %I', relname,
              CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, tgname) END
  FROM pg_trigger JOIN owned ON tgrelid = owned.oid WHERE NOT tgisinternal
"""
REMAKE_COMMENTS = """
SELECT format('COMMENT ON %s IS %L', of, description) FROM pg_description JOIN (
    SELECT 'pg_class'::regclass, oid, format('TABLE %I', relname) FROM owned
    UNION ALL SELECT 'pg_constraint'::regclass, oid, format('CONSTRAINT %I ON %I', conname, relname) FROM keys
               WHERE conname <> 'uq_accounts_email'
    UNION ALL SELECT 'pg_class'::regclass, indexrelid, format('INDEX %I', name) FROM indexes
    UNION ALL SELECT 'pg_trigger'::regclass, pg_trigger.oid, format('TRIGGER %I ON %I', tgname, relname)
                FROM pg_trigger JOIN owned ON owned.oid = tgrelid
) AS commented (class, oid, of) ON classoid = class AND objoid = commented.oid AND objsubid = 0
"""
# Who might do something with the table may do it with the whole, and with a partition nothing.
REMAKE_GRANTS = """
, given AS (
    SELECT acl.*, NULL::name AS field, 'TABLE' AS kind, oid::regclass AS what
      FROM owned, aclexplode(relacl) AS acl WHERE grantee <> relowner
    UNION ALL
    SELECT acl.*, attname, 'TABLE', owned.oid::regclass FROM owned JOIN pg_attribute ON attrelid = oid, aclexplode(attacl) AS acl
    UNION ALL
    SELECT acl.*, NULL, 'SEQUENCE', sequence.oid::regclass FROM owned JOIN pg_attribute ON attrelid = oid
      JOIN pg_class AS sequence ON sequence.oid = pg_get_serial_sequence(owned.relname, attname)::regclass,
           aclexplode(sequence.relacl) AS acl WHERE attidentity <> '' AND grantee <> sequence.relowner
)
SELECT format('GRANT %s%s ON %s %s TO %s%s', privilege_type, '(' || quote_ident(field) || ')', kind, what,
              coalesce(quote_ident(rolname), 'PUBLIC'), CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END)
  FROM given LEFT JOIN pg_roles ON oid = grantee
"""
REMAKING = (
    REMAKE_IDENTITIES,
    REMAKE_KEYS,
    REMAKE_INDEXES,
    INDEX_ACCOUNTS,
    REMAKE_REFERENCES,
    REMAKE_TRIGGERS,
    REMAKE_COMMENTS,
    REMAKE_GRANTS,
)
