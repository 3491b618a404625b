"""Headers of every answer, and pages that need nothing from elsewhere."""

import json
import re

import pytest

PATHS = ["/livez", "/readyz", "/metrics", "/docs", "/docs/begin.js", "/openapi.json", "/api/v1/status", "/nowhere"]
PATHS += ["/docs/swagger/swagger-ui.css", "/api/v1/sweeps/0", "/api/v1/session"]


@pytest.fixture(scope="module")
def policy():
    return {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"}


def test_every_answer_forbids_frames_foreign_scripts_guessed_types_and_referrers(server, policy):
    with server.client("viewer") as client:
        for path in PATHS:
            headers = client.get(path).headers
            directives = {each.strip() for each in headers["Content-Security-Policy"].split(";")}
            assert policy <= directives, path
            assert not any("unsafe" in each or "http" in each for each in directives), path
            assert headers["X-Content-Type-Options"] == "nosniff", path
            assert headers["X-Frame-Options"] == "DENY", path
            assert headers["Referrer-Policy"] == "no-referrer", path
            assert "Server" not in headers, path
            assert "Strict-Transport-Security" not in headers, path


def test_the_log_names_routes_and_nothing_that_somebody_typed(server):
    typed = [
        "/api/v1/accounts/taro@example.jp",
        "/taro@example.jp",
        "/static/taro@example.jp",
        "/api/v1/taro@example.jp",
    ]
    for path in [*typed, "/api/v1/sweeps/4711", "/login?for=taro@example.jp"]:
        server.ask(path)
    server.stop()  # an answer is told to the log after it was given; the log of a server that ended is whole
    assert [each["route"] for each in server.events("request.answered")] == [
        "/api/v1/accounts/{account_id}",
        None,
        None,
        None,
        "/api/v1/sweeps/{sweep_id}",
        "/login",
    ]
    assert "taro@" not in server.log.read_text()


def test_what_the_api_tells_is_stored_nowhere(server):
    with server.client("viewer") as client:
        for path in ("/api/v1/status", "/api/v1/session", "/api/v1/sweeps/1", "/metrics", "/nowhere"):
            assert client.get(path).headers["Cache-Control"] == "no-store", path


def test_no_page_of_another_site_is_let_read_an_answer(server):
    asked = server.ask("/api/v1/status", headers={"Origin": "https://evil.example"})
    assert not [name for name in asked.headers if name.lower().startswith("access-control-")]


def test_the_description_needs_no_script_of_its_own_and_nothing_from_elsewhere(server):
    page = server.ask("/docs", None).text
    parts = re.findall(r'(?:src|href)="([^"]+)"', page)
    for part in parts:
        if part != "data:,":
            assert part.startswith("/")
            assert server.ask(part, None).status_code == 200, part
    assert not re.search(r"<script>|<script [^>]*>[^<]|<style| style=| on\w+=", page)


def in_parts(content):
    yield from (content[begin : begin + 10_000] for begin in range(0, len(content), 10_000))


def test_a_body_that_is_too_large_is_refused_with_a_document_whether_its_length_is_said_or_not(server):
    body = json.dumps({"reason": "x" * 100_000}).encode()
    for content in (body, in_parts(body)):
        headers = {"Content-Type": "application/json"}
        refused = server.ask("/api/v1/policies/purge/pause", "operator", "POST", content=content, headers=headers)
        assert refused.status_code == 413
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json()["title"] == "Too large"
