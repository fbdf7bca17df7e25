"""How log lines look: plain lines for people, JSON lines for machines, through the same processors and one redaction.

Whatever logs by the standard library or by structlog passes here. A line carries what the work at hand is about
(``telemetry.context``): request, tenant, run, connection.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

import structlog
from structlog.types import Processor

from connectors.base.redaction import REDACTED, is_secret, redact_line
from telemetry import context

_FIRST = ("time", "level", "logger", "event")
_NESTING = 6
_is_secret = lru_cache(maxsize=2048)(is_secret)


def logging_settings(*, json: bool, level: str) -> dict[str, Any]:
    """Django's ``LOGGING``; tells structlog the same."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _about,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, _in_order]
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [structlog.stdlib.ExtraAdder(), _without_copies, *shared],
        "processors": [*last, structlog.processors.JSONRenderer(ensure_ascii=False, default=str) if json else plain],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": formatter},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {"django-q": {"level": "WARNING"}, "httpx": {"level": "WARNING"}},
    }


def _without_copies(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What another formatter left on the record, and Django's request as an object: the line says it in words."""
    for name in ("message", "asctime", "request", "server_time"):
        line.pop(name, None)
    return line


def _about(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in context.fields().items():
        line.setdefault(name, value)
    return line


def redact(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """No secret leaves by the log: by the name of the field, and by what stands before a value in a text."""
    return {name: _redacted(name, value, _NESTING) for name, value in line.items()}


def _redacted(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if _is_secret(name):
        return REDACTED
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping) and depth:
        return {str(key): _redacted(str(key), item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [_redacted("", item, depth - 1) for item in value]
    return redact_line(value if isinstance(value, str) else str(value))


def _in_order(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    first = {name: line[name] for name in _FIRST if name in line}
    return {**first, **{name: value for name, value in line.items() if name not in first}}


def plain(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> str:
    """``2026-11-25T09:00:00.000000Z INFO runs.sweep returned 2 events tenant=7 run=…``, a traceback below."""
    line = dict(line)
    time, level, logger, event = (line.pop(name, "") for name in _FIRST)
    below = [str(line.pop(name)) for name in ("exception", "stack") if line.get(name)]
    fields = "".join(f" {name}={value}" for name, value in line.items())
    return "\n".join([f"{time} {str(level).upper()} {logger} {event}{fields}", *below])
