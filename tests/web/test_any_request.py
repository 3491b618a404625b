"""Whatever is asked, by whomever: an answer as described; nothing is done without its record, or without the right."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import journal
import pytest
from builders import a_hold
from fuzzing import TIMES, altered, as_json, examples, signs
from hypothesis import example, given
from hypothesis import strategies as st
from sweeping import closable, purgeable

SCHEMATHESIS = Path(sys.executable).with_name("st")
PATIENCE_SECONDS = 60
ACTING = {"operator", "approver"}
OPERATIONS = 28


@pytest.fixture
def worked(by_hand, engine):
    """A deployment with something to tell of everything, and something due."""
    hand = by_hand()
    with engine.begin() as connection:
        for _ in range(3):
            purgeable(connection)
        a_hold(connection, closable(connection))
    assert hand.carry_out(hand.request("purge")).status == "done"
    hand.do("dispatch")
    hand.do("measure")
    with engine.begin() as connection:
        for _ in range(3):
            purgeable(connection)
    journal.begin(engine)
    return hand


def assert_in_order(server, engine):
    assert server.events("request.failed") == []
    assert journal.unrecorded(engine) == {}
    assert server.ask("/livez").status_code == 200


@pytest.mark.parametrize(("role", "times"), [(None, 1), ("viewer", 2), ("operator", 2), ("approver", 10)])
@pytest.mark.usefixtures("worked")
def test_every_answer_to_right_and_wrong_input_is_as_described(request, server, engine, tmp_path, role, times):
    command = [
        str(SCHEMATHESIS),
        "run",
        f"{server.url}/openapi.json",
        "--no-color",
        "--max-examples",
        str(times * TIMES),
    ]
    if role:
        command += ["--header", f"Authorization: Bearer {server.tokens[role]}"]
    seed = request.config.getoption("--hypothesis-seed")
    command += ["--generation-deterministic"] if seed is None else ["--seed", str(seed)]
    # Not by links between routes: they are guessed by name, and a decision without a sweep leads to sweep "None".
    command += ["--warnings", "off", "--request-timeout", "30", "--phases", "examples,coverage,fuzzing"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=280 * TIMES, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{OPERATIONS}/{OPERATIONS}" in done.stdout
    assert_in_order(server, engine)
    assert bool(journal.changes(engine)) == (role in ACTING)


PATHS = [
    "/",
    "/login",
    "/docs",
    "/openapi.json",
    "/metrics",
    "/livez",
    "/readyz",
    "/static/{}",
    "/static/js/{}",
    "/docs/swagger/{}",
    "/charts/done/{}.svg",
    "/charts/ahead/purge.svg",
    "/api/v1/{}",
    "/api/v1/status",
    "/api/v1/session",
    "/api/v1/days",
    "/api/v1/sweeps",
    "/api/v1/sweeps/{}",
    "/api/v1/sweeps/{}/approve",
    "/api/v1/policies/{}/plan",
    "/api/v1/policies/purge/pause",
    "/api/v1/policies/purge/resume",
    "/api/v1/accounts/{}",
    "/api/v1/holds",
    "/api/v1/holds/{}/release",
    "/api/v1/quarantine/retry",
    "/api/v1/log/actions",
]
ODD = [
    "..",
    "%00",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "%ff",
    "1",
    "0",
    "-1",
    "9" * 5000,
    "1.0",
    "%D9%A3",
    "purge",
    "a" * 3000,
]
ODD += [
    "%20",
    "%0d%0aX:1",
    "%c0%af",
    "nan",
    "1e400",
    "true",
    "purge%00",
    "%",
    "%2",
    "%zz",
    ";",
    "%F0%9F%98%80",
    "icon.svg",
]
odd = st.sampled_from(ODD) | st.text(signs, max_size=8).map(lambda given_: quote(given_, errors="replace"))
NAMES = ["width", "days", "limit", "before", "account", "sweep", "released", "unended", "lang", "x", ""]
BODIES = [{"policy": "purge", "reason": "r"}, {"account_id": 4, "reason": "r"}, {"reason": "山田"}, {"token": "none"}]
RAW = [
    b'{"reason": "r", "\\ud800": 1}',
    b'{"reason": "\\ud800"}',
    b'{"token": "\\udfff"}',
    b'{"reason": NaN}',
    b'{"reason": "r", "reason": "s"}',
    b"[" * 60_000,
    b'{"a":' * 12_000,
    b"\xff\xfe",
    b"\x00",
    b"9" * 60_000,
    b"a" * 70_000,
]
bodies = st.sampled_from(RAW) | st.sampled_from(BODIES).flatmap(altered).map(as_json) | st.binary()
METHODS = ["GET", "HEAD", "POST", "POST", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "X" * 300]
HEADERS = [
    "Cookie",
    "Accept-Language",
    "Host",
    "Content-Type",
    "Origin",
    "X-CSRF-Token",
    "Forwarded",
    "Range",
    "If-None-Match",
]
HEADERS += [
    "If-Modified-Since",
    "Content-Length",
    "Transfer-Encoding",
    "Expect",
    "Upgrade",
    "Content-Encoding",
    "Authorization",
]
VALUES = [
    "retention_session=",
    "retention_session=a.b.c; retention_language=xx",
    "ja;q=nan,en;q=1e999",
    "ja;q=",
    "null",
    "chunked",
]
VALUES += [
    "-1",
    "+5",
    "1" * 30,
    "100-continue",
    "websocket",
    "gzip",
    "bytes=0-0,1-99999999999999999999",
    "bytes=-1",
    '"',
    "*",
    "",
]
VALUES += [
    "Bearer",
    "Bearer ",
    "Basic Og==",
    "application/json; charset=utf-7",
    "multipart/form-data",
    "[::1",
    "localhost:99999",
]
header_values = st.sampled_from(VALUES).map(str.encode) | st.binary(max_size=20).map(
    lambda raw: raw.translate(None, b"\r\n\0")
)


@st.composite
def requests(draw):
    """Draw a request: its first line, its headers without those that every one has, its body."""
    path = draw(st.sampled_from(PATHS)).format(draw(odd))
    query = "&".join(f"{draw(st.sampled_from(NAMES))}={draw(odd)}" for _ in range(draw(st.integers(0, 2))))
    line = f"{draw(st.sampled_from(METHODS))} {path}{'?' if query else ''}{query} HTTP/1.1".encode()
    headers = draw(st.lists(st.tuples(st.sampled_from(HEADERS), header_values), max_size=3))
    return line, headers, draw(bodies)


def answer(server, line, headers, body, role="approver"):
    """Send bytes and read all that comes back."""
    always = {"Host": f"127.0.0.1:{server.port}", "Connection": "close", "Content-Type": "application/json"}
    always |= {"Content-Length": str(len(body)), "Authorization": f"Bearer {server.tokens[role]}"}
    given_ = {name: value.encode() for name, value in always.items()} | dict(headers)
    sent = b"\r\n".join([line, *(b"%s: %s" % (name.encode(), value) for name, value in given_.items()), b"", body])
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # what is too long is answered before it is read
            pass
        received = b""
        try:
            while more := connection.recv(65_536):
                received += more
        except ConnectionResetError:
            pass
    return received


def test_any_bytes_are_answered(server, worked, engine):
    @examples(100, shrinking=False)
    @given(requests(), st.sampled_from(["viewer", "operator", "approver"]))
    @example((b"POST /api/v1/holds HTTP/1.1", [], RAW[0]), "approver")
    @example((b"GET /static/%00 HTTP/1.1", [], b""), "approver")
    @example((b"POST /api/v1/holds HTTP/1.1", [], as_json(BODIES[1])), "approver")
    def check(request, role):
        received = answer(server, *request, role)
        statuses = [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d{3}) ", received, re.MULTILINE)]
        assert all(status < 500 or status == 503 for status in statuses), (request, received[:500])
        head, _, body = received.partition(b"\r\n\r\n")
        if b"application/problem+json" in head and body:
            assert json.loads(body)["status"] == statuses[0]

    check()
    assert_in_order(server, engine)
    assert journal.changes(engine)
