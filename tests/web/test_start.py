"""What `retention serve` refuses to start with, and how tokens are made."""

import json
import socket
import stat

import pytest

from worker.settings import settings
from worker.web.server import listen
from worker.web.site import Site
from worker.web.tokens import digest_of

SERVE = ("serve",)
FREE = {"RETENTION_WEB_PORT": "0"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_where_others_reach_it_it_refuses_to_start_without_tokens(stack, host):
    refused = stack.retention(*SERVE, RETENTION_WEB_HOST=host, **FREE)
    assert refused.code == 4
    assert host in refused.err
    assert "retention token new" in refused.err


@pytest.mark.parametrize("command", ["serve", "up"])
def test_where_others_reach_it_through_a_proxy_it_refuses_to_start_without_tokens(stack, command):
    refused = stack.retention(command, RETENTION_WEB_URL="https://retention.example.jp", **FREE)
    assert refused.code == 4
    assert "RETENTION_WEB_URL is 'https://retention.example.jp'" in refused.err
    assert "retention token new" in refused.err


def test_where_others_reach_it_an_empty_file_of_tokens_is_none(stack, tmp_path):
    (tmp_path / "tokens").touch(0o600)
    tokens = {"RETENTION_WEB_TOKENS_FILE": str(tmp_path / "tokens")}
    assert stack.retention(*SERVE, RETENTION_WEB_HOST="0.0.0.0", **tokens, **FREE).code == 4


def test_where_others_reach_it_it_serves_with_tokens_and_warns_that_they_come_in_clear(serve):
    server = serve(RETENTION_WEB_HOST="0.0.0.0")
    (warned,) = server.events("web.in_clear")
    assert warned["level"] == "warning"
    assert "RETENTION_WEB_URL" in warned["way_out"]
    assert server.ask("/api/v1/status").status_code == 200
    assert server.ask("/api/v1/status", None).status_code == 401
    assert server.ask("/api/v1/session", None).status_code == 401


def test_no_answer_waits_for_the_acknowledgement_of_its_beginning():
    with listen(Site("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()[:2]):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_tokens_are_taken_from_the_environment_too(serve, stack):
    made = stack.retention("token", "new", "sato", "--role", "viewer", "--json", check=True).json
    server = serve(with_tokens=False, RETENTION_WEB_TOKENS=made["line"])
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert server.ask("/api/v1/status", None, headers=headers).status_code == 200
    assert server.ask("/api/v1/status", None).status_code == 401


def test_an_address_that_is_taken_is_named(stack):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in ("serve", "up"):
            refused = stack.retention(command, RETENTION_WEB_PORT=port)
            assert refused.code == 4
            assert port in refused.err
            assert "RETENTION_WEB_PORT" in refused.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("not json", "line 1"),
        ('{"name": "sato", "role": "chief", "sha256": "%s"}', "one of viewer, operator, approver"),
        ('{"name": "worker", "role": "viewer", "sha256": "%s"}', "another name"),
        ('{"name": " ", "role": "viewer", "sha256": "%s"}', "name"),
        ('{"name": "sato", "role": "viewer", "sha256": "short"}', "sha256"),
        ('{"name": "sato", "role": "viewer", "sha256": "%s", "expires_at": "2030-01-01T00:00:00"}', "expires_at"),
        ('{"name": "sato", "role": "viewer", "sha256": "%s", "expires": "2030-01-01T00:00:00Z"}', "expires"),
        ('{"name": "sato", "role": "viewer"}', "sha256"),
    ],
)
def test_a_line_that_is_no_token_is_named_and_not_quoted(stack, tmp_path, line, said):
    digest = digest_of("a token")
    file = tmp_path / "tokens"
    file.touch(0o600)
    file.write_text(line.replace("%s", digest))
    refused = stack.retention(*SERVE, RETENTION_WEB_TOKENS_FILE=str(file), **FREE)
    assert refused.code == 4
    assert said in refused.err
    assert digest not in refused.err


def test_a_secret_that_is_too_short_or_gone_is_named_and_not_quoted(stack, tmp_path):
    file = tmp_path / "secret"
    file.touch(0o600)
    file.write_text("hunter2")
    for told in ("7 bytes", "cannot be read"):
        refused = stack.retention(*SERVE, RETENTION_WEB_SECRET_FILE=str(file), **FREE)
        assert refused.code == 4
        assert told in refused.err
        assert "hunter2" not in refused.err
        file.unlink(missing_ok=True)


@pytest.mark.parametrize("variable", ["RETENTION_WEB_TOKENS_FILE", "RETENTION_WEB_SECRET_FILE"])
@pytest.mark.parametrize(("mode", "said"), [(0o644, "read by everybody"), (0o660, "written by others than its owner")])
def test_a_file_that_others_can_read_or_change_is_refused(stack, tmp_path, variable, mode, said):
    file = tmp_path / "of-everybody"
    file.write_text("# nobody\n" * 10)
    file.chmod(mode)
    refused = stack.retention(*SERVE, **{variable: str(file)}, **FREE, patience=30)
    assert refused.code == 4
    assert variable in refused.err
    assert said in refused.err


@pytest.mark.parametrize(
    "url",
    ["retention.example.jp", "https://a.example/path", "https://u:p@a.example", "ftp://a", "https://:1", "https://a:b"],
)
def test_a_url_that_is_none_is_refused(stack, url):
    refused = stack.retention(*SERVE, RETENTION_WEB_URL=url, **FREE)
    assert refused.code == 4
    assert "RETENTION_WEB_URL" in refused.err


@pytest.mark.parametrize(
    ("host", "url", "is_in_clear"),
    [
        ("127.0.0.1", None, False),
        ("0.0.0.0", None, True),
        ("0.0.0.0", "http://retention.example.jp", True),
        ("127.0.0.1", "http://retention.example.jp", True),
        ("0.0.0.0", "https://retention.example.jp", False),
        ("0.0.0.0", "http://127.0.0.1:8000", False),
    ],
)
def test_tokens_come_in_clear_where_others_reach_it_and_not_by_tls(host, url, is_in_clear):
    assert Site(host, 0, url).is_in_clear is is_in_clear


@pytest.mark.parametrize(
    ("given", "named", "others"),
    [
        ("https://h.example:443", {"h.example", "H.example", "h.example:443"}, {"h.example:80", "localhost"}),
        ("http://h.example:80/", {"h.example", "h.example:80"}, {"h.example:8080"}),
        ("https://h.example:8443", {"h.example:8443"}, {"h.example", "h.example:443"}),
        ("http://127.0.0.1:8000", {"127.0.0.1:8000", "localhost:8000", "[::1]:8000"}, {"localhost", "h.example:8000"}),
        ("http://[::1]", {"[::1]", "localhost", "localhost:80"}, {"[::2]"}),
    ],
)
def test_it_answers_to_every_name_by_which_browsers_come_to_its_url(monkeypatch, given, named, others):
    monkeypatch.setenv("RETENTION_WEB_URL", given)
    site = Site("0.0.0.0", 0, settings.__wrapped__().web_url)
    assert {name for name in named | others if site.is_own_host(name)} == named


def test_a_new_token_is_told_once_and_kept_as_its_digest_in_a_file_of_its_owner(stack, tmp_path):
    file = tmp_path / "tokens"
    made = []
    for name in ("sato", "mori"):
        arguments = ("token", "new", name, "--role", "approver", "--expires", "2030-01-01T00:00:00+09:00")
        done = stack.retention(*arguments, "--file", str(file), check=True)
        made.append(done.out.strip())
        assert done.out.strip() not in done.err
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(each["name"], each["sha256"]) for each in lines] == [
        ("sato", digest_of(made[0])),
        ("mori", digest_of(made[1])),
    ]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made[0] != made[1]
    assert not any(token in file.read_text() for token in made)


@pytest.mark.parametrize("name", ["worker", "Beat", "local", " ", "a\nb"])
def test_a_token_has_a_name_that_tells_people_apart(stack, name):
    assert stack.retention("token", "new", name, "--role", "viewer").code == 2


def test_a_token_that_would_be_worth_nothing_is_not_made(stack, tmp_path):
    file = tmp_path / "tokens"
    expires = ("--expires", "2020-01-01T00:00:00+09:00", "--file", str(file))
    refused = stack.retention("token", "new", "sato", "--role", "viewer", *expires)
    assert (refused.code, refused.out) == (2, "")
    assert "2020-01-01T00:00:00+09:00 is over" in refused.err
    assert not file.exists()


def test_it_ends_with_a_signal_and_without_an_error(server):
    assert server.ask("/livez", None).status_code == 200
    assert server.stop() == 0
    assert server.events("request.failed") == []
