"""Looking for what remains of purged accounts, in whatever tables the live database's catalog names, and of moved ones.

The deletions follow the metadata; this follows `pg_constraint`, and so meets tables that nobody told the metadata of.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Select,
    SQLColumnExpression,
    Text,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    table,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, OID, REGCLASS
from sqlalchemy.types import UserDefinedType

from models import Account, Action, LoginSession, PolicyName, State
from tasks.statements.tally import Tally, counted, tally

__all__ = ["Reference", "judge_dangling", "judge_moved", "judge_remains", "owned", "select_blocks", "select_references"]

CONSTRAINTS = table(
    "pg_constraint",
    *map(column, ("contype", "conparentid", "conrelid", "confrelid", "conkey", "confkey", "confdeltype")),
    schema="pg_catalog",
)
CLASSES = table("pg_class", *map(column, ("oid", "relname", "relnamespace", "relkind")), schema="pg_catalog")
NAMESPACES = table("pg_namespace", *map(column, ("oid", "nspname")), schema="pg_catalog")
ATTRIBUTES = table("pg_attribute", *map(column, ("attrelid", "attnum", "attname")), schema="pg_catalog")
ACCOUNTS = cast(func.to_regclass(Account.__tablename__), OID)


@dataclass(frozen=True, slots=True)
class Reference:
    """One foreign key of the live database.

    Attributes:
        child: number of the table that refers.
        child_schema: its schema.
        child_name: its name there.
        columns: those of its columns that refer.
        parent: number of the table referred to.
        parent_schema: its schema.
        parent_name: its name there.
        parent_columns: its columns referred to, in the same order.
        accounts: number of the table `accounts`.
        on_delete: what becomes of a row whose parent is deleted, as `pg_constraint.confdeltype` has it.
        is_partitioned: whether the table that refers is partitioned.
    """

    child: int
    child_schema: str
    child_name: str
    columns: Sequence[str]
    parent: int
    parent_schema: str
    parent_name: str
    parent_columns: Sequence[str]
    accounts: int
    on_delete: str
    is_partitioned: bool

    @property
    def names_the_account(self) -> bool:
        """Whether a row that refers says itself which account it is of."""
        return self.parent == self.accounts and list(self.parent_columns) == [Account.id.name]

    def __str__(self) -> str:
        return f"{self.child_schema}.{self.child_name} ({', '.join(self.columns)})"


def select_references() -> Select[*tuple[Any, ...]]:
    """Select all foreign keys: rows of what `Reference` holds; those of partitions and to them as of the whole."""
    child, child_schema = _named("child")
    parent, parent_schema = _named("parent")
    keys = CONSTRAINTS.c
    child_id, parent_id = _whole(keys.conrelid), _whole(keys.confrelid)
    columns = _columns(keys.conrelid, keys.conkey)
    return (
        select(
            cast(child_id, BigInteger),
            cast(child_schema.c.nspname, Text),
            cast(child.c.relname, Text),
            columns,
            cast(parent_id, BigInteger),
            cast(parent_schema.c.nspname, Text),
            cast(parent.c.relname, Text),
            _columns(keys.confrelid, keys.confkey),
            cast(ACCOUNTS, BigInteger),
            cast(keys.confdeltype, Text),
            child.c.relkind == "p",
        )
        .join(child, child.c.oid == child_id)
        .join(child_schema, child_schema.c.oid == child.c.relnamespace)
        .join(parent, parent.c.oid == parent_id)
        .join(parent_schema, parent_schema.c.oid == parent.c.relnamespace)
        .where(keys.contype == "f", keys.conparentid == 0)
        .distinct()
        .order_by(cast(child_schema.c.nspname, Text), cast(child.c.relname, Text), columns)
    )


def _whole(relation: ColumnElement[Any]) -> ColumnElement[int]:
    return func.coalesce(cast(func.pg_partition_root(cast(relation, REGCLASS)), OID), relation)


def owned(references: Iterable[Reference]) -> list[Reference]:
    """Return the references that lead to accounts, directly or through other tables."""
    references = list(references)
    reached = {reference.accounts for reference in references}
    while further := {each.child for each in references if each.parent in reached} - reached:
        reached |= further
    return [each for each in references if each.parent in reached]


def judge_remains(references: Iterable[Reference] = (), *, partitioned: bool) -> Tally:
    """Tally rows of accounts that receipts purged: of `accounts`, and of the tables that refer to it directly.

    The receipts' numbers are the parameter `receipts`. The accounts are an array, so that each is one look into the
    index, whatever the statistics say; or where tables are `partitioned` by the account, a look into the one partition
    where its rows would be.
    """
    purged = _acted_on(PolicyName.PURGE)
    places = {Account.__tablename__: Account.__table__.c.id} | {
        str(each): _table(each.child_schema, each.child_name, each.columns).c[each.columns[0]]
        for each in references
        if each.names_the_account
    }
    left = (
        _rows_of(purged, select(cast(number, BigInteger).label("number")), number, partitioned=partitioned).add_columns(
            literal(f"rows of purged accounts are left in {where}", Text).label("fault")
        )
        for where, number in places.items()
    )
    return counted(union_all(*left).subquery())


def judge_moved(*, partitioned: bool) -> Tally:
    """Tally accounts moved to counter-only recovery that are not, or keep what the move had to erase.

    For the transaction that moved them, in which nobody can have come in between. Parameter, and `partitioned`, as in
    `judge_remains`.
    """
    moved = _acted_on(PolicyName.COUNTER_ONLY)
    keeps = or_(Account.email.is_not(None), Account.password_hash.is_not(None))
    # The state is no condition: there is an index of those in counter-only recovery alone, which the planner takes for
    # small until it is told otherwise, and reads from end to end.
    accounts = select(Account.id, keeps.label("keeps"), (Account.state == State.COUNTER_ONLY).label("is_moved"))
    account = _first(_rows_of(moved, accounts, Account.id, partitioned=partitioned))
    logins = select(LoginSession.account_id)
    login = _first(_rows_of(moved, logins, LoginSession.account_id, partitioned=partitioned))
    # By no join: in partitions only nested loops are left to it, and would compare each with each.
    elsewhere = select(moved.c.account_id.label("number")).except_(select(account.c.id).where(account.c.is_moved))
    found = {
        "moved accounts are not in counter-only recovery": select(elsewhere.subquery()),
        "moved accounts keep an e-mail address or a password": select(account.c.id).where(
            account.c.is_moved, account.c.keeps
        ),
        "moved accounts keep login sessions": select(login.c.account_id).distinct(),
    }
    faulty = (rows.add_columns(literal(fault, Text).label("fault")) for fault, rows in found.items())
    return counted(union_all(*faulty).subquery())


def _acted_on(policy: PolicyName) -> CTE:
    """Return the accounts of the parameter `receipts` that this policy was carried out on: their numbers."""
    receipts = bindparam("receipts", type_=ARRAY(BigInteger))
    return _first(select(Action.account_id).where(Action.receipt_id == any_(receipts), Action.action == policy))


def _rows_of(
    acted_on: CTE, rows: Select[*tuple[Any, ...]], number: SQLColumnExpression[Any], *, partitioned: bool
) -> Select[*tuple[Any, ...]]:
    """Return those of `rows` whose `number` is that of an account acted on."""
    if not partitioned:
        numbers = func.array(select(acted_on.c.account_id).scalar_subquery(), type_=ARRAY(BigInteger))
        return rows.where(number == any_(numbers))
    # The offset keeps it a look for each account, never a join to the whole table.
    each = rows.where(number == acted_on.c.account_id).offset(0).lateral()
    return select(*each.c).join_from(acted_on, each, true())


def _first(rows: Select[*tuple[Any, ...]]) -> CTE:
    """Return rows that are found before anything is joined to them, whatever the statistics say."""
    return rows.cte().prefix_with("MATERIALIZED")


def judge_dangling(reference: Reference, *, blocks: range) -> Tally:
    """Tally rows that refer to nothing, whose owner went without them; reads only these blocks of the table.

    Shown are the numbers of accounts, where rows hold them; what else a row says of its owner may be anything.
    """
    child = _table(reference.child_schema, reference.child_name, (*reference.columns, "ctid")).alias("child")
    parent = _table(reference.parent_schema, reference.parent_name, reference.parent_columns).alias("parent")
    pairs = [
        (child.c[ours], parent.c[theirs])
        for ours, theirs in zip(reference.columns, reference.parent_columns, strict=True)
    ]
    dangling = select(child).where(
        child.c.ctid >= _place(blocks.start),
        child.c.ctid < _place(blocks.stop),
        *(ours.is_not(None) for ours, _ in pairs),
        # The offset keeps it one look into an index for each row, never a reading of the whole parent.
        not_(select(literal(1)).where(*(theirs == ours for ours, theirs in pairs)).offset(0).correlate(child).exists()),
    )
    number = child.c[reference.columns[0]] if reference.names_the_account else null()
    return tally(dangling, cast(number, BigInteger), {f"rows of {reference} refer to nothing": true()})


def select_blocks(reference: Reference) -> Select[int, int]:
    """Select how large the table that refers is: one row, how many blocks its largest partition has, and how many
    partitions there are; of a table without any, its own and 1.
    """
    child = cast(literal(reference.child, OID), REGCLASS)
    leaf = func.pg_partition_tree(child).table_valued(column("relid", REGCLASS), column("isleaf", Boolean))
    size = func.greatest(func.max(_size(leaf.c.relid)), _size(child), type_=BigInteger)
    blocks = size // cast(func.current_setting("block_size"), BigInteger)
    return (
        select(blocks, func.greatest(func.count(leaf.c.relid), 1, type_=BigInteger))
        .select_from(leaf)
        .where(leaf.c.isleaf)
    )


def _size(relation: ColumnElement[Any]) -> ColumnElement[int]:
    return func.pg_relation_size(relation, type_=BigInteger())


class _Place(UserDefinedType[str]):
    """Where in a table a row lies: block and line."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "tid"


def _place(block: int) -> ColumnElement[str]:
    return cast(literal(f"({block},0)", Text), _Place())


def _table(schema: str, name: str, columns: Iterable[str]) -> FromClause:
    return table(name, *map(column, columns), schema=schema)


def _named(role: str) -> tuple[FromClause, FromClause]:
    return CLASSES.alias(role), NAMESPACES.alias(f"{role}_schema")


def _columns(relation: ColumnElement[int], numbers: ColumnElement[Any]) -> ColumnElement[list[str]]:
    """Return the names of a relation's columns by their numbers, in the numbers' order."""
    names = (
        select(cast(ATTRIBUTES.c.attname, Text))
        .where(ATTRIBUTES.c.attrelid == relation, ATTRIBUTES.c.attnum == any_(numbers))
        .order_by(func.array_position(numbers, ATTRIBUTES.c.attnum))
        .correlate(CONSTRAINTS)
    )
    return func.array(names.scalar_subquery(), type_=ARRAY(Text))
