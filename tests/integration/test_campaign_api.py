"""Campaign's routes, and the whole service between a broker and a mail server."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import pytest

from deploy.local.broker import Broker
from deploy.local.mail_sink import MailSink
from deploy.local.process import LOOPBACK, free_port
from services.campaign.consumer import handlers
from services.campaign.main import build
from services.campaign.settings import CampaignSettings
from shared.contracts import topics
from shared.contracts.changes import ProfileChanged, ProfileMerged, StageChanged, TierChanged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body
from shared.kafka.producer import Producer
from shared.service import process
from tests.conftest import DatabaseFactory
from tests.support.applications import PUBLIC_KEY, token
from tests.support.events import SECRET, message
from tests.support.running import eventually, running

ADMIN: Final = "campaign:admin"


def settings(url: str, bootstrap: str, smtp_port: int) -> CampaignSettings:
    return CampaignSettings(
        database_url=url,
        kafka_bootstrap=bootstrap,
        partition_secret=SECRET.decode(),
        http_port=8004,
        auth_public_key=PUBLIC_KEY,
        mail_from="hello@shop.example",
        smtp_host=LOOPBACK,
        smtp_port=smtp_port,
    )


def client_of(service: process.Service) -> httpx2.AsyncClient:
    assert service.app is not None
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=service.app), base_url="http://campaign/v1", headers=token(scope=ADMIN)
    )


def event(body: Body, profile_id: UUID, now: datetime, **changes: Any) -> Event:
    fields: dict[str, Any] = {
        "event_id": uuid4(),
        "source_id": str(uuid4()),
        "source_kind": SourceKind.SERVICE,
        "occurred_at": now,
        "received_at": now,
        "profile_id": profile_id,
        "cause_id": uuid4(),
        "body": body,
    }
    return Event(**(fields | changes))


def profile(profile_id: UUID, now: datetime, email: str = "ann@example.com") -> Event:
    state = ProfileChanged(
        profile_id=profile_id,
        version=1,
        first_seen=now,
        last_seen=now,
        identities={"email": (email,)},
        consent={"email": True},
    )
    return event(state, profile_id, now)


def at_risk(profile_id: UUID, now: datetime, **changes: Any) -> Event:
    body = StageChanged(profile_id=profile_id, version=1, previous="loyal", current="at_risk", reason="silent")
    return event(body, profile_id, now, **changes)


@pytest.fixture
async def service(database_factory: DatabaseFactory) -> AsyncIterator[process.Service]:
    """The service without its broker: only the API is asked."""
    service = build(settings(await database_factory("campaign"), "nowhere:9092", free_port()))
    yield service
    await service.database.close()


@pytest.fixture
async def client(service: process.Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(service) as client:
        yield client


async def hear(service: process.Service, *events: Event) -> None:
    async with service.database.work() as work:
        for one in events:
            await handlers(b"secret")[type(one.body)](work, [one])


async def test_a_journey_is_listed_paused_and_resumed(client: httpx2.AsyncClient) -> None:
    listed = (await client.get("/journeys")).json()["journeys"]
    assert [(one["id"], one["version"], one["active"]) for one in listed] == [
        ("welcome-to-tier", 1, True),
        ("win-back", 1, True),
    ]
    assert listed[1]["name"]["zh"] == "挽回即将流失的顾客"
    assert (await client.post("/journeys/win-back/pause")).json()["active"] is False
    assert (await client.post("/journeys/win-back/resume")).json()["active"] is True
    missing = await client.post("/journeys/nothing/pause")
    assert (missing.status_code, missing.json()["title"]) == (404, "There is no such journey.")


async def test_a_paused_journey_is_not_entered(service: process.Service, client: httpx2.AsyncClient) -> None:
    ann = uuid4()
    await client.post("/journeys/win-back/pause")
    await hear(service, at_risk(ann, service.clock.now()))
    assert (await client.get(f"/profiles/{ann}/decisions")).json() == {"decisions": []}


async def test_messages_are_listed_by_pages_and_filters(service: process.Service, client: httpx2.AsyncClient) -> None:
    customers = [uuid4() for _ in range(5)]
    for one in customers:
        await hear(service, at_risk(one, service.clock.now()))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/messages", params={"limit": "2", **cursor})).json()
        seen += [one["profile_id"] for one in page["messages"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == [str(one) for one in reversed(customers)]
    by_profile = (await client.get("/messages", params={"profile_id": str(customers[0])})).json()
    assert [one["state"] for one in by_profile["messages"]] == ["pending"]
    assert (await client.get("/messages", params={"state": "sent"})).json()["messages"] == []
    assert len((await client.get("/messages", params={"journey": "win-back"})).json()["messages"]) == 5
    assert (await client.get("/messages", params={"cursor": "what"})).status_code == 422


async def test_decisions_answer_for_every_id_that_a_customer_had(
    service: process.Service, client: httpx2.AsyncClient
) -> None:
    now = service.clock.now()
    ann, anne = sorted((uuid4(), uuid4()))
    await hear(service, at_risk(ann, now, historical=True))
    await hear(service, event(ProfileMerged(loser=ann, survivor=anne), anne, now))
    for one in (ann, anne):
        (decision,) = (await client.get(f"/profiles/{one}/decisions")).json()["decisions"]
        assert (decision["outcome"], decision["reason"]) == ("skipped", "historical")


async def test_a_customer_reads_only_that_customers_decisions(client: httpx2.AsyncClient) -> None:
    ann, ben = uuid4(), uuid4()
    own = token(str(ann), scope="")
    assert (await client.get(f"/profiles/{ann}/decisions", headers=own)).status_code == 200
    assert (await client.get(f"/profiles/{ben}/decisions", headers=own)).status_code == 403
    assert (await client.get("/messages", headers=own)).status_code == 403


async def test_each_route_asks_for_its_scope(client: httpx2.AsyncClient) -> None:
    reads, writes = token(scope="campaign:read"), token(scope="campaign:write")
    assert (await client.get("/messages/figures", headers=reads)).status_code == 200
    assert (await client.post("/journeys/win-back/pause", headers=reads)).status_code == 403
    assert (await client.post("/send-stop", headers=writes)).status_code == 403
    assert (await client.get("/journeys", headers={"Authorization": "Bearer nothing"})).status_code == 401


async def test_the_send_stop_is_set_once_and_lifted(client: httpx2.AsyncClient) -> None:
    first = (await client.post("/send-stop")).json()
    assert first["stopped_by"] == "operator"
    assert (await client.post("/send-stop", headers=token("somebody else", ADMIN))).json() == first
    assert (await client.delete("/send-stop")).status_code == 204
    assert (await client.delete("/send-stop")).status_code == 204


async def test_a_change_on_the_bus_becomes_a_mail_and_a_fact(
    database_factory: DatabaseFactory, broker: Broker, tmp_path: Path
) -> None:
    ann = uuid4()
    sink = MailSink(tmp_path / "mail", free_port())
    await sink.start()
    service = build(settings(await database_factory("campaign"), broker.bootstrap, sink.port))
    assert service.consumer is not None
    # Else another test's commits say that this database was rewound.
    group = f"rapport-campaign-{ann}"
    service.consumer.subscription = replace(service.consumer.subscription, group=group)
    producer = Producer(broker.bootstrap, client_id="test")
    try:
        async with running(service), client_of(service) as client:
            now = service.clock.now()
            assert service.consumer is not None

            async def ready() -> bool:
                return service.consumer is not None and service.consumer.lag() == 0

            await eventually(ready, bool)
            rise = TierChanged(
                profile_id=ann, version=1, previous="bronze", current="gold", direction="up", reason="spend"
            )
            await producer.send([message(topics.PROFILES, profile(ann, now))])
            await producer.send([message(topics.SEGMENTS, event(rise, ann, service.clock.now()))] * 2)

            async def figures() -> Any:
                return (await client.get("/messages/figures")).json()["journeys"]

            (found,) = await eventually(figures, lambda journeys: bool(journeys) and "sent" in journeys[0]["states"])
            assert (found["states"], found["sent_triggers"]) == ({"sent": 1}, 1)
            assert found["p99_seconds"] < 5

            async def waiting() -> int:
                async with service.database.work() as work:
                    return len(await work.rows("SELECT id FROM outbox"))

            await eventually(waiting, lambda rows: rows == 0)
        assert [one.triple and one.triple[:2] for one in sink.messages] == [(str(ann), "welcome-to-tier")]
    finally:
        await producer.close()
        await sink.stop()
