"""The systemd units: they agree with the program and with each other; where systemd is there, it says so itself."""

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from deploying import CHECKOUT, LEFT_OUT, known_variables, systemd_analyze

from celeryconfig import task_soft_time_limit
from models.errors import InvalidConfiguration, Unavailable
from worker.cli import COMMANDS
from worker.exits import EXITS

UNITS = CHECKOUT / "deploy" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
TARGET = UNITS / "retention.target"
COMMON = UNITS / "retention-.service.d" / "10-common.conf"
COMMAND = CHECKOUT / "deploy" / "command" / "retention"
# What every unit has to be kept from, each with the value that does it.
HARDENING = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "DynamicUser": "yes",
    "CapabilityBoundingSet": "",
    "MemoryDenyWriteExecute": "yes",
    "SystemCallFilter": "@system-service",
}
OF_THE_SYSTEM = {"network-online.target", "postgresql.service", "redis-server.service", "multi-user.target"}
MOST_EXPOSED = 2.0


def read(*paths):
    """Return the settings of a unit with its drop-ins: all values of each name, in order."""
    found = defaultdict(list)
    for path in paths:
        for line in path.read_text().splitlines():
            if line and line[0] not in "#[":
                name, _, value = line.partition("=")
                found[name].append(value)
    return found


@pytest.fixture(params=SERVICES, ids=lambda path: path.stem)
def unit(request):
    return read(request.param, COMMON)


def test_each_part_of_the_worker_has_a_unit_and_the_target_starts_them():
    assert [path.stem for path in SERVICES] == [f"retention-{name}" for name in ("beat", "migrate", "web", "worker")]
    wanted = {name for value in read(TARGET)["Wants"] for name in value.split()}
    assert wanted == {path.name for path in SERVICES} - {"retention-migrate.service"}


def test_what_a_unit_names_is_a_unit(unit):
    ours = {path.name for path in [*SERVICES, TARGET]}
    for name in ("After", "Wants", "PartOf", "WantedBy"):
        for value in unit[name]:
            assert set(value.split()) <= ours | OF_THE_SYSTEM


def test_what_a_unit_runs_is_ours(unit):
    (command,) = unit["ExecStart"]
    program, *arguments = command.split()
    assert program in ("/opt/retention/bin/retention", "/opt/retention/bin/celery")
    if program.endswith("retention"):
        assert arguments[0] in COMMANDS
    else:
        assert arguments[:2] == ["-A", "worker"]
        assert arguments[2] in ("worker", "beat")


def test_every_variable_is_a_setting_and_every_secret_is_loaded(unit):
    loaded = {value.split(":")[0] for value in unit["LoadCredential"]}
    for value in unit["Environment"]:
        name, _, held = value.partition("=")
        assert name in known_variables() | {"PYTHONUNBUFFERED"}
        assert re.search("PASSWORD|TOKEN|SECRET|URL", name) is None or held.startswith("%d/")
        assert not held.startswith("%d/") or held.removeprefix("%d/") in loaded
    assert all(value.split(":")[1].startswith("/etc/retention/secrets/") for value in unit["LoadCredential"])


def test_each_has_the_role_that_it_needs():
    others = {"retention-migrate": "owner_url", "retention-web": "web_server_url"}
    for path in SERVICES:
        url = next(value for value in read(path)["LoadCredential"] if value.startswith("database_url:"))
        assert Path(url).name == others.get(path.stem, "worker_url")


def test_every_unit_is_kept_from_what_it_does_not_need(unit):
    for name, value in HARDENING.items():
        assert unit[name][0] == value, name
    assert unit["MemoryMax"]
    assert unit["TasksMax"]


def test_a_unit_has_time_to_end_its_task_and_is_not_started_again_with_a_wrong_setting(unit):
    assert unit["KillSignal"] == ["SIGTERM"]
    assert unit["KillMode"] == ["mixed"]  # a worker's children are its own to end
    assert int(unit["TimeoutStopSec"][0]) > task_soft_time_limit
    wrong = str(EXITS[InvalidConfiguration])
    is_worker = "worker worker" in unit["ExecStart"][0]  # whose exit may mean as well that the schema is not there yet
    assert any(wrong in value.split() for value in unit["RestartPreventExitStatus"]) is not is_worker


def test_a_unit_whose_database_is_not_there_yet_is_started_again_for_ever(unit):
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["Restart"] == ["on-failure" if unit["Type"] == ["oneshot"] else "always"]
    assert int(unit["RestartSec"][0]) > 0
    assert not any(str(EXITS[Unavailable]) in value.split() for value in unit["RestartPreventExitStatus"])


def test_what_follows_the_migration_neither_fails_nor_is_stopped_with_it():
    migration = "retention-migrate.service"
    for path in SERVICES:
        if path.name != migration:
            unit = read(path)
            assert unit["After"] == unit["Wants"] == [migration]
            assert not any(unit[name] for name in ("Requires", "Requisite", "BindsTo"))


@pytest.fixture
def typed(tmp_path):
    """What an operator's command on a host asks systemd for: options, then the program with its arguments."""
    stand_in = tmp_path / "systemd-run"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    stand_in.chmod(0o755)
    command = [COMMAND, "pause", "purge", "--reason", "are these dates right?"]
    ran = subprocess.run(command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    arguments = ran.stdout.split("\0")[:-1]
    program = arguments.index("/opt/retention/bin/retention")
    return arguments[:program], arguments[program + 1 :]


def test_an_operators_command_has_the_settings_the_broker_and_the_database_of_the_worker(typed):
    options, arguments = typed
    assert arguments == ["pause", "purge", "--reason", "are these dates right?"]
    (name,) = [option.removeprefix("--unit=") for option in options if option.startswith("--unit=")]
    assert name.startswith(COMMON.parent.name.removesuffix(".service.d"))  # so that its settings are this unit's, too
    worker = read(UNITS / "retention-worker.service")["LoadCredential"]
    assert [f"--property=LoadCredential={each}" for each in worker] == [each for each in options if "Load" in each]
    assert f"--setenv=RETENTION_DATABASE_URL_FILE=/run/credentials/{name}/database_url" in options
    assert "RETENTION_BROKER_URL_FILE=%d/broker_url" in read(COMMON)["Environment"]


@pytest.mark.skipif(not systemd_analyze(), reason=LEFT_OUT)
def test_systemd_itself_finds_no_fault_and_little_exposed(tmp_path):
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.glob("*.service"):  # systemd wants to see the programs
        path.write_text(path.read_text().replace("/opt/retention/bin", str(Path(sys.executable).parent)))
    environment = {"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin", "LC_ALL": "C"}

    def analyze(*arguments):
        command = ["systemd-analyze", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    units = sorted(map(str, [*tmp_path.glob("*.service"), tmp_path / "retention.target"]))
    verified = analyze("verify", *units)
    assert (verified.returncode, verified.stderr) == (0, "")
    for each in units[:-1]:
        exposed = analyze("security", "--offline=yes", "--no-pager", each).stdout
        assert float(re.search(r"exposure level for \S+: ([\d.]+)", exposed)[1]) <= MOST_EXPOSED
    (tmp_path / "retention-worker.service").write_text("[Service]\nExecStart=nowhere\n")
    assert analyze("verify", *units).stderr


def test_the_last_lines_of_a_run_say_where_there_is_no_systemd(tmp_path):
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", __file__]
    nothing = os.environ | {"PATH": str(tmp_path)}
    ran = subprocess.run(command, cwd=CHECKOUT, env=nothing, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert LEFT_OUT in ran.stdout
