"""Logs: one JSON object per line, redacted; for a terminal, the same in a readable form."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

SECRET_NAMES = re.compile(r"password|secret|token|authorization|cookie|api_?key|dsn|database_url|amqp_url", re.I)
SECRET_VALUES = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JWT
    r"|\b(?:tky|tsc|trt|tcs|tms)_[\w-]+"  # API keys, providers' tokens, refresh tokens, console cookies, mailed tokens
    r"|\bwhsec_[\w+/=-]+"  # what webhooks are signed with, ours and Stripe's
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user:password of a URL
)
REDACTED = "[redacted]"


def set_up_logging(*, level: str = "info", readable: bool = False) -> None:
    """Called once by a process, before anything else speaks."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if readable else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_ToStructlog()], force=True)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # a traceback per loss; shared.bus says each in one line


def redact(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Blanks whatever is named like a secret or looks like one."""
    return {name: REDACTED if SECRET_NAMES.search(name) else _clean(value) for name, value in entry.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return SECRET_VALUES.sub(REDACTED, value)
    if isinstance(value, Mapping):
        return {k: REDACTED if SECRET_NAMES.search(str(k)) else _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _clean(value.decode(errors="replace") if isinstance(value, bytes) else str(value))


class _ToStructlog(logging.Handler):
    """What libraries log goes the same way as what we log."""

    def emit(self, record: logging.LogRecord) -> None:
        entry: dict[str, Any] = {"library": record.name}
        if record.exc_info:
            entry["exc_info"] = record.exc_info
        structlog.get_logger().log(record.levelno, record.getMessage(), **entry)
