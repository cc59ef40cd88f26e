"""Logs: one JSON object a line, with the trace id of what is being worked on."""

import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, Final

import structlog
from structlog.tracebacks import ExceptionDictTransformer

trace_id: Final[ContextVar[str | None]] = ContextVar("trace_id", default=None)


def configure(service: str, level: str = "INFO") -> None:
    """Sends every log record, ours and the libraries', to stderr as JSON."""

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
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Never with local variables: among them are passwords and customers.
                structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("aiokafka", "uvicorn.access", "alembic", "kafka"):
        logging.getLogger(noisy).setLevel(max(root.level, logging.WARNING))


def traceparent() -> str | None:
    """The current request's W3C trace context, to travel with an event."""
    current = trace_id.get()
    return None if current is None else f"00-{current}-{current[16:]}-01"


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; call it with an event name and keyword facts, never with personal data."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
