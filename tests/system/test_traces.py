"""Traces, where OpenTelemetry's own variables ask for them: one from a tick to its batches, and nothing else."""

import subprocess
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from processes import until

HARMLESS = {f"retention.{each}" for each in ("sweep", "lane", "policy", "accounts", "receipt")}
HARMLESS |= {"messaging.system", "messaging.message.id"}


class Collector(ThreadingHTTPServer):
    """Keeps what OTLP exporters send it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.spans = []
        self.services = set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in sent.resource_spans:
            told = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.server.services.add(told["service.name"])
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    with Collector() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def done(stack):
    return [each["status"] for each in stack.retention("sweeps", "--json").json["sweeps"]] == ["done", "done"]


def test_one_trace_leads_from_a_tick_to_its_batches_and_quotes_nobody(stack, engine, collector):
    stack.retention("seed", "--accounts", "1500", check=True)
    worker = stack.worker(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert stack.start("celery", "-A", "worker", "call", "retention.dispatch", log="call").wait() == 0
    until(lambda: done(stack), "both sweeps are done")
    worker.terminate()
    assert worker.wait(60) == 0
    spans = {span.span_id: span for span in collector.spans}
    assert collector.services == {"retention-worker"}

    def way(span):
        """The names from a span up to its trace's first."""
        names = [span.name]
        while span.parent_span_id:
            span = spans[span.parent_span_id]
            names.append(span.name)
        return names

    batches = [span for span in spans.values() if span.name == "batch"]
    ways = Counter(tuple(way(span)) for span in batches)
    assert all(each[:2] == ("batch", "retention.drain") for each in ways)
    assert all(each[-2:] == ("retention.sweep", "retention.dispatch") for each in ways)
    assert len({span.trace_id for span in batches}) == 1, "both sweeps belong to one tick's trace"
    told = [{each.key: each.value for each in span.attributes} for span in batches]
    assert {each["retention.policy"].string_value for each in told} == {"purge", "counter_only"}
    receipts = {each["retention.receipt"].int_value for each in told if "retention.receipt" in each} - {0}
    with engine.connect() as connection:
        assert receipts == set(connection.exec_driver_sql("SELECT id FROM receipts").scalars())
    traces = {span.trace_id.hex() for span in batches}
    committed = [line for line in stack.log("worker") if line["event"] == "batch.committed"]
    assert {line["trace_id"] for line in committed} == traces, "a line of the log names its trace"
    assert {each.key for span in spans.values() for each in span.attributes} <= HARMLESS


def test_an_error_is_a_kind_in_a_trace_and_no_text(stack, collector):
    worker = stack.worker(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    told = ("--kwargs", '{"policy": "taro@example.jp", "actor": "mori", "reason": "r"}')
    assert stack.start("celery", "-A", "worker", "call", "retention.run", *told, log="call").wait() == 0
    until(lambda: any(each["level"] == "error" for each in stack.log("worker")), "the task has failed")
    worker.terminate()
    assert worker.wait(60) == 0
    (span,) = collector.spans
    assert {each.key: each.value.string_value for each in span.attributes}["error.type"] == "Refused"
    assert (span.status.code, span.status.message, list(span.events)) == (2, "", [])


@pytest.mark.parametrize("off", [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_where_nobody_asks_for_traces_nothing_that_traces_is_even_imported(stack, off):
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"} if off else {}
    program = (
        "import sys; from worker.process import process_app; from worker.traces import trace_tasks;"
        "trace_tasks(process_app()); print([name for name in ('worker.spans', 'opentelemetry.sdk.trace',"
        " 'opentelemetry.exporter') if name in sys.modules])"
    )
    environment = stack.environment | asked | off
    shown = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_a_worker_that_is_to_trace_and_cannot_says_what_to_install(stack):
    (stack.directory / "opentelemetry.py").write_text("raise ImportError\n")
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "PYTHONPATH": str(stack.directory)}
    assert stack.start("celery", "-A", "worker", "worker", log="worker", **asked).wait() == 4
    assert "install retention-worker[otel]" in (stack.directory / "worker.log").read_text()
