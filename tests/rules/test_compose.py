"""docker-compose.yml and the Dockerfile without an engine: they are valid, and what they name is there."""

import json
import os
import re
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose
from deploying import CHECKOUT, compose_text, known_variables, make_secrets
from redis.connection import parse_url
from sqlalchemy import make_url

from worker.cli import COMMANDS
from worker.settings import settings

BIN = Path(sys.executable).parent
OURS = {"roles", "migrate", "worker", "beat", "web"}
MONITORING = {"prometheus", "grafana"}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(compose_text())


@pytest.fixture
def made(tmp_path):
    """A checkout's secrets, as the script makes them."""
    (tmp_path / ".env").write_text("LOG_LEVEL=DEBUG\nSECRETS_UID=7\n")
    return lambda: make_secrets(tmp_path)


def test_it_is_what_the_compose_specification_says(compose):
    assert set(PyCompose.from_yaml(yaml.safe_dump(compose)).service_names()) == OURS | MONITORING | {
        "postgres",
        "redis",
    }


def test_a_mistake_in_it_would_be_found(compose):
    with pytest.raises(ValueError, match="restrat"):
        PyCompose.from_yaml(yaml.safe_dump(compose).replace("restart:", "restrat:"))


def test_whatever_a_service_names_is_there(compose):
    for name, service in compose["services"].items():
        assert set(service.get("secrets", ())) <= compose["secrets"].keys(), name
        assert service.get("depends_on", {}).keys() <= compose["services"].keys(), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (CHECKOUT / source).is_dir() if source.startswith("./deploy/") else source in compose["volumes"], (
                volume
            )
        if "build" in service:
            assert (CHECKOUT / service["build"]["context"] / "Dockerfile").is_file()


def test_only_services_that_can_be_waited_for_are_waited_for(compose):
    for service in compose["services"].values():
        for name, how in service.get("depends_on", {}).items():
            waited_for = compose["services"][name]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in waited_for, name
            else:
                assert waited_for["restart"] == "no", name


def test_every_variable_is_a_setting_and_every_secret_file_one_that_the_service_has(compose):
    for name in OURS:
        service = compose["services"][name]
        for variable, value in service["environment"].items():
            assert variable in known_variables(), variable
            if str(value).startswith("/run/secrets/"):
                assert Path(value).name in service["secrets"], (name, variable)
        for mentioned in re.findall(r"/run/secrets/(\w+)", json.dumps(service)):
            assert mentioned in service["secrets"], (name, mentioned)


def test_what_it_runs_are_our_commands(compose):
    for name in OURS:
        first, second, *rest = compose["services"][name]["command"]
        assert (first == "retention" and second in COMMANDS) or [first, second, *rest[:2]] in (
            ["celery", "-A", "worker", "worker"],
            ["celery", "-A", "worker", "beat"],
        )


def test_each_has_the_role_that_it_needs(compose):
    urls = {name: compose["services"][name]["environment"]["RETENTION_DATABASE_URL_FILE"] for name in OURS}
    assert {name: Path(url).name for name, url in urls.items()} == {
        "roles": "postgres_url",
        "migrate": "owner_url",
        "worker": "worker_url",
        "beat": "worker_url",
        "web": "web_server_url",
    }
    assert "worker_url" not in compose["services"]["web"]["secrets"]


def test_ours_have_no_rights_and_no_service_is_without_limits_and_an_end_of_its_log(compose):
    for name, service in compose["services"].items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}, name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name in OURS | {"redis"}:
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]
            assert service["user"] == "1000:1000"


def test_what_a_signal_is_sent_to_is_the_program_or_an_init_that_passes_it_on(compose):
    for name in OURS | {"redis"}:
        service = compose["services"][name]
        assert service["init"] is True, name
        started = [*service.get("entrypoint", ()), *service["command"]]
        assert started[0] in ("retention", "celery", "redis-server"), name


def test_nothing_is_reached_from_elsewhere(compose):
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@pytest.mark.parametrize(
    ("chosen", "port", "url"),
    [
        ({}, "8000", "http://127.0.0.1:8000"),
        ({"WEB_PORT": "9000"}, "9000", "http://127.0.0.1:9000"),
        ({"WEB_PORT": "9000", "WEB_URL": "https://retention.example.jp"}, "9000", "https://retention.example.jp"),
    ],
)
def test_browsers_reach_the_dashboard_where_its_port_is_published(chosen, port, url):
    web = yaml.safe_load(compose_text(**chosen))["services"]["web"]
    assert web["ports"] == [f"127.0.0.1:{port}:8000"]
    assert web["environment"]["RETENTION_WEB_URL"] == url


