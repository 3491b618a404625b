"""A Redis that has no memory left refuses to note who has a message; the worker that took it does it all the same."""

import os
import signal

from own_servers import OwnServers
from processes import Stack, until


def test_a_worker_lives_on_and_does_what_it_took_from_a_redis_that_is_full(database_url, tmp_path):
    servers = OwnServers(tmp_path / "var", database=False)
    stack = Stack(database_url, servers.broker_url, tmp_path)
    try:
        worker = stack.worker()
        # It is handed the message, and reads it only when there is no memory left.
        os.killpg(worker.pid, signal.SIGSTOP)
        assert stack.start("celery", "-A", "worker", "call", "retention.measure", log="call").wait() == 0
        with servers.redis() as client:
            client.config_set("maxmemory", 1)
            os.killpg(worker.pid, signal.SIGCONT)
            log = tmp_path / "worker.log"
            until(lambda: b"succeeded" in log.read_bytes() or worker.poll() is not None, "it has done it")
            client.config_set("maxmemory", 0)
        assert worker.poll() is None
    finally:
        stack.stop()
