"""Traces of what a cluster is asked, as OpenTelemetry spans; off unless one setting says where to.

`DASS_TRACES` names a folder, where every process writes a file of JSON lines, or the URL of a
collector that speaks OTLP over HTTP (`pip install 'dass-ray[tracing]'`). Ray calls `start` in each
of its processes: `ray start --tracing-startup-hook=cluster.tracing:start`; a private cluster does
so by itself. Of Ray's own spans those are kept that belong to one of ours. Knows nothing of what
is traced.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

PLACE = "DASS_TRACES"
"""The setting, a variable of the environment."""
HOOK = "cluster.tracing:start"
OURS = "dass.ours"
"""Attribute by which a span may begin a trace."""

PATIENCE_S = 3.0
"""A collector that does not answer for so long loses the spans; a process ends no later for it."""

_inherited: ContextVar[Mapping[str, Any]] = ContextVar("inherited", default={})  # noqa: B039
_tracer: Any = None


def start() -> None:
    """Trace what this process does from now on, if the setting is set; Ray's startup hook."""
    global _tracer
    place = os.environ.get(PLACE)
    if not place or _tracer is not None:
        return
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(
        sampler=_only_ours(),
        resource=Resource.create({"service.name": "dass", "host.name": socket.gethostname()}),
    )
    provider.add_span_processor(_processor(place))
    trace.set_tracer_provider(provider)
    _tracer = provider.get_tracer("dass")


def use(provider: Any) -> None:
    """Trace to a provider of the caller's, or no more where it is `None`."""
    global _tracer
    _tracer = None if provider is None else provider.get_tracer("dass")


class Span:
    """What is under way: made current where work for it is done, and ended once."""

    def __init__(self, span: Any, inherited: Mapping[str, Any]) -> None:
        self._span, self._inherited = span, inherited

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Let spans that begin meanwhile, in this thread or task, be parts of it."""
        if self._span is None:
            yield
            return
        from opentelemetry import trace

        token = _inherited.set(self._inherited)
        try:
            with trace.use_span(self._span):
                yield
        finally:
            _inherited.reset(token)

    def note(self, **attributes: Any) -> None:
        """Add what is known only now."""
        if self._span is not None:
            self._span.set_attributes(attributes)

    def end(self) -> None:
        """End it."""
        if self._span is not None:
            self._span.end()


def begin(name: str, came: Mapping[str, str] | None = None, **attributes: Any) -> Span:
    """Begin a span below the current one, or below one that came from another process.

    Args:
        came: what `carried` gave there.
        attributes: plain values; a `generation` is handed down to all that is below.
    """
    if _tracer is None:
        return Span(None, {})
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = came or {}
    context = TraceContextTextMapPropagator().extract(carrier) if carrier else None
    inherited = dict(_inherited.get())
    if "generation" in carrier:
        inherited["generation"] = int(carrier["generation"])
    if "generation" in attributes:
        inherited["generation"] = attributes["generation"]
    known = {OURS: True} | inherited | attributes
    return Span(_tracer.start_span(name, context=context, attributes=known), inherited)


@contextlib.contextmanager
def span(name: str, came: Mapping[str, str] | None = None, **attributes: Any) -> Iterator[Span]:
    """Begin a span, make it current, and end it with the block; arguments as of `begin`."""
    begun = begin(name, came, **attributes)
    try:
        with begun.current():
            yield begun
    finally:
        begun.end()


def carried() -> dict[str, str]:
    """Return what another process needs to go on with the current span; empty where none is."""
    if _tracer is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    if carrier and "generation" in _inherited.get():
        carrier["generation"] = str(_inherited.get()["generation"])
    return carrier


def _processor(place: str) -> Any:
    """Return what takes ended spans to where they are wanted."""
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        ConsoleSpanExporter,
        SimpleSpanProcessor,
    )

    if place.startswith(("http://", "https://")):
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError as error:
            raise ImportError(
                f"{PLACE}={place} needs the exporter of OTLP over HTTP, which is not installed; "
                "`pip install 'dass-ray[tracing]'`, or name a folder"
            ) from error
        endpoint = f"{place.rstrip('/')}/v1/traces"
        return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=PATIENCE_S))
    Path(place).mkdir(parents=True, exist_ok=True)
    file = Path(place, f"{socket.gethostname()}-{os.getpid()}.jsonl").open("a", buffering=1)  # noqa: SIM115
    written = ConsoleSpanExporter(out=file, formatter=lambda s: s.to_json(indent=None) + "\n")
    return SimpleSpanProcessor(written)


def _only_ours() -> Any:
    """Return a sampler of our spans and of all below them.

    Ray's spans above ours, of a request say, and its health checks are left out; so whether a
    span of ours is kept may not hang on its parent's.
    """
    from opentelemetry import trace
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

    class Ours(Sampler):
        def should_sample(self, *args: Any, **named: Any) -> Any:
            attributes = named.get("attributes") or (args[4] if len(args) > 4 else None) or {}
            above = args[0] if args else named.get("parent_context")
            parent = trace.get_current_span(above).get_span_context()
            below = parent.is_valid and parent.trace_flags.sampled
            if OURS not in attributes and not below:
                return ALWAYS_OFF.should_sample(*args, **named)
            return ALWAYS_ON.should_sample(*args, **named)

        def get_description(self) -> str:
            return "spans of ours and what is below them"

    return Ours()
