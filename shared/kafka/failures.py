"""What a failure of the Kafka client looks like to its caller: always a `KafkaError`."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiokafka.errors import KafkaConnectionError, KafkaError

# What uvloop says to who writes on a connection that was reset and that the client does not know of yet. asyncio's own
# transports drop such a write; aiokafka expects no more than an `OSError`.
CLOSED: Final = "the handler is closed"


@contextmanager
def failures_raise() -> Iterator[None]:
    """Turns the client's own cancellations, and writes on connections that were just reset, into `KafkaError`.

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
    except RuntimeError as error:
        if CLOSED not in str(error):
            raise
        raise KafkaConnectionError(str(error)) from error
