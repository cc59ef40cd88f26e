"""What is written into the log, and what never is."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from shared import logging as configured


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the root logger writes, while it is ours."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    configured.configure("test")
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    handler.setStream(written)
    yield written
    root.handlers, root.level = before, level


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
    said = json.loads(stream.getvalue())
    assert (said["event"], said["service"], said["orders"]) == ("happened", "test", 3)
    assert said["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
