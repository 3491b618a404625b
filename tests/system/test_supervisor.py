"""What keeps worker, beat and web running ends all of it, also what does not stop."""

import sys

import psutil
from processes import until

from worker import supervisor
from worker.supervisor import Supervisor

# A child that is long in going, as it has much memory to give back; and a parent that does not let itself be stopped.
STUBBORN = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
much = bytearray(700_000_000) if not child else b""
open(sys.argv[1] + str(bool(child)), "w").write(str(os.getpid()))
signal.pause()
"""


def test_whatever_does_not_stop_is_gone_with_its_children_when_the_supervisor_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.1)
    said = []
    command = [sys.executable, "-c", STUBBORN, f"{tmp_path}/pid"]
    with Supervisor({"stubborn": command}, logs=tmp_path, say=said.append):
        until(lambda: len([each for each in tmp_path.glob("pid*") if each.read_text()]) == 2, "both run")
        both = [psutil.Process(int(each.read_text())) for each in tmp_path.glob("pid*")]
    assert [each for each in both if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
    assert said == ["stubborn does not stop and is ended; what it was doing is rolled back"]
