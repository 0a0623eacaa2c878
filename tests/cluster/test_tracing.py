"""Spans nest as the work does: over threads, generators and processes; off until it is set."""

import contextlib
import gzip
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cluster import tracing
from cluster.deploy.traces import draw, longest, read, tree
from serve.admission import _traced

CHILD = """
import json, sys
from cluster import tracing
tracing.start()
with tracing.span("scorer", json.loads(sys.argv[1]), candidates=5):
    pass
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to which this process traces, by a provider that no other test sees."""
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(tracing._processor(str(tmp_path)))
    tracing.use(provider)
    yield tmp_path
    tracing.use(None)


BELOW = """
from opentelemetry import trace
from cluster import tracing

tracing.start()
rays = trace.get_tracer("ray")
with rays.start_as_current_span("a request"):
    with tracing.span("search", candidates=1), rays.start_as_current_span("a call"):
        pass
"""


def another_process(place, carrier):
    line = [sys.executable, "-c", CHILD, json.dumps(carrier)]
    subprocess.run(line, check=True, env=os.environ | {tracing.PLACE: str(place)})


@contextlib.contextmanager
def collector(status=200):
    """A collector that speaks OTLP over HTTP, on loopback; gives its address, and what came."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    came = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            request = ExportTraceServiceRequest.FromString(body)
            came.append((self.path, request, time.monotonic()))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def searching(place):
    """Be a search: two generations, asked for by changing threads, each scored elsewhere."""

    def generations():
        for scored in (5, 10):
            with tracing.span("chunk", candidates=5):
                another_process(place, tracing.carried())
            yield type("Generation", (), {"scored": scored})()

    trace = tracing.begin("search", candidates=10)
    asked = _traced(generations(), trace)
    for _ in range(3):
        with ThreadPoolExecutor(1) as thread:
            thread.submit(next, asked, None).result()
    trace.end()


def test_a_search_holds_generations_they_chunks_and_these_what_another_process_did(place):
    searching(place)
    spans = {span.key: span for span in read(place)}
    assert len({span.trace for span in spans.values()}) == 1

    def above(span):
        return [] if span.parent is None else [spans[span.parent].name, *above(spans[span.parent])]

    found = sorted(
        (span.attributes["generation"], above(span), span.process)
        for span in spans.values()
        if span.name == "scorer"
    )
    assert [(number, path) for number, path, _ in found] == [
        (number, ["chunk", "generation", "search"]) for number in (0, 1)
    ]
    here = {span.process for span in spans.values() if span.name != "scorer"}
    assert len(here) == 1 and here.isdisjoint(process for _, _, process in found)
    for span in spans.values():
        if span.parent is not None and span.name != "scorer":
            whole = spans[span.parent]
            assert whole.start_s <= span.start_s
            assert span.start_s + span.seconds <= whole.start_s + whole.seconds + 1e-6
    assert sum(span.name == "generation" for span in spans.values()) == 2, "no empty last one"


def test_spans_of_ours_are_kept_below_spans_that_are_not_and_those_with_what_is_below_them(
    tmp_path, monkeypatch
):
    """Ray's span of a request is above ours, and its spans of calls are below."""
    line = [sys.executable, "-c", BELOW]
    subprocess.run(line, check=True, env=os.environ | {tracing.PLACE: str(tmp_path)})
    spans = read(tmp_path)
    assert [span.name for span in spans] == ["a call", "search"], "in the order of their ends"
    lines = list(tree(longest(spans)))
    assert lines[0].startswith("search") and lines[1].startswith("  a call")


def test_the_longest_search_is_shown_as_a_tree_and_drawn(place, tmp_path):
    with tracing.span("search", candidates=1):
        pass
    searching(place)
    lines = list(tree(longest(read(place))))
    names = [line.split()[0] for line in lines]
    assert names == ["search", *["generation", "chunk", "scorer"] * 2]
    assert lines[3].startswith("      scorer") and "generation 0" in lines[3]
    draw(longest(read(place)), str(tmp_path / "trace.png"))
    assert (tmp_path / "trace.png").stat().st_size > 5000


def test_nothing_is_traced_and_nothing_imported_unless_the_setting_is_set():
    code = (
        "import sys; from cluster import tracing; tracing.start()\n"
        "with tracing.span('search') as span: span.note(a=1)\n"
        "assert tracing.carried() == {}\n"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules)"
    )
    environment = {n: v for n, v in os.environ.items() if n != tracing.PLACE}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_rays_own_spans_begin_no_trace_but_belong_to_ours(tmp_path):
    pytest.importorskip("opentelemetry.sdk")
    code = """
from cluster import tracing
tracing.start()
from opentelemetry import trace
ray = trace.get_tracer("ray")
with ray.start_as_current_span("health check"):
    pass
with tracing.span("search"), ray.start_as_current_span("remote call"):
    pass
"""
    environment = os.environ | {tracing.PLACE: str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert {span.name for span in read(tmp_path)} == {"search", "remote call"}


def test_a_collector_without_its_exporter_is_refused_by_name(monkeypatch):
    exporter = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    monkeypatch.setitem(sys.modules, exporter, None)
    with pytest.raises(ImportError, match=r"dass-ray\[tracing\]"):
        tracing._processor("http://127.0.0.1:4318")


def test_a_collector_is_sent_what_each_process_did():
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with collector() as (place, came):
        another_process(f"{place}/", {"traceparent": f"00-{trace}-{parent}-01"})
    ((path, request, _),) = came
    assert path == "/v1/traces"
    (of,) = request.resource_spans
    named = {it.key: it.value.string_value for it in of.resource.attributes}
    assert named["service.name"] == "dass" and named["host.name"]
    (span,) = of.scope_spans[0].spans
    assert span.name == "scorer" and span.end_time_unix_nano > span.start_time_unix_nano
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (trace, parent)
    assert {it.key: it.value.int_value for it in span.attributes}["candidates"] == 5


def test_a_collector_that_is_gone_costs_the_spans_alone():
    with collector() as (place, _):
        pass
    begun = time.monotonic()
    another_process(place, {})
    assert time.monotonic() - begun < 2 * tracing.PATIENCE_S + 20  # twenty to start, when busy


def test_a_collector_that_refuses_for_now_is_asked_again_while_patience_lasts():
    with collector(status=503) as (place, came):
        another_process(place, {})
    asked = [at for *_, at in came]
    assert len(asked) > 1 and asked[-1] - asked[0] <= tracing.PATIENCE_S
