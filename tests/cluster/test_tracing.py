"""Spans nest as the work does: over threads, generators and processes; off until it is set."""

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

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
    pytest.importorskip("opentelemetry.sdk")
    with contextlib.suppress(ImportError):
        import opentelemetry.exporter.otlp.proto.http  # noqa: F401

        pytest.skip("the exporter is installed here")
    with pytest.raises(ImportError, match=r"dass-ray\[tracing\]"):
        tracing._processor("http://127.0.0.1:4318")
