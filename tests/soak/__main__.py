"""`make soak`: an hour of load with a fault now and then; nothing may grow, be late, or break."""

import argparse
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from chaos.servers import Servers

from soak.judge import findings
from soak.report import page, write
from soak.run import Terms, soak
from soak.strikes import STRIKING
from worker import embedded

PLANTS = Path(__file__).parent / "plants"


def main() -> None:
    """Run the soak that is asked for; exit 1 if anything was found."""
    asked = _asked()
    print(f"seed {asked.seed}", flush=True)
    mistake = planted(asked.plant, minutes=asked.minutes) if asked.plant else {}
    terms = Terms(
        seed=asked.seed,
        minutes=asked.minutes,
        rate=asked.rate,
        every=asked.every or None,
        look=min(10.0, asked.minutes),
        warm_up=min(15.0, asked.minutes / 4),
        pause=asked.pause,
        hurry=asked.hurry,
    )
    with TemporaryDirectory() as var:
        directory = Path(var, "soak")
        directory.mkdir()
        servers = Servers(Path(var, "servers"))
        seen = soak(
            servers, directory, terms, faults=asked.fault or STRIKING, say=partial(print, flush=True), **mistake
        )
        embedded.release()
    found = findings(seen)
    if asked.report:
        write(asked.report, seen, found)
    print(page(seen, found))
    sys.exit(1 if found else 0)


def planted(leaks: list[str], *, minutes: float) -> dict[str, str]:
    """Return the environment in which processes leak, all through a soak of so many minutes."""
    every = minutes * 60 / 8
    return {"PYTHONPATH": str(PLANTS), "SOAK_PLANT": " ".join(leaks), "SOAK_PLANT_SECONDS": str(every)}


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=int(datetime.now(UTC).timestamp()), help="repeats faults and people"
    )
    parser.add_argument("--minutes", type=float, default=60, help="how long the load lasts; 60")
    parser.add_argument("--rate", type=float, default=3, help="accounts brought a second, four of five due; 3")
    parser.add_argument("--every", type=float, default=3, help="one fault in so many minutes, 0: none; 3")
    parser.add_argument("--fault", action="append", choices=STRIKING, help="only these; may be repeated")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between what people do; 0.5")
    parser.add_argument("--hurry", type=float, help="seconds between more ticks and sweeps; none unless given")
    parser.add_argument("--plant", action="append", choices=["memory", "connection", "key"], help="a leak, to be found")
    parser.add_argument("--report", type=Path, help="write the page here, and beside it every sample as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
