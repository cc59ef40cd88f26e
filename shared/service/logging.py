"""Logs: one JSON object a line, with the trace id of what is being worked on.

Of one event the log says at most so many lines in a while; the next line says how many were left out.
"""

import logging
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from shared.service import metrics

FLOOD_LINES: Final = 50  # of one event, in each such time: enough to see what it is about
FLOOD_SECONDS: Final = 10.0
FLOOD_EVENTS: Final = 1_000  # that are counted at a time: what libraries say may be a text of its own each time
OWN: Final = ("services", "shared", "deploy", "tests")
NOISY: Final = ("aiokafka", "uvicorn.access", "alembic", "kafka")

trace_id: Final[ContextVar[str | None]] = ContextVar("trace_id", default=None)


@dataclass(slots=True)
class _Window:
    """How many lines of one event were written since `began`, a monotonic time in seconds."""

    began: float
    lines: int = 0
    left_out: int = 0


class FloodGuard(logging.Filter):
    """Lets `FLOOD_LINES` of each event of each logger pass in `FLOOD_SECONDS`, so that a flood hides nothing else.

    The first that passes afterwards carries how many were left out; `rapport_log_lines_left_out_total` counts them.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._windows: dict[tuple[str, str], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether this line is written."""
        message = record.msg
        key = record.name, str(message.get("event")) if isinstance(message, Mapping) else str(message)
        now = self._now()
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= FLOOD_EVENTS:
                del self._windows[next(iter(self._windows))]
            window = self._windows[key] = _Window(now)
        elif now - window.began >= FLOOD_SECONDS:
            window.began, window.lines = now, 0
        if window.lines >= FLOOD_LINES:
            window.left_out += 1
            metrics.log_lines_left_out.labels(record.name).inc()
            return False
        window.lines += 1
        if window.left_out:
            record.left_out, window.left_out = window.left_out, 0
        return True


def configure(service: str, level: str = "INFO", levels: Mapping[str, str] | None = None) -> None:
    """Sends every log record, ours and the libraries', to stderr as JSON.

    `levels` has the level of modules, and of what is below them, that have another. Libraries say INFO and above
    unless it is named there: what they tell of their own work may be about customers.
    """

    def add_context(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        current = trace_id.get()
        if current is not None:
            event["trace_id"] = current
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_context,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                _add_left_out,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Never with local variables: among them are passwords and customers.
                structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    handler.addFilter(FloodGuard())
    root = logging.getLogger()
    root.handlers = [handler]
    own = logging.getLevelNamesMapping()[level]
    root.setLevel(max(own, logging.INFO))
    chosen = dict.fromkeys(OWN, own) | dict.fromkeys(NOISY, max(own, logging.WARNING)) | dict(levels or {})
    for name, one in chosen.items():
        logging.getLogger(name).setLevel(one)


def _add_left_out(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    left_out = getattr(event.get("_record"), "left_out", None)
    if left_out is not None:
        event["left_out"] = left_out
    return event


def traceparent() -> str | None:
    """Returns the current request's W3C trace context, to travel with an event."""
    current = trace_id.get()
    return None if current is None else f"00-{current}-{current[16:]}-01"


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Returns a logger; call it with an event name and keyword facts, never with personal data."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
