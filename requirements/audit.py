"""Ask whether a locked version has a known hole: exit 0 none, 1 found, 75 not everything could be asked.

pip-audit alone answers "no known vulnerabilities" where its service knew none of the packages; here that is no answer.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

LOCKS = Path(__file__).parent
FOUND, NOT_ASKED = 1, 75


def main() -> int:
    """Ask about every package of both locks, and say what came of it."""
    with TemporaryDirectory() as directory:
        answer = Path(directory, "answer.json")
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner=off"]
        locks = [f"--requirement={LOCKS / name}" for name in ("worker.txt", "dev.txt")]
        asked = subprocess.run(
            [*command, *locks, "--format=json", f"--output={answer}"], capture_output=True, text=True, check=False
        )
        told = json.loads(answer.read_text()) if answer.exists() else None
    if told is None:
        reason = (asked.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        print(f"NOT ASKED whether a locked version has a known hole: {reason}", file=sys.stderr)
        return NOT_ASKED
    code, lines = verdict(told["dependencies"])
    print("\n".join(lines), file=sys.stderr if code else sys.stdout)
    return code


def verdict(dependencies: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Return the exit code, and what to say, for what pip-audit answered about each package."""
    holes = [
        f"{each['name']} {each['version']}: {hole['id']}; mended in {', '.join(hole['fix_versions']) or 'none yet'}"
        for each in dependencies
        for hole in each.get("vulns", ())
    ]
    skipped = [each["name"] for each in dependencies if "skip_reason" in each]
    unasked = [f"NOT ASKED about {len(skipped)} of {len(dependencies)} packages: the service does not know them"]
    if holes:
        return FOUND, [*holes, *(unasked if skipped else []), "make upgrade takes the newest allowed versions"]
    if skipped or not dependencies:
        return NOT_ASKED, unasked
    return 0, [f"{len(dependencies)} locked packages, none with a known hole"]


if __name__ == "__main__":
    sys.exit(main())
