"""What the lock holds is listed completely, and a package about which nobody was asked is not called sound."""

import json
import re
import runpy
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
LOCK = CHECKOUT / "requirements" / "worker.txt"
verdict = runpy.run_path(str(CHECKOUT / "requirements" / "audit.py"))["verdict"]

SOUND = {"name": "celery", "version": "5.6.3", "vulns": []}
HOLED = {"name": "amqp", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "vine", "skip_reason": "not found"}


def test_the_list_has_every_locked_package_with_its_version_and_hashes(tmp_path):
    written = tmp_path / "sbom.json"
    subprocess.run(["make", "sbom", f"SBOM={written}"], cwd=CHECKOUT, check=True, capture_output=True)
    listed = json.loads(written.read_text())
    locked = re.findall(r"^([\w.-]+)==([^\s;]+)(.*?)(?=^\S|\Z)", LOCK.read_text(), re.MULTILINE | re.DOTALL)
    assert len(locked) > 40
    assert {(each["name"], each["version"]) for each in listed["components"]} == {each[:2] for each in locked}
    hashes = {
        (each["name"], each["version"]): {
            hashed["content"] for place in each["externalReferences"] for hashed in place["hashes"]
        }
        for each in listed["components"]
    }
    for name, version, rest in locked:
        assert hashes[name, version] == set(re.findall(r"sha256:([0-9a-f]{64})", rest))


def test_a_known_hole_fails_and_names_the_way_out():
    code, lines = verdict([SOUND, HOLED, UNKNOWN])
    assert code == 1
    assert lines[0] == "amqp 1.0: CVE-1; mended in 1.1"
    assert "1 of 3" in lines[1]


def test_what_nobody_was_asked_about_is_not_called_sound():
    assert verdict([SOUND, UNKNOWN])[0] == 75
    assert verdict([])[0] == 75
    assert verdict([SOUND])[0] == 0
