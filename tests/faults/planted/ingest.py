"""An ingest service that promises what it does not have, or forgets what it has."""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import uuid_utils

from services.ingest.domain.request import context
from services.ingest.service.intake import Intake
from services.ingest.service.triage import Publisher
from shared.contracts.wire import Message
from shared.service.process import Service
from tests.faults.planted.patching import patch


class _Early:
    """Answers at once, and sends a little later."""

    def __init__(self, producer: Publisher) -> None:
        self._producer = producer
        self._later: set[asyncio.Task[None]] = set()

    async def send(self, messages: Sequence[Message]) -> None:
        """Returns before anything is acknowledged."""
        task = asyncio.create_task(self._send(list(messages)))  # noqa: TID251 - that is the bug
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _send(self, messages: Sequence[Message]) -> None:
        await asyncio.sleep(0.5)
        await self._producer.send(messages)


def early_answer(service: Service) -> None:
    """What was acknowledged dies with the process."""
    assert service.app is not None
    intake: Intake = service.app.state.intake
    intake.publisher = _Early(intake.publisher)


def random_ids(_: Service) -> None:
    """A message sent twice is two events."""

    def event_ids(_: UUID) -> Callable[[str], uuid_utils.UUID]:
        return lambda _: uuid_utils.uuid4()

    patch(context, event_ids=event_ids)
