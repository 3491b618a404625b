"""Fixtures of the tests of monitoring: a server that has something of everything to tell."""

from collections.abc import Callable

import pytest
from by_hand import ByHand
from monitored import told
from serving import Serve
from sqlalchemy import Engine
from staging import set_stage


@pytest.fixture
def figures(engine: Engine, by_hand: Callable[..., ByHand], serve: Serve) -> dict[str, list[dict[str, str]]]:
    """The labels of every sample of a server to whose deployment everything has happened."""
    set_stage(engine, by_hand())
    return told(serve())
