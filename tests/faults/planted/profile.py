"""A profile service that folds twice, folds by arrival, or loses its outbox."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from services.profile.domain import fold as folding
from services.profile.repository import fold
from shared.contracts.envelope import Event
from shared.contracts.wire import Message
from shared.database.database import Database, Work
from shared.database.sql import sql
from shared.kafka.producer import Producer
from shared.relay import Relay
from shared.service.failpoints import failpoint
from shared.service.process import Service
from tests.faults.planted.patching import patch


def no_dedupe(_: Service) -> None:
    """An event that comes twice is folded twice."""
    append = fold.append_timeline

    async def known_events(work: Work, event_ids: Sequence[UUID]) -> dict[UUID, fold.Content]:
        del work, event_ids
        return {}

    async def append_timeline(work: Work, owned: Sequence[Event]) -> int:
        await append(work, owned)
        return len(owned)

    patch(fold, known_events=known_events, append_timeline=append_timeline)


def last_arrival(_: Service) -> None:
    """A trait is what was said by whoever came last."""

    def last(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        return one | other

    patch(folding, _last_writer_wins=last)


class _Wrong(Relay):
    """The parts of a relay, to be put together wrongly."""

    def __init__(self, service: Service) -> None:
        assert service.relay is not None
        super().__init__(service.database, service.producer, tick=service.heartbeat.loop("relay"))
        self.parts: tuple[Database, Producer] = (service.database, service.producer)
        self.cursor = 0

    async def read(self, condition: str) -> list[Message]:
        """Rows of the outbox."""
        async with self.parts[0].work() as work:
            rows = await work.rows(
                f"SELECT id, topic, key, headers::text AS headers, value FROM outbox WHERE {condition} "
                "ORDER BY id LIMIT 200",
                cursor=self.cursor,
            )
        return [
            Message(
                topic=row.topic,
                key=row.key,
                headers=[(name, text.encode()) for name, text in msgspec.json.decode(row.headers).items()],
                value=row.value,
                tag=row.id,
            )
            for row in rows
        ]

    async def delete(self, messages: Sequence[Message]) -> None:
        """Takes rows away."""
        async with self.parts[0].engine.begin() as connection:
            await connection.execute(
                sql("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))"), {"ids": [one.tag for one in messages]}
            )


class _Forgetful(_Wrong):
    async def _round(self) -> bool:
        if not await self._hold() or not (messages := await self.read("id > 0 OR :cursor = 0")):
            return False
        await self.delete(messages)
        failpoint("planted.between")
        await self.parts[1].send_in_order(messages)
        return True


class _Polling(_Wrong):
    async def _round(self) -> bool:
        if not await self._hold() or not (messages := await self.read("id > :cursor")):
            return False
        await self.parts[1].send_in_order(messages)
        await self.delete(messages)
        self.cursor = messages[-1].tag
        return True


def forgetful_relay(service: Service) -> None:
    """A process that dies between deleting and sending has lost what it deleted."""
    service.relay = _Forgetful(service)


def polling_relay(service: Service) -> None:
    """A row that commits after one with a higher id is never seen."""
    service.relay = _Polling(service)
