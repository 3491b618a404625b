"""Fixtures of the tests of the web: a server on the test's own database and broker."""

import pytest
from serving import Serve, Serving


@pytest.fixture
def server(serve: Serve) -> Serving:
    """A server with one token of each role."""
    return serve()
