"""Fixtures of the tests of the web: a server on the test's own database and broker."""

import pytest
from processes import Stack
from serving import Serve, Serving


@pytest.fixture
def serve(stack: Stack, web_server_url: str) -> Serve:
    """Start servers, with settings as asked and no more rights than they need; they end with the test."""
    return lambda **how: Serving(stack, **{"RETENTION_DATABASE_URL": web_server_url, **how})


@pytest.fixture
def server(serve: Serve) -> Serving:
    """A server with one token of each role."""
    return serve()
