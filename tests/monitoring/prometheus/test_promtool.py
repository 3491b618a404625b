"""promtool: configuration and rules are valid, and every alert fires in its situation, not before, and ends."""

import shutil
import subprocess

import pytest
from deploying import CHECKOUT
from monitored import ALERTS, RULES, program


def promtool(*arguments):
    command = [program("promtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


def test_configuration_and_rules_are_valid():
    done = promtool("check", "config", RULES.parent / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    for path in RULES.iterdir():
        done = promtool("check", "rules", "--lint=all", "--lint-fatal", path)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(ALERTS.glob("*.yml")), ids=lambda path: path.stem)
def test_an_alert_fires_in_its_situation_not_before_and_ends(path):
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("alert", "before", "after"),
    [
        ("late", "for: 3h", "for: 4h"),
        ("late", "> 0\n        for: 3h", ">= 0\n        for: 3h"),
        ("quarantine", "quarantined_accounts:max > 0", "quarantined_accounts:max > 2"),
    ],
)
def test_a_rule_that_was_changed_by_mistake_would_be_found(tmp_path, alert, before, after):
    changed = tmp_path / RULES.relative_to(CHECKOUT)
    shutil.copytree(RULES, changed)
    shutil.copytree(ALERTS, tmp_path / ALERTS.relative_to(CHECKOUT))
    texts = {path: path.read_text() for path in changed.iterdir()}
    assert sum(text.count(before) for text in texts.values()) == 1
    for path, text in texts.items():
        path.write_text(text.replace(before, after))
    assert promtool("test", "rules", tmp_path / ALERTS.relative_to(CHECKOUT) / f"{alert}.yml").returncode == 1
