"""`make chaos`: strike a deployment by each fault at each point in turn, and say what became of it."""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from own_servers import OwnServers

from chaos.campaign import Round, strike
from chaos.faults import FAULTS
from chaos.gate import Point
from worker import embedded

PLANTS = Path(__file__).parent / "plants"


def main() -> None:
    """Run the rounds that are asked for; exit 1 if a promise was broken in any."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(datetime.now(UTC).timestamp()), help="repeats a campaign")
    parser.add_argument("--rounds", type=int, help="so many pairs, by chance; all in turn unless given")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="only this one; may be repeated")
    parser.add_argument("--point", action="append", type=Point, choices=list(Point), help="only here; may be repeated")
    parser.add_argument("--plant", choices=["torn"], help="make this mistake, which has to be found")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    mistake = {"PYTHONPATH": str(PLANTS), "CHAOS_PLANT": asked.plant} if asked.plant else {}
    rounds = []
    with TemporaryDirectory() as var:
        servers = OwnServers(Path(var, "servers"), database=True)
        for number, (fault, point, seed) in enumerate(_pairs(asked)):
            directory = Path(var, str(number))
            directory.mkdir()
            rounds.append(strike(servers, directory, fault, point, seed, **mistake))
            print(_line(rounds[-1]), flush=True)
        embedded.release()
    failed = [each for each in rounds if each.findings]
    print(f"{len(rounds)} rounds, {len(failed)} with findings; most ticks {max(each.ticks for each in rounds)}")
    sys.exit(1 if failed else 0)


def _pairs(asked: argparse.Namespace) -> Iterator[tuple[str, Point, int]]:
    pairs = list(product(asked.fault or FAULTS, asked.point or Point))
    random = Random(asked.seed)
    chosen = pairs if asked.rounds is None else random.choices(pairs, k=asked.rounds)
    for fault, point in chosen:
        # A round's own seed, so that it is the same when asked for alone.
        yield fault, point, Random(f"{asked.seed} {fault} {point}").randrange(2**32)


def _line(done: Round) -> str:
    what = "; ".join(f"{promise}: {number}" for promise, number in done.findings.items()) or "sound"
    return f"{done.fault} | {done.point} ({done.outcome}) | {done.acted} acted on | {done.ticks} ticks | {what}"


if __name__ == "__main__":
    main()
