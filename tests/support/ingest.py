"""The whole ingest service in the test's own process, with a clock that tests move and a bus that they can read."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2

from services.ingest.main import build
from services.ingest.service.intake import Intake
from services.ingest.settings import IngestSettings
from shared.contracts import topics, wire
from shared.contracts.envelope import Event
from shared.contracts.wire import Message
from shared.database.database import Database
from shared.kafka.producer import BrokerAway
from shared.service.process import Service
from tests.support.applications import PUBLIC_KEY, token
from tests.support.events import SECRET
from tests.support.sources import SECRETS_KEY, made_source

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class StoppedClock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment


class RecordingPublisher:
    """Keeps what is published, and can be away."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.away = False
        self.attempts = 0

    async def send(self, messages: Sequence[Message]) -> None:
        self.attempts += 1
        if self.away:
            raise BrokerAway("the broker is away")
        self.messages.extend(messages)

    @property
    def events(self) -> list[Event]:
        return [wire.decode(message.headers, message.value) for message in self.messages]


class Ingest:
    """The whole service in this process, with a server's and a public source."""

    def __init__(
        self, service: Service, publisher: RecordingPublisher, clock: StoppedClock, keys: dict[str, str]
    ) -> None:
        assert service.app is not None
        self.service = service
        self.publisher = publisher
        self.clock = clock
        self.keys = keys
        self.ids: dict[str, UUID] = {}
        self.settings: IngestSettings
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=service.app), base_url="http://ingest.example"
        )

    @property
    def intake(self) -> Intake:
        """What every request with events goes through."""
        assert self.service.app is not None
        found: Intake = self.service.app.state.intake
        return found

    async def post(self, path: str, body: Any, *, key: str | None = "server", **more: Any) -> httpx2.Response:
        """Sends JSON, or bytes as they are, with a source's key as Basic user name."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if key:
            more["auth"] = httpx2.BasicAuth(self.keys[key], "")
        return await self.http.post(f"/v1/{path}", content=content, **more)

    async def get(self, path: str, *scopes: str, **parameters: Any) -> httpx2.Response:
        return await self.http.get(f"/v1/{path}", headers=bearer(*scopes), params=parameters)

    async def quarantined(self) -> list[dict[str, Any]]:
        answer = (await self.get("quarantine", "ingest:read")).raise_for_status()
        events: list[dict[str, Any]] = answer.json()["events"]
        return events


def bearer(*scopes: str) -> dict[str, str]:
    """An operator's token with these scopes."""
    return token(scope=" ".join(scopes))


async def keep_published(database: Database, *, octets: int) -> None:
    """Has a broker that keeps nothing have a record of this size, which not all readers have yet."""
    async with database.work() as work:
        await work.run(
            "INSERT INTO published (id, cluster_id, topic, partition, record_offset, key, headers, value) "
            "VALUES (0, 'one', :topic, 0, 0, '', '[]', :value)",
            topic=topics.EVENTS,
            value=bytes(octets),
        )


@asynccontextmanager
async def ingesting(database_url: str, **settings: Any) -> AsyncIterator[Ingest]:
    """The service on this database, with a server's source and a public one."""
    said: Mapping[str, Any] = {
        "database_url": database_url,
        "kafka_bootstrap": "nowhere.invalid:9092",
        "partition_secret": SECRET.decode(),
        "http_port": 8001,
        "auth_public_key": PUBLIC_KEY,
        "secrets_key": SECRETS_KEY,
        **settings,
    }
    clock, publisher = StoppedClock(), RecordingPublisher()
    made_settings = IngestSettings(**said)
    service = build(made_settings, clock, producer=publisher)
    made = {kind: await made_source(service.database, kind, kind=kind) for kind in ("server", "public")}
    ingest = Ingest(service, publisher, clock, {kind: key for kind, (_, key) in made.items()})
    ingest.settings = made_settings
    ingest.ids = {kind: source_id for kind, (source_id, _) in made.items()}
    try:
        yield ingest
    finally:
        await ingest.http.aclose()
        await service.database.close()
