"""Telling whose cancellation it is."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaError


@contextmanager
def failures_raise() -> Iterator[None]:
    """Turns the client's own cancellations into `KafkaError`.

    When a connection breaks, aiokafka may cancel the future that its caller awaits. To the caller that looks as if
    somebody had cancelled its task; and a cancelled task ends quietly, leaving a process half dead.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise KafkaError("the client cancelled its caller") from None
