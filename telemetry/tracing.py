"""Traces, from a webhook through the inbox to the last call.

Off (the default) everything here costs the look at a flag: ``span`` hands out one shared object that does nothing.
``start`` turns it on for this process. Call it after a fork: the SDK's exporting thread does not survive one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

log = logging.getLogger(__name__)

__all__ = ["SpanKind", "carried", "flush", "incoming", "span", "start", "stop", "traceparent"]

on = False
_tracer: Tracer | None = None
_provider: Any = None
_pid = 0
_hosts: frozenset[str] = frozenset()
_propagator = TraceContextTextMapPropagator()
_NOTHING: AbstractContextManager[None] = contextlib.nullcontext()
# Version 00 of the W3C form, neither id all zeros. Anything else a stranger may send is not kept.
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def incoming(header: str | None) -> str:
    """A sender's ``traceparent`` as it may be stored, else empty."""
    return header if header and _TRACEPARENT.fullmatch(header) else ""


def span(
    name: str,
    *,
    parent: str = "",
    kind: SpanKind = SpanKind.INTERNAL,
    links: Iterable[str] = (),
    attributes: Mapping[str, Any] | None = None,
) -> AbstractContextManager[Span | None]:
    """A span that is current inside the block; None while tracing is off.

    Of an error that passes through only its class is kept: texts may quote what a provider said.

    :param parent: a stored ``traceparent``; empty: the current span, else a new trace.
    :param links: further ``traceparent`` values this work serves.
    """
    if not on:
        return _NOTHING
    return _span(name, parent, kind, links, attributes)


@contextlib.contextmanager
def _span(
    name: str, parent: str, kind: SpanKind, links: Iterable[str], attributes: Mapping[str, Any] | None
) -> Iterator[Span | None]:
    if _tracer is None:
        yield None
        return
    with _tracer.start_as_current_span(
        name,
        context=_context_of(parent) if parent else None,
        kind=kind,
        links=[Link(trace.get_current_span(_context_of(link)).get_span_context()) for link in links if link],
        attributes=dict(attributes or {}),
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            failed(current, type(error).__name__)
            raise


def failed(current: Span, kind: str) -> None:
    """Mark the span as failed with an error of this class."""
    current.set_attribute("error.type", kind)
    current.set_status(Status(StatusCode.ERROR))


def _context_of(parent: str) -> Context:
    return _propagator.extract({"traceparent": parent}, context=Context())


def traceparent() -> str:
    """Of the current span; empty while tracing is off."""
    if not on:
        return ""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent", "")


def carried(host: str) -> dict[str, str]:
    """The header that continues the trace at ``host``: for hosts on the allow list only, providers are strangers."""
    if not on or host.lower() not in _hosts:
        return {}
    return {"traceparent": traceparent()}


def start(
    *, role: str, endpoint: str = "", ratio: float = 1.0, hosts: Iterable[str] = (), processor: Any = None
) -> bool:
    """Begin to trace in this process; returns whether it does. Safe to repeat: once per process.

    :param endpoint: the collector's address (OTLP over HTTP), e.g. ``http://collector:4318``; empty: nothing happens.
    :param ratio: share of traces kept, 0 to 1. What a sender wishes is not followed: strangers would fill our store.
    :param processor: takes the spans instead of the exporter (tests).
    """
    global on, _tracer, _provider, _pid, _hosts
    if not endpoint and processor is None:
        return False
    if _pid == os.getpid():
        return on
    _pid = os.getpid()
    try:
        _provider = _sdk_provider(role, endpoint, ratio, processor)
    except ImportError as error:
        log.error("traces are asked for, but the extra 'otel' is not installed (%s)", error)
        return False
    _tracer = _provider.get_tracer("causeway")
    _hosts = frozenset(host.lower() for host in hosts)
    on = True
    return True


def _sdk_provider(role: str, endpoint: str, ratio: float, processor: Any) -> Any:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    if processor is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces"))
    by_id = TraceIdRatioBased(ratio)
    # Remote parents are judged by the same rule: of one trace webhook, attempts and calls are all kept or none.
    sampler = ParentBased(root=by_id, remote_parent_sampled=by_id, remote_parent_not_sampled=by_id)
    provider = TracerProvider(
        sampler=sampler,
        resource=Resource.create({"service.name": "causeway", "service.namespace": role}),
        shutdown_on_exit=False,  # a forked worker would wait for its parent's exporter
    )
    provider.add_span_processor(processor)
    return provider


def flush(seconds: float = 2.0) -> None:
    """Hand over what is still held back, as far as ``seconds`` reach."""
    if on and _provider is not None:
        _provider.force_flush(int(seconds * 1000))


def stop() -> None:
    """Trace no more in this process."""
    global on, _tracer, _provider, _pid
    if _provider is not None and _pid == os.getpid():
        _provider.shutdown()
    on, _tracer, _provider, _pid = False, None, None, 0
