"""What is written into the log, and what never is."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from shared.service import logging as configured
from shared.service.setting_kinds import levels_of


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the root logger writes, while it is ours."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    named = ("shared", "services", "deploy", "tests", "shared.kafka", *configured.NOISY)
    levels = {name: logging.getLogger(name).level for name in named}
    configured.configure("test")
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    handler.setStream(written)
    yield written
    root.handlers, root.level = before, level
    for name, one in levels.items():
        logging.getLogger(name).setLevel(one)


def test_an_exception_is_logged_without_the_variables_around_it(stream: io.StringIO) -> None:
    def fail(password: str) -> None:
        raise ValueError(f"{len(password)} characters")

    try:
        fail("hush-hush")
    except ValueError:
        configured.get_logger("test").exception("failed")
    [line] = stream.getvalue().splitlines()
    assert "hush-hush" not in line
    assert json.loads(line)["exception"][0]["exc_value"] == "9 characters"


def test_a_line_carries_the_service_and_the_trace(stream: io.StringIO) -> None:
    token = configured.trace_id.set("0af7651916cd43dd8448eb211c80319c")
    configured.get_logger("test").info("happened", orders=3)
    configured.trace_id.reset(token)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["service"], line["orders"]) == ("happened", "test", 3)
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


def test_a_flood_of_one_event_leaves_the_others_readable_and_says_how_much_it_left_out() -> None:
    now = 0.0
    guard = configured.FloodGuard(lambda: now)

    def passes(event: str, logger: str = "shared.kafka") -> logging.LogRecord | None:
        record = logging.LogRecord(logger, logging.WARNING, "", 0, {"event": event}, (), None)
        return record if guard.filter(record) else None

    lines = [passes("event.refused") for _ in range(configured.FLOOD_LINES + 7)]
    assert sum(one is not None for one in lines) == configured.FLOOD_LINES
    assert passes("relay.waits") is not None
    assert passes("event.refused", "services.ingest") is not None

    now += configured.FLOOD_SECONDS
    first, second = passes("event.refused"), passes("event.refused")
    assert first is not None
    assert second is not None
    assert first.left_out == 7  # type: ignore[attr-defined]
    assert not hasattr(second, "left_out")


def test_the_guard_counts_a_bounded_number_of_events_at_a_time() -> None:
    guard = configured.FloodGuard(lambda: 0.0)
    for number in range(3 * configured.FLOOD_EVENTS):
        assert guard.filter(logging.LogRecord("library", logging.INFO, "", 0, f"text {number}", (), None))
    assert len(guard._windows) <= configured.FLOOD_EVENTS


def test_what_was_left_out_stands_in_the_line(stream: io.StringIO) -> None:
    [guard] = logging.getLogger().handlers[0].filters
    assert isinstance(guard, configured.FloodGuard)
    for _ in range(configured.FLOOD_LINES + 1):
        configured.get_logger("test").info("happened")
    for window in guard._windows.values():
        window.began -= configured.FLOOD_SECONDS
    configured.get_logger("test").info("happened")
    assert json.loads(stream.getvalue().splitlines()[-1])["left_out"] == 1


@pytest.mark.parametrize(
    ("level", "levels", "expected"),
    [
        ("INFO", "", {"shared.kafka": "INFO", "aiokafka": "WARNING", "httpx2": "INFO"}),
        ("DEBUG", "", {"shared.kafka": "DEBUG", "services.ingest": "DEBUG", "aiokafka": "WARNING", "httpx2": "INFO"}),
        ("ERROR", "", {"shared.kafka": "ERROR", "aiokafka": "ERROR", "httpx2": "ERROR"}),
        (
            "WARNING",
            "shared.kafka=DEBUG, aiokafka=info",
            {"shared.kafka.producer": "DEBUG", "shared.relay": "WARNING", "aiokafka.consumer": "INFO"},
        ),
    ],
)
def test_a_module_has_the_level_that_is_nearest_above_it(
    level: str, levels: str, expected: dict[str, str], stream: io.StringIO
) -> None:
    configured.configure("test", level, levels_of(levels))
    found = {name: logging.getLevelName(logging.getLogger(name).getEffectiveLevel()) for name in expected}
    assert found == expected
