"""Roles and their rights in SQL: SQLAlchemy has no constructs for them, so this adds one that quotes names."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Select, Text, column, func, literal, select, table
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

__all__ = ["Statement", "select_holder", "select_role"]

ROLES = table(
    "pg_roles",
    column("oid", BigInteger),
    column("rolname", Text),
    *(column(name, Boolean) for name in ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls")),
    schema="pg_catalog",
)
CLASSES = table(
    "pg_class", column("oid", BigInteger), column("relname", Text), column("relowner", BigInteger), schema="pg_catalog"
)


class Statement(ExecutableDDLElement):
    """One statement about roles, such as `Statement("GRANT {group} TO {member}", group=…, member=…)`.

    Args:
        template: the statement; what stands in braces is filled in.
        literals: filled in as text.
        names: filled in as identifiers, quoted where they need it; of several, with commas between.
    """

    def __init__(self, template: str, *, literals: dict[str, str] | None = None, **names: str | list[str]) -> None:
        self.template = template
        self.literals = literals or {}
        self.names = names


@compiles(Statement)
def _compile(element: Statement, compiler: DDLCompiler, **_: Any) -> str:
    quote = compiler.preparer.quote_identifier
    filled = {
        name: compiler.sql_compiler.render_literal_value(value, Text()) for name, value in element.literals.items()
    }
    for name, value in element.names.items():
        filled[name] = ", ".join(map(quote, [value] if isinstance(value, str) else value))
    return element.template.format_map(filled)


def select_role(name: str | None = None) -> Select[*tuple[Any, ...]]:
    """Select what a role may by itself, by default the one we are: no row where there is none of that name."""
    flags = [each for each in ROLES.c if each.name not in ("oid", "rolname")]
    return select(ROLES.c.rolname, *flags).where(
        ROLES.c.rolname == (func.current_user() if name is None else literal(name))
    )


def select_holder(relation: str) -> Select[*tuple[str, bool]]:
    """Select who owns a table, and whether we are, or could become, its owner; no row where it is missing."""
    return (
        select(ROLES.c.rolname, func.pg_has_role(ROLES.c.oid, "MEMBER", type_=Boolean))
        .join_from(CLASSES, ROLES, ROLES.c.oid == CLASSES.c.relowner)
        .where(CLASSES.c.oid == func.to_regclass(relation))
    )
