"""Fixtures of the tests of the web: a server on the test's own database and broker."""

import pytest
from processes import Stack
from serving import Serve, Serving


@pytest.fixture
def serve(stack: Stack) -> Serve:
    """Start servers, with settings as asked; they end with the test."""
    return lambda **how: Serving(stack, **how)


@pytest.fixture
def server(serve: Serve) -> Serving:
    """A server with one token of each role."""
    return serve()
