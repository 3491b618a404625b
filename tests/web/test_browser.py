"""A browser's session: made by a token, bounded, and of no use to a page of another site."""

import time
from hashlib import sha256

import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from worker.web.sessions import COOKIE, LIFE, SALT, Sessions
from worker.web.tokens import digest_of
from worker.web.wrong_logins import WRONG_PER_MINUTE

PAUSE = "/api/v1/policies/purge/pause"
SECRET = "a secret of the tests, long enough to sign"


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.touch(0o600)
    file.write_text(SECRET)
    return str(file)


@pytest.fixture
def browser(server):
    with server.client() as browser:
        yield browser


def log_in(browser, server, role="operator"):
    answer = browser.post("/api/v1/session", json={"token": server.tokens[role]})
    assert answer.status_code == 200, answer.text
    return answer.json()


def pause(browser, **headers):
    return browser.post(PAUSE, json={"reason": "r"}, headers=headers)


def test_a_token_begins_a_session_that_acts_under_its_name(browser, server):
    session = log_in(browser, server)
    assert (session["actor"], session["role"]) == ("the operator", "operator")
    assert browser.get("/api/v1/session").json() | {"expires_at": ""} == session | {"expires_at": ""}
    assert pause(browser, **{"X-CSRF-Token": session["csrf_token"], "Origin": server.url}).status_code == 200
    assert browser.get("/api/v1/pauses").json()["paused"]["purge"]["actor"] == "the operator"


def test_a_wrong_token_begins_none(browser, server):
    refused = browser.post("/api/v1/session", json={"token": server.tokens["viewer"] + "x"})
    assert refused.status_code == 401
    assert COOKIE not in browser.cookies
    assert browser.get("/api/v1/session").status_code == 401


def test_whoever_is_wrong_again_and_again_has_to_wait_and_who_is_logged_in_does_not_notice(browser, server):
    with server.client() as logged_in:
        log_in(logged_in, server)
        codes = [browser.post("/api/v1/session", json={"token": "no"}).status_code for _ in range(WRONG_PER_MINUTE)]
        assert set(codes) == {401}
        refused = browser.post("/api/v1/session", json={"token": server.tokens["viewer"]})
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
        assert logged_in.get("/api/v1/status").status_code == 200


def test_no_script_can_read_the_cookie_and_no_other_site_makes_a_browser_send_it(browser, server):
    answer = browser.post("/api/v1/session", json={"token": server.tokens["viewer"]})
    attributes = {each.strip().lower() for each in answer.headers["Set-Cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", f"max-age={round(LIFE.total_seconds())}", "path=/"} <= attributes
    assert "secure" not in attributes
    assert server.tokens["viewer"] not in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("headers", [{}, {"X-CSRF-Token": "guessed"}, {"X-CSRF-Token": ""}])
def test_an_act_without_the_sessions_secret_is_refused(browser, server, headers):
    log_in(browser, server)
    refused = pause(browser, **headers)
    assert refused.status_code == 403
    assert "csrf_token" in refused.json()["detail"]
    assert browser.get("/api/v1/pauses").json() == {"paused": {}}


def test_the_secret_of_another_session_is_refused(browser, server):
    log_in(browser, server)
    with server.client() as other:
        theirs = log_in(other, server)["csrf_token"]
    assert pause(browser, **{"X-CSRF-Token": theirs}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"]
)
def test_a_page_of_another_site_can_neither_act_nor_log_in(browser, server, origin):
    session = log_in(browser, server)
    assert pause(browser, **{"X-CSRF-Token": session["csrf_token"], "Origin": origin}).status_code == 403
    told = {"token": server.tokens["viewer"]}
    assert browser.post("/api/v1/session", json=told, headers={"Origin": origin}).status_code == 403


def test_a_form_of_another_site_is_no_json(browser, server):
    session = log_in(browser, server)
    headers = {"X-CSRF-Token": session["csrf_token"], "Content-Type": "text/plain"}
    assert browser.post(PAUSE, content='{"reason": "r"}', headers=headers).status_code == 422


def test_logging_out_ends_the_session_and_needs_the_secret_too(browser, server):
    session = log_in(browser, server)
    assert browser.delete("/api/v1/session").status_code == 403
    assert browser.delete("/api/v1/session", headers={"X-CSRF-Token": session["csrf_token"]}).status_code == 204
    assert COOKIE not in browser.cookies
    assert browser.get("/api/v1/status").status_code == 401


def logged_out(server):
    """Log in and out again; returns the cookie that was good meanwhile, and the headers of an act by it."""
    with server.client() as browser:
        session = log_in(browser, server)
        cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}", "X-CSRF-Token": session["csrf_token"]}
        assert server.ask("/api/v1/status", None, headers=cookie).status_code == 200
        assert browser.delete("/api/v1/session", headers=cookie).status_code == 204
    return cookie


def test_a_cookie_is_worth_nothing_after_logging_out_at_any_server_and_after_a_restart(serve, secret):
    first = serve(RETENTION_WEB_SECRET_FILE=secret)
    tokens = {"RETENTION_WEB_TOKENS_FILE": str(first.file)}
    second = serve(with_tokens=False, log="second", RETENTION_WEB_SECRET_FILE=secret, **tokens)
    cookie = logged_out(first)
    for server in (first, second):
        assert server.ask(PAUSE, None, "POST", json={"reason": "r"}, headers=cookie).status_code == 401
    first.restart()
    assert first.ask("/api/v1/status", None, headers=cookie).status_code == 401


