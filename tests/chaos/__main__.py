"""`make chaos`: strike a deployment by each fault at each point in turn, and say what became of it."""

import argparse
import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from chaos import faketime
from chaos.campaign import Round, strike
from chaos.faults import FAULTS, Clocks
from chaos.gate import Point
from chaos.planting import PLANTS, environment, find
from chaos.servers import Servers
from worker import embedded


def main() -> None:
    """Run the rounds that are asked for; exit 1 if a promise was broken in any, or a fault did not strike."""
    asked = _asked()
    print(f"seed {asked.seed}", flush=True)
    with ExitStack() as over:
        place = _Place(Path(over.enter_context(TemporaryDirectory())))
        over.callback(embedded.release)
        if asked.plants:
            sys.exit(_plants(asked.plant or list(PLANTS), place))
        rounds = list(_rounds(asked, place))
    unsound = [each for each in rounds if each.verdict != "sound"]
    most = max((each.ticks for each in rounds), default=0)
    print(f"{len(rounds)} rounds, {len(rounds) - len(unsound)} sound; most ticks {most}")
    for each in unsound:
        print(_line(each))
    if faketime.library() is None:
        print(f"\033[1;31m{faketime.LEFT_OUT}\033[0m")
    sys.exit(1 if unsound else 0)


class _Place:
    """Where rounds happen: servers, and a directory for each."""

    def __init__(self, var: Path) -> None:
        self._var = var
        self._servers: dict[bool, Servers] = {}
        self._number = 0

    def next(self, fault: str) -> tuple[Servers, Path]:
        """Return servers that suit a fault, and a new directory."""
        self._number += 1
        directory = self._var / str(self._number)
        directory.mkdir()
        stepped = FAULTS[fault].clocks is Clocks.DATABASE
        if stepped not in self._servers:
            made = self._var / f"servers{self._number}"
            self._servers[stepped] = Servers(made, clock=self._var / f"clock{self._number}" if stepped else None)
        return self._servers[stepped], directory

    def forget(self) -> None:
        """Use these servers no more: nobody knows how a round that broke off has left them."""
        self._servers.clear()


def _plants(names: list[str], place: _Place) -> int:
    """Make each of these mistakes; returns an exit code."""
    lost = []
    for name in names:
        try:
            found = find(PLANTS[name], *place.next(PLANTS[name].fault))
        except Exception:  # noqa: BLE001 - said here, and the next one is looked for
            traceback.print_exc()
            place.forget()
            found = False
        lost += [] if found else [name]
    print(f"not found: {', '.join(lost)}" if lost else "every mistake is found")
    return 1 if lost else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(datetime.now(UTC).timestamp()), help="repeats a campaign")
    parser.add_argument("--rounds", type=int, help="so many pairs, by chance; all in turn unless given")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="only this one; may be repeated")
    parser.add_argument("--point", action="append", type=Point, choices=list(Point), help="only here; may be repeated")
    parser.add_argument("--share", default="1/1", help="2/3: the second of three shares of the pairs")
    parser.add_argument("--results", type=Path, help="add a line of JSON for each round to this file")
    parser.add_argument(
        "--rest",
        action="store_true",
        help="only what the file of results has not yet, as after one that was broken off",
    )
    parser.add_argument("--plant", action="append", choices=list(PLANTS), help="make this mistake; may be repeated")
    parser.add_argument(
        "--plants", action="store_true", help="each mistake where it shows; exit 1 unless all are found"
    )
    asked = parser.parse_args()
    if asked.rest and not asked.results:
        parser.error("--rest needs the file of --results")
    return asked


def _rounds(asked: argparse.Namespace, place: _Place) -> Iterator[Round]:
    for fault, point, seed in _pairs(asked):
        began = datetime.now(UTC)
        try:
            done = strike(*place.next(fault), fault, point, seed, **environment(asked.plant or []))
        except Exception as error:  # noqa: BLE001 - one round's finding, and not the end of the others
            traceback.print_exc()
            done = Round(fault, point, seed, findings={f"the round broke off: {type(error).__name__}: {error}": 1})
            place.forget()
        seconds = round((datetime.now(UTC) - began).total_seconds())
        print(f"{_line(done)} | {seconds} s", flush=True)
        if asked.results:
            with asked.results.open("a") as results:
                results.write(json.dumps(_document(done) | {"seconds": seconds}) + "\n")
        yield done


def _pairs(asked: argparse.Namespace) -> Iterator[tuple[str, Point, int]]:
    faults, points = asked.fault or list(FAULTS), asked.point or list(Point)
    # Each fault at another point, and so on: what is broken off has seen every fault, and every point, about as often.
    pairs = [
        (fault, points[(turn + number) % len(points)])
        for turn in range(len(points))
        for number, fault in enumerate(faults)
    ]
    possible = [pair for pair in pairs if _is_possible(*pair)]
    if not possible:
        sys.exit("none of these faults strikes anything at these points; ask for others, or fetch libfaketime")
    chosen = possible if asked.rounds is None else Random(asked.seed).choices(possible, k=asked.rounds)
    done = _struck(asked.results) if asked.rest else set()
    mine, of = map(int, asked.share.split("/"))
    for fault, point in [pair for pair in chosen[mine - 1 :: of] if pair not in done]:
        # A round's own seed, so that it is the same when asked for alone.
        yield fault, point, Random(f"{asked.seed} {fault} {point}").randrange(2**32)


def _is_possible(fault: str, point: Point) -> bool:
    if point in FAULTS[fault].not_at:
        return False
    return FAULTS[fault].clocks is not Clocks.DATABASE or faketime.library() is not None


def _struck(results: Path | None) -> set[tuple[str, str]]:
    """Return the pairs that a file of results has."""
    lines = results.read_text().splitlines() if results and results.exists() else []
    return {(each["fault"], each["point"]) for each in map(json.loads, lines)}


def _document(done: Round) -> dict[str, Any]:
    return asdict(done) | {"verdict": done.verdict}


def _line(done: Round) -> str:
    what = [f"{promise}: {number}" for promise, number in done.findings.items()]
    what += [f"NOT STRUCK: {done.not_struck}"] if done.not_struck else []
    hit = "".join(f" | hit: {command}, exit code {code}" for command, code in done.hit.items())
    said = "; ".join(what) or "sound"
    return f"{done.fault} | {done.point} ({done.outcome}) | {done.acted} acted on | {done.ticks} ticks | {said}{hit}"


if __name__ == "__main__":
    main()
