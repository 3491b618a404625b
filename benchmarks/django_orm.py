"""The same purge by Django: `QuerySet.delete()` on so many accounts at a time."""

from datetime import datetime
from functools import cache
from time import perf_counter
from typing import Any

import django
from django.conf import settings
from django.db import connection, models
from sqlalchemy import Engine, Table, make_url, select

from models import JobSeeking
from tasks.statements.purge import owned_tables

__all__ = ["by_django", "django_purge"]

APP = "benchmarks"


def by_django(each: int) -> str:
    """Return the name of a way."""
    return f"Django, {each:,} at a time"


def django_purge(engine: Engine, url: str, each: int, cutoff: datetime) -> tuple[int, float]:
    """Purge a slice as Django does where nothing listens to its signals, logging nothing; returns accounts, seconds."""
    accounts = _model(url)
    due = select(JobSeeking.account_id).where(JobSeeking.invalidated_at <= cutoff).order_by(JobSeeking.invalidated_at)
    with engine.connect() as reading:
        numbers = reading.scalars(due).all()
    try:
        connection.ensure_connection()
        began = perf_counter()
        for first in range(0, len(numbers), each):
            accounts.objects.filter(pk__in=numbers[first : first + each]).delete()
        return len(numbers), perf_counter() - began
    finally:
        connection.close()


def _model(url: str) -> Any:
    """Return the model of accounts, with those of every table whose rows go with it, on the database at `url`."""
    address = make_url(url)
    place = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": address.database,
        "USER": address.username or "",
        "PASSWORD": address.password or "",
        "HOST": address.query.get("host") or address.host or "",
        "PORT": address.port or "",
    }
    if not settings.configured:
        # Only models of an installed application know of each other.
        settings.configure(DATABASES={"default": place}, INSTALLED_APPS=[APP], USE_TZ=True)
        django.setup()
    connection.settings_dict.update(place)
    return _models()["accounts"]


@cache
def _models() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for table in reversed(owned_tables()):
        made[table.name] = _modelled(table, made)
    return made


def _modelled(table: Table, made: dict[str, Any]) -> Any:
    fields: dict[str, Any] = {}
    for column in table.columns:
        if column.foreign_keys:
            (key,) = column.foreign_keys
            kind = models.OneToOneField if column.primary_key else models.ForeignKey
            fields[column.name.removesuffix("_id")] = kind(
                made[key.column.table.name],
                on_delete=models.CASCADE,
                db_column=column.name,
                primary_key=column.primary_key,
                related_name=table.name,
            )
        elif column.primary_key and "account" not in fields:
            fields["id"] = models.BigAutoField(primary_key=True)
    about = type("Meta", (), {"app_label": APP, "db_table": table.name, "managed": False})
    return type(table.name.title(), (models.Model,), {"__module__": __name__, "Meta": about, **fields})
