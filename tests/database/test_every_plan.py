"""Whatever is asked of the database finds its rows by an index, and no more of them than it needs."""

import os
from importlib import import_module
from inspect import isfunction, unwrap
from pkgutil import iter_modules

import pytest
from asking import MAY, SCENARIOS
from calling import counting_calls
from filled import LARGE, ROWS_OF_A_BATCH, Filled, fill, read_without_need
from planning import explaining, large_tables

import tasks.statements
from worker.deployment import Deployment
from worker.servers import Addresses
from worker.settings import Settings

LARGE_ROWS = 1000
IN_PARTITIONS = "asked where accounts are partitioned: `TEST_PARTITIONS=4` has it explained"
# What builds a statement, or a part of one, that no scenario reaches, and why.
NOT_REACHED = {"hash_partitions.select_flaws": IN_PARTITIONS}
if os.environ.get("TEST_PARTITIONS"):
    NOT_REACHED = {}
BY_KEY = "one row by its key, for `quarantine act`, whose tests reach it"
NOT_REACHED |= dict.fromkeys(("control.approve_one", "control.plan_one"), BY_KEY)


@pytest.fixture
def filled(by_hand, engine, policies, database_url, broker_url, tmp_path):
    fill(engine, policies)
    hand = by_hand()
    return Filled(hand, Deployment(Settings(), Addresses(database_url, broker_url), hand.runtime.engine), tmp_path)


def builders():
    """Return what every module of statements offers, by its name; nothing of theirs is cached any more."""
    found = {}
    for each in iter_modules(tasks.statements.__path__):
        module = import_module(f"{tasks.statements.__name__}.{each.name}")
        for name, value in vars(module).items():
            if name.startswith("_") or not callable(value) or not isfunction(unwrap(value)):
                continue
            if value.__module__ == module.__name__:
                found[f"{each.name}.{name}"] = value
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
    return found


@pytest.mark.timeout(1200)
def test_every_statement_is_explained_and_reads_no_large_table_as_a_whole_nor_more_rows_than_it_needs(
    filled, engine, subtests
):
    offered, large = builders(), large_tables(engine, LARGE_ROWS)
    assert large >= LARGE
    with counting_calls(offered.values()) as calls:
        for scenario in SCENARIOS:
            with subtests.test(scenario.__name__), explaining(filled.here.engine) as plans:
                scenario(filled)
                assert plans.scans
                assert read_without_need(plans, large, rows=ROWS_OF_A_BATCH, may=MAY.get(scenario, {})) == set()
    assert {name for name, builder in offered.items() if builder not in calls} == NOT_REACHED.keys()
