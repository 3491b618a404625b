"""A real browser for the tests of the page; without one on the machine they are left out, and the summary says so."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from browsing import Visit, chromium, launch, visiting
from by_hand import ByHand
from playwright.sync_api import Browser, sync_playwright
from serving import Serving
from sqlalchemy import Engine
from staging import Stage, set_stage

collect_ignore_glob = [] if chromium() else ["test_*.py"]

Visiting = Callable[..., Visit]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a process; each test has windows and cookies of its own."""
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


@pytest.fixture(params=["en", "ja"])
def language(request: pytest.FixtureRequest) -> str:
    """Each language in turn."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def stage(engine: Engine, by_hand: Callable[..., ByHand]) -> Stage:
    """Something of everything to see."""
    return set_stage(engine, by_hand())


@pytest.fixture
def visit(browser: Browser, server: Serving, language: str) -> Iterator[Visiting]:
    """Let somebody with a role visit the dashboard, in the language of the test; without a role they see the login."""
    with ExitStack() as windows:

        def open_window(role: str | None = "operator", *, of: Serving = server, language: str = language) -> Visit:
            visitor = windows.enter_context(visiting(browser, of, language))
            if role is None:
                visitor.open("/login")
            else:
                visitor.log_in(role)
            return visitor

        yield open_window
