"""Setting the log up, as each command does that a process runs."""

import subprocess
import sys

TWICE = """
import structlog
from structlog.testing import capture_logs
from worker.logs import configure_logs

log = structlog.get_logger("somebody")
configure_logs("ERROR")
log.info("before")
configure_logs("ERROR")
with capture_logs() as logged:
    log.info("after")
print([each["event"] for each in logged])
"""


def test_a_logger_that_was_used_before_the_log_was_set_up_again_is_not_left_behind():
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=True)
    assert done.stdout == "['after']\n"
