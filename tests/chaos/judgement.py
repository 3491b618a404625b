"""What is judged of a round besides the promises to every account: what only a campaign can see."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from crowd_promises import broken
from crowd_records import write_down
from processes import until

from chaos.deployment import Deployment
from chaos.faults import Clocks, Fault

__all__ = ["judge", "judge_data", "left_by_sweeps"]

# A fault may well be an error that a sweep has met; that it does not end, or fails, is judged here.
OF_ERRORS = "a sweep has met an error, or has not ended"
# Where a commit was not answered, people do not know themselves what they did; any other error has done nothing.
OF_PEOPLE = {
    "what people did is not what the history tells",
    "what people did is not what the holds tell",
    "a login is lost, of an account that was never left",
}
# A batch in the instant of the step is dated as its database says.
OF_DATES = {"a date lies in the future"}
RESOLVED_SECONDS = 40
ERASED_SECONDS = 40
# Beats go on: a sweep that has just begun ends within seconds.
ENDS_SECONDS = 15
# A tick takes five seconds, and a beat some to start.
READY_SECONDS = 30

QUERIES = {
    "a sweep has failed": "SELECT count(*) FROM sweeps WHERE status = 'failed'",
    "an account is set aside": "SELECT count(*) FROM quarantine WHERE set_aside_at IS NOT NULL",
    "somebody was acted on before they were due": "SELECT count(*) FROM actions WHERE due_at > now()",
}
# Whom nobody touched cannot have fallen due, or have become free, after a sweep had looked.
LEFT = """
SELECT count(*) FROM accounts a JOIN job_seekings j ON j.account_id = a.id
 WHERE (crowd.years_end(j.invalidated_at) <= started.at
        OR a.state = 'withdrawn' AND crowd.window_ends(a.withdrawn_at) <= started.at)
   AND NOT EXISTS (SELECT FROM holds h WHERE h.account_id = a.id)
   AND NOT EXISTS (SELECT FROM transitions t WHERE t.account_id = a.id AND t.at >= started.at)
""".replace(
    "started.at",
    "(SELECT min(as_of) FROM sweeps WHERE actor IN ('beat', 'chaos') AND as_of > created_at - interval '1 hour')",
)


def left_by_sweeps(it: Deployment) -> dict[str, int]:
    """Return how many were left that were due, though every sweep is done; before another sweep takes them."""
    left = it.scalar(LEFT)
    return {"sweeps have ended and left somebody": left} if left else {}


def judge(it: Deployment, fault: Fault) -> dict[str, int]:
    """Return which promises are broken, and how often."""
    it.revive()
    it.wait_until_at_work()
    it.revive()  # which notes what has ended, also of what was to take its place
    found = judge_data(it, unjudged=OF_DATES if fault.clocks is Clocks.DATABASE else set())
    for (kind, code), number in it.ended.items():
        if code not in fault.may_end.get(kind, ()):
            found[f"a {kind} has ended by itself, with exit code {code}"] = number
    found |= _of_the_files(it)
    found |= _of_the_structured_log(it, fault)
    found["an address stands in a log"] = sum(b"@example.jp" in log.read_bytes() for log in _logs(it))
    found["the web server does not answer"] = not _web_answers(it)
    return {what: int(number) for what, number in found.items() if number}


def judge_data(it: Deployment, *, unjudged: Collection[str] = ()) -> dict[str, int]:
    """Return which promises the data does not keep, but for those that are not judged, and how often."""
    if it.diary.done:
        write_down(it.engine, it.diary.done)
    with it.engine.connect() as connection:
        found = broken(connection)
    for promise in {OF_ERRORS, *unjudged} | (OF_PEOPLE if it.diary.unknown else set()):
        found.pop(promise, None)
    found |= {what: it.scalar(query) for what, query in QUERIES.items()}
    found["a sweep has not ended"] = _unended(it)
    found["people met something unexpected"] = sum(it.diary.unexpected.values())
    found["the log does not verify"] = it.stack.retention("log", "verify", "--whole").code
    return {what: number for what, number in found.items() if number}


def _unended(it: Deployment) -> int:
    """Count the sweeps that are open now and stay so."""
    now = _open(it)
    with suppress(AssertionError):
        until(lambda: not now & _open(it), "every sweep has ended", ENDS_SECONDS)
    return len(now & _open(it))


def _open(it: Deployment) -> set[int]:
    return set(it.column("SELECT id FROM sweeps WHERE ended_at IS NULL"))


def _of_the_files(it: Deployment) -> dict[str, int]:
    """Compare the files that are there with the documents that are; nobody erases any by hand."""
    waiting = "SELECT count(*) FROM doomed_files"
    with suppress(AssertionError):
        until(lambda: not it.scalar(waiting), "files of purged accounts are erased", ERASED_SECONDS)
    there = {file.relative_to(it.files).as_posix() for file in it.files.rglob("*.pdf")}
    named = set(it.column("SELECT storage_key FROM documents WHERE storage_key IS NOT NULL"))
    return {
        "a file waits to be erased": it.scalar(waiting),
        "a file is left whose document is gone": len(there - named),
        "a file is gone whose document is there": len(named - there),
    }


def _of_the_structured_log(it: Deployment, fault: Fault) -> dict[str, int]:
    """Compare what workers say of batches with the batches that are there."""
    if not fault.loses_messages and not fault.may_end.get("worker"):
        try:
            until(lambda: not _unresolved(it), "what became of every batch is said", RESOLVED_SECONDS)
        except AssertionError:
            return {"nobody says what became of a batch": len(_unresolved(it))}
    said = {told["receipt"]: told.get("committed", True) for told in _told(it) if told["event"] != "batch.unknown"}
    there = set(it.column("SELECT id FROM receipts"))
    wrong = sum(committed != (receipt in there) for receipt, committed in said.items())
    return {"what is said of a batch is not so": wrong}


def _unresolved(it: Deployment) -> set[int]:
    told = Counter[tuple[str, int]]((each["event"], each["receipt"]) for each in _told(it))
    return {receipt for event, receipt in told if event == "batch.unknown" and not told["batch.resolved", receipt]}


def _told(it: Deployment) -> Iterator[Mapping[str, Any]]:
    for log in _logs(it):
        for line in log.read_bytes().splitlines(keepends=True):
            if (
                any(b'"batch.%s"' % what in line for what in (b"committed", b"resolved", b"unknown"))
                and line[-1:] == b"\n"
            ):
                told = json.loads(line)
                if told["receipt"] is not None:
                    yield told


def _logs(it: Deployment) -> Iterator[Path]:
    return it.stack.directory.glob("*.log")


def _web_answers(it: Deployment) -> bool:
    """Whether the web server comes to say that all is there; a beat that was just started is yet to be heard."""
    lines = [json.loads(line) for line in it.log_of(it.web).read_bytes().splitlines() if b'"web.started"' in line]
    with httpx.Client(base_url=f"http://127.0.0.1:{lines[-1]['port']}", trust_env=False, timeout=30) as client:
        try:
            until(lambda: client.get("/readyz").status_code == 200, "the web server is ready", READY_SECONDS)
        except (AssertionError, httpx.HTTPError):
            return False
    return True