def test_no_secret_is_in_the_file_an_argument_or_a_variable(compose):
    assert all(each["file"] == f"./secrets/{name}" for name, each in compose["secrets"].items())
    for service in compose["services"].values():
        named = [name for name in service.get("environment", {}) if re.search("PASSWORD|SECRET|TOKEN|_URL", name)]
        assert all(name.endswith("_FILE") for name in named if name != "RETENTION_WEB_URL"), named


def test_the_script_makes_every_secret_for_nobody_else(compose, made):
    secrets = made()
    handed_over = {each["file"].removeprefix("./secrets/") for each in compose["secrets"].values()}
    assert handed_over | {"first_token", "redis_password"} == {file.name for file in secrets.iterdir()}
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    for file in secrets.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == (0o640 if file.name == "grafana_password" else 0o600)
        assert file.read_text().strip()
    passwords = [file.read_text() for file in secrets.glob("*_password")]
    assert len({*passwords}) == len(passwords)
    assert all(len(password) == 64 for password in passwords)


@pytest.mark.parametrize(
    "password", ["a new password", "p@ss/w0rd#1x", "100%41?:[&]+", "\"'\\$(id)`~", "パスワード", "-n"]
)
def test_the_script_keeps_what_is_there_and_urls_follow_a_changed_password(made, password):
    secrets = made()
    before = {file.name: file.read_text() for file in secrets.iterdir()}
    # White space around is no part of it, as for our commands.
    (secrets / "worker_password").write_text(f" {password}\r\n")
    (secrets / "redis_password").write_text(f"{password}\n")
    made()
    changed = {file.name for file in secrets.iterdir() if before[file.name] != file.read_text()}
    assert changed == {"worker_password", "worker_url", "redis_password", "redis_config", "broker_url"}
    url = make_url((secrets / "worker_url").read_text().strip())
    assert (url.username, url.password) == ("retention_worker", password)
    assert (url.host, url.database) == ("postgres", "retention")
    broker = parse_url((secrets / "broker_url").read_text().strip())
    assert broker == {"password": password, "host": "redis", "db": 0}


def test_the_script_tells_compose_who_may_read_and_keeps_other_lines(made, tmp_path):
    made()
    lines = (tmp_path / ".env").read_text().splitlines()
    uid = os.geteuid() or 10001
    assert lines == ["LOG_LEVEL=DEBUG", f"SECRETS_UID={uid}", f"SECRETS_GID={os.getegid() or 10001}"]


def test_the_settings_take_the_urls_that_the_script_makes(made, monkeypatch):
    secrets = made()
    monkeypatch.setenv("RETENTION_DATABASE_URL_FILE", str(secrets / "worker_url"))
    monkeypatch.setenv("RETENTION_BROKER_URL_FILE", str(secrets / "broker_url"))
    read = settings.__wrapped__()
    assert read.database_url.startswith("postgresql://retention_worker:")
    assert read.broker_url.startswith("redis://:")


def test_the_first_token_is_the_one_whose_digest_the_server_has(made):
    secrets = made()
    entry = json.loads((secrets / "web_tokens").read_text())
    assert entry["sha256"] == sha256((secrets / "first_token").read_bytes()).hexdigest()


def test_the_dockerfile_is_without_fault():
    found = subprocess.run([BIN / "hadolint", CHECKOUT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_a_fault_in_the_dockerfile_would_be_found(tmp_path):
    faulty = tmp_path / "Dockerfile"
    faulty.write_text((CHECKOUT / "Dockerfile").read_text().replace("USER 10001:10001", "USER root"))
    assert subprocess.run([BIN / "hadolint", faulty], capture_output=True, check=False).returncode == 1


def test_the_image_is_of_nobody_and_holds_only_what_is_installed():
    lines = (CHECKOUT / "Dockerfile").read_text().splitlines()
    assert "USER 10001:10001" in lines
    assert "STOPSIGNAL SIGTERM" in lines
    copied = {
        part for line in lines if line.startswith("COPY ") and "--from" not in line for part in line.split()[1:-1]
    }
    ignored = (CHECKOUT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert copied <= {line.removeprefix("!") for line in ignored[1:]}
    assert all((CHECKOUT / each).exists() for each in copied)
