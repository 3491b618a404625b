"""`python -m chaos.table RESULTS`: what came of a campaign's rounds, faults by points, as a table in Markdown."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chaos.faults import FAULTS
from chaos.gate import Point

SIGNS = {"sound": "✓", "findings": "✗", "not struck": "-"}


def main() -> None:
    """Print the table; of a pair that was struck more than once, the last round counts."""
    lines = [json.loads(line) for name in sys.argv[1:] for line in Path(name).read_text().splitlines()]
    last = {(each["fault"], each["point"]): each for each in lines}
    points = [str(point).removeprefix("before ") for point in Point]
    print(f"| fault | {' | '.join(points)} | rounds | most ticks |")
    print("|---" * (len(points) + 3) + "|")
    for fault in FAULTS:
        rounds = [last.get((fault, str(point))) for point in Point]
        struck = [each for each in rounds if each]
        most = max((each["ticks"] for each in struck), default="")
        print(f"| {fault} | {' | '.join(map(_cell, rounds))} | {len(struck)} | {most} |")
    print("\n".join(_told(last.values())))


def _cell(done: dict[str, Any] | None) -> str:
    return SIGNS[done["verdict"]] if done else ""


def _told(rounds: Any) -> Iterator[str]:
    rounds = list(rounds)
    counts = {verdict: sum(each["verdict"] == verdict for each in rounds) for verdict in SIGNS}
    yield f"\n{len(rounds)} rounds: {', '.join(f'{number} {verdict}' for verdict, number in counts.items())}"
    for each in rounds:
        if each["verdict"] != "sound":
            yield f"- {each['fault']} {each['point']}: {each['not_struck']} {each['findings']}"


if __name__ == "__main__":
    main()