def test_without_the_broker_a_server_refuses_the_sessions_that_were_ended_at_it(serve):
    server = serve(RETENTION_BROKER_URL="redis://127.0.0.1:1/0")
    assert server.ask("/api/v1/status", None, headers=logged_out(server)).status_code == 401
    assert len(server.events("session_end.untold")) == 1


def test_what_a_cookie_says_leads_to_no_token(browser, server):
    log_in(browser, server)
    _, said = URLSafeTimedSerializer("of nobody", salt=SALT).loads_unsafe(browser.cookies[COOKIE])
    assert len(said) == 2
    assert digest_of(server.tokens["operator"]) not in said


def test_a_session_ends_with_its_token(browser, server):
    log_in(browser, server)
    server.file.write_text("")
    assert browser.get("/api/v1/status").status_code == 401


def forged(server, *, secret=SECRET, age=0.0):
    class Signer(TimestampSigner):
        def get_timestamp(self) -> int:
            return int(time.time() - age)

    how = {"salt": SALT, "signer": Signer, "signer_kwargs": {"digest_method": sha256}}
    mark = Sessions(SECRET.encode(), None, secure=False).mark(digest_of(server.tokens["viewer"]))
    return URLSafeTimedSerializer(secret, **how).dumps([mark, "csrf"])


def test_a_session_is_over_after_its_time_and_one_signed_by_others_never_began(serve, secret):
    server = serve(RETENTION_WEB_SECRET_FILE=secret)
    life = LIFE.total_seconds()
    cookies = {
        forged(server): 200,
        forged(server, age=life - 60): 200,
        forged(server, age=life + 60): 401,
        forged(server, secret="another secret, as long as the real one"): 401,
        forged(server)[:-1]: 401,
        "nonsense": 401,
    }
    for cookie, code in cookies.items():
        assert server.ask("/api/v1/status", None, headers={"Cookie": f"{COOKIE}={cookie}"}).status_code == code


def test_a_session_outlives_the_process_only_with_a_secret_of_the_deployment(serve, server, secret):
    for each, code in ((server, 401), (serve(log="kept", RETENTION_WEB_SECRET_FILE=secret), 200)):
        with each.client() as browser:
            log_in(browser, each)
            cookie = browser.cookies[COOKIE]
        each.restart()
        assert each.ask("/api/v1/status", None, headers={"Cookie": f"{COOKIE}={cookie}"}).status_code == code


def test_by_tls_the_cookie_is_sent_no_other_way_and_the_url_is_the_only_origin(serve):
    server = serve(RETENTION_WEB_URL="https://retention.example.jp")
    host = {"Host": "retention.example.jp"}
    with server.client(**host) as browser:
        answer = browser.post("/api/v1/session", json={"token": server.tokens["operator"]})
        assert "secure" in answer.headers["Set-Cookie"].lower()
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        cookie = {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}
        secret = {"X-CSRF-Token": answer.json()["csrf_token"]}
        assert pause(browser, **cookie, **secret, Origin="http://retention.example.jp").status_code == 403
        assert pause(browser, **cookie, **secret, Origin="https://retention.example.jp").status_code == 200


class TestWithoutTokens:
    """On this machine alone, where none are set up."""

    @pytest.fixture
    def server(self, serve):
        return serve(with_tokens=False)

    def test_whoever_is_on_this_machine_may_operate_and_not_approve(self, browser):
        session = browser.get("/api/v1/session").json()
        assert (session["actor"], session["role"]) == ("local", "operator")
        assert browser.get("/api/v1/status").status_code == 200
        assert pause(browser).status_code == 403
        assert pause(browser, **{"X-CSRF-Token": session["csrf_token"]}).status_code == 200
        assert browser.get("/api/v1/pauses").json()["paused"]["purge"]["actor"] == "local"
        approve = browser.post(
            "/api/v1/sweeps/1/approve", json={"reason": "r"}, headers={"X-CSRF-Token": session["csrf_token"]}
        )
        assert approve.status_code == 403

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"])
    def test_a_name_that_was_made_to_lead_here_is_refused(self, server, host):
        assert server.ask("/api/v1/status", None, headers={"Host": host}).status_code == 400
        assert server.ask("/", None, headers={"Host": host}).status_code == 400
        assert server.ask("/livez", None, headers={"Host": host}).status_code == 200

    def test_a_url_of_this_machine_opens_it_to_no_one_else(self, serve):
        server = serve(with_tokens=False, log="named", RETENTION_WEB_URL="http://localhost:8000")
        assert server.ask("/api/v1/session", None).json()["actor"] == "local"

    @pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
    def test_who_comes_through_a_proxy_is_not_on_this_machine(self, server, name):
        assert server.ask("/api/v1/status", None, headers={name: "203.0.113.7"}).status_code == 401
        assert server.ask("/api/v1/session", None, headers={name: "203.0.113.7"}).status_code == 401
