"""Who may ask what: every role on every route, tokens that are wrong, missing, expired or taken back."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from builders import a_hold, an_account
from fastapi.routing import iter_route_contexts
from sqlalchemy import text

from worker.web import api
from worker.web.access import Requires
from worker.web.tokens import Role, digest_of, new_token

# What each route needs, written here once more by hand: a new one without a line here fails.
NEEDED = {
    "GET /status": "viewer",
    "GET /pauses": "viewer",
    "GET /days": "viewer",
    "GET /forecast": "viewer",
    "GET /sweeps": "viewer",
    "POST /sweeps": "operator",
    "GET /sweeps/{sweep_id}": "viewer",
    "POST /sweeps/{sweep_id}/approve": "approver",
    "POST /sweeps/{sweep_id}/reject": "operator",
    "GET /decisions": "viewer",
    "GET /policies/{policy}/plan": "viewer",
    "POST /policies/{policy}/pause": "operator",
    "POST /policies/{policy}/resume": "operator",
    "GET /accounts/{account_id}": "viewer",
    "GET /holds": "viewer",
    "POST /holds": "operator",
    "POST /holds/{hold_id}/release": "approver",
    "GET /quarantine": "viewer",
    "POST /quarantine/retry": "operator",
    "POST /quarantine/{account_id}/retry": "operator",
    "GET /log/actions": "viewer",
    "GET /log/head": "viewer",
    "GET /session": None,
    "POST /session": None,
    "DELETE /session": "viewer",
}
BODIES = {
    "POST /sweeps": {"policy": "purge", "reason": "r"},
    "POST /holds": {"account_id": 999, "reason": "r"},
    "POST /session": {"token": "none"},
}
ROLES = [None, "viewer", "operator", "approver"]


def api_routes():
    """Every route of the API by its name, with the role that its own dependencies require."""
    routes = {}
    for context in iter_route_contexts(api.router.routes):
        required = [each.call.role.label for each in context.dependant.dependencies if isinstance(each.call, Requires)]
        for method in context.methods:
            path = context.path.removeprefix("/api/v1")
            routes[f"{method} {path}"] = required[0] if required else None
    return routes


def path_of(route):
    path = route.partition(" ")[2].replace("{policy}", "purge")
    return "/api/v1" + re.sub(r"\{\w+\}", "999", path)


def is_enough(role, needed):
    return ROLES.index(role) >= ROLES.index(needed)


def test_every_route_names_the_role_it_needs():
    assert api_routes() == NEEDED


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_it_needs_to_and_nothing_above(server, role):
    for route, needed in api_routes().items():
        method = route.partition(" ")[0]
        body = BODIES.get(route, {"reason": "r"}) if method == "POST" else None
        answer = server.ask(path_of(route), role, method, json=body)
        if needed is None:
            continue
        if role is None:
            assert answer.status_code == 401, route
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        elif is_enough(role, needed):
            assert answer.status_code not in (401, 403), (route, answer.text)
        else:
            assert answer.status_code == 403, route
            assert needed in answer.json()["detail"]


def test_what_was_refused_to_a_role_was_not_done(server, engine):
    with engine.begin() as connection:
        hold = a_hold(connection, an_account(connection))
    for path, role in (("policies/purge/pause", "viewer"), (f"holds/{hold}/release", "operator")):
        assert server.act(f"/api/v1/{path}", role).status_code == 403
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pauses")) == 0
        assert connection.scalar(text("SELECT released_at FROM holds")) is None


def with_token(server, value):
    return server.ask("/api/v1/status", None, headers={"Authorization": value}).status_code


def test_a_wrong_token_is_refused_however_near_it_comes(server):
    token = server.tokens["approver"]
    assert with_token(server, f"Bearer {token}") == 200
    wrong = [token[:-1], token + "x", token.swapcase(), digest_of(token), token.removeprefix("retention_")]
    for each in wrong:
        assert with_token(server, f"Bearer {each}") == 401, each
    assert with_token(server, token) == with_token(server, "Bearer") == 401
    assert with_token(server, f"Basic {token}") == 401
    assert server.ask(f"/api/v1/status?token={token}", None).status_code == 401


def test_an_expired_token_is_refused_and_one_that_will_expire_is_not(server):
    now = datetime.now(UTC)
    codes = []
    for ends in (now - timedelta(seconds=1), now + timedelta(days=1)):
        token, entry = new_token("sato", Role.VIEWER, ends)
        with server.file.open("a") as file:
            file.write(entry.line() + "\n")
        codes.append(with_token(server, f"Bearer {token}"))
    assert codes == [401, 200]


def test_a_token_that_is_taken_back_is_refused_from_the_next_request_on(server):
    assert server.ask("/api/v1/status").status_code == 200
    server.file.write_text("")
    assert server.ask("/api/v1/status").status_code == 401
    assert server.ask("/api/v1/session", None).status_code == 401


def test_a_tokens_file_that_is_broken_or_gone_lets_nobody_in(server):
    server.file.write_text("{not json\n")
    refused = server.ask("/api/v1/status")
    assert refused.status_code == 503
    assert refused.json()["detail"] == "the configuration is not in order; the log says what"
    assert "line 1" in server.events("request.refused")[-1]["reason"]
    server.file.unlink()
    assert server.ask("/api/v1/status").status_code == 503


def test_a_tokens_file_that_others_may_change_from_now_on_lets_nobody_in(server):
    assert server.ask("/api/v1/status").status_code == 200
    server.file.chmod(0o666)
    assert server.ask("/api/v1/status").status_code == 503
    server.file.chmod(0o640)
    assert server.ask("/api/v1/status").status_code == 200


def test_an_act_is_recorded_under_the_name_of_the_token(server, engine):
    with engine.begin() as connection:
        account = an_account(connection)
    assert server.act("/api/v1/sweeps", policy="purge").status_code == 202
    assert server.act("/api/v1/policies/purge/pause").status_code == 200
    hold = server.act("/api/v1/holds", account_id=account).json()["id"]
    assert server.act(f"/api/v1/holds/{hold}/release", "approver").json()["released_by"] == "the approver"
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT actor FROM sweeps")) == "the operator"
        assert connection.execute(text("SELECT kind, actor FROM decisions")).all() == [("paused", "the operator")]
        assert connection.scalar(text("SELECT placed_by FROM holds")) == "the operator"


HELD = """
INSERT INTO sweeps (policy, as_of, cutoff, actor, reason, status, held_at, held_for, planned, planned_digest)
VALUES ('purge', now(), now(), :actor, 'r', 'held', now(), :held_for, 0, '\\x00') RETURNING id
"""


def held_sweep(engine, actor):
    held_for = '[{"gate": "ceiling", "detail": "too many", "needs_approval": true, "numbers": {}}]'
    with engine.begin() as connection:
        return connection.scalar(text(HELD), {"actor": actor, "held_for": held_for})


def test_whoever_triggered_a_sweep_cannot_approve_it(server, engine):
    own = server.act(f"/api/v1/sweeps/{held_sweep(engine, 'the approver')}/approve", "approver")
    assert own.status_code == 409
    assert "somebody else has to approve it" in own.json()["detail"]
    others = server.act(f"/api/v1/sweeps/{held_sweep(engine, 'the operator')}/approve", "approver")
    assert others.json()["status"] == "queued"


def test_no_token_and_no_digest_reaches_the_log(server):
    for path in ("/api/v1/status", "/api/v1/session"):
        server.ask(path, "approver")
        server.ask(path, None, "POST", json={"token": server.tokens["approver"] + "x"})
    said = server.log.read_text()
    for token in server.tokens.values():
        assert token not in said
        assert digest_of(token) not in said
