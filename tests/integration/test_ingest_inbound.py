"""What upstream systems produce to Kafka themselves arrives on the bus, by the same rules as over HTTP."""

import json
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTimestampError

from deploy.local.broker import Broker
from services.ingest.domain.formats.cloudevents import message_id_of
from services.ingest.main import build
from services.ingest.settings import IngestSettings
from shared.contracts import topics, wire
from shared.contracts.envelope import Event, event_id
from shared.contracts.events import CustomEvent, OrderPlaced
from shared.contracts.wire import Message
from shared.dlq import command as dlq
from shared.kafka import log
from shared.kafka.consumer import offsets
from shared.kafka.consumer.offsets import Place
from shared.kafka.dead_letters.sources import UNKNOWN, blocked_sources
from shared.kafka.producer import Producer
from shared.kafka.topics import admin, cluster_id, ensure_topics
from shared.service.process import Service
from tests.conftest import DatabaseFactory
from tests.support.events import SECRET
from tests.support.running import eventually, running, session_milliseconds
from tests.support.sources import made_source


@pytest.fixture
async def service(broker: Broker, database_factory: DatabaseFactory) -> Service:
    settings = IngestSettings(
        database_url=await database_factory("ingest"),
        kafka_bootstrap=broker.bootstrap,
        partition_secret=SECRET.decode(),
        http_port=8001,
        kafka_session_timeout_milliseconds=session_milliseconds(broker),
    )
    await ensure_topics(broker.bootstrap, [topics.EVENTS, topics.INBOUND], replication=1, patience_seconds=20)
    return build(settings)


async def produce(service: Service, *records: Message) -> None:
    producer = Producer(service.settings.kafka_bootstrap, client_id="upstream")
    await producer.send(records)
    await producer.close()


def binary(source: str, number: int, data: Any, **attributes: str) -> Message:
    fields = {"specversion": "1.0", "id": f"e-{number}", "source": source, "type": "Parcel Weighed", **attributes}
    headers = [(f"ce_{name}", value.encode()) for name, value in fields.items()]
    value = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Message(
        topic=topics.INBOUND, key=b"k", value=value, headers=[*headers, ("content-type", b"application/json")]
    )


def structured(source: str, number: int, data: Any, **attributes: str) -> Message:
    fields = {"specversion": "1.0", "id": f"e-{number}", "source": source, "type": "Parcel Weighed", **attributes}
    return Message(
        topic=topics.INBOUND,
        key=b"k",
        value=json.dumps({**fields, "data": data}).encode(),
        headers=[("content-type", b"application/cloudevents+json; charset=utf-8")],
    )


async def published(service: Service, source_id: object) -> list[Event]:
    records = await log.read(service.settings.kafka_bootstrap, topics.EVENTS)
    found = [wire.decode(record.headers, record.value) for record in records]
    return list({one.event_id: one for one in found if one.source_id == str(source_id)}.values())


async def test_both_modes_of_cloudevents_arrive_and_what_comes_twice_is_one_event(service: Service) -> None:
    name = f"/erp/{uuid4()}"
    source_id, _ = await made_source(service.database, name, ce_source=name)
    order = {"order_id": "A-1", "currency": "EUR", "total_minor": 950}
    await produce(
        service,
        binary(name, 1, {"grams": 7, "customer": {"user_id": "42"}}),
        structured(name, 2, order, type="rapport.order_placed.v1", subject="user_id:42"),
        structured(name, 2, order, type="rapport.order_placed.v1", subject="user_id:42"),
    )
    async with running(service):
        found = await eventually(lambda: published(service, source_id), lambda events: len(events) == 2)
    bodies = {event.event_id: event.body for event in found}
    assert bodies == {
        event_id(source_id, message_id_of(name, "e-1")): CustomEvent(name="Parcel Weighed", properties={"grams": 7}),
        event_id(source_id, message_id_of(name, "e-2")): OrderPlaced(order_id="A-1", currency="EUR", total_minor=950),
    }


async def test_a_bad_event_of_a_known_source_is_quarantined_and_holds_up_nothing(service: Service) -> None:
    name = f"/erp/{uuid4()}"
    source_id, _ = await made_source(service.database, name, ce_source=name)
    await produce(
        service,
        binary(name, 1, b"{no json", subject="user_id:42"),
        binary(name, 2, {"grams": 7}),
        binary(name, 3, {"grams": 7}, subject="user_id:42", specversion="0.3"),
        binary(name, 4, {"grams": 8}, subject="user_id:42"),
    )
    async with running(service):
        [event] = await eventually(lambda: published(service, source_id), lambda events: len(events) == 1)
        async with service.database.work() as work:
            held = await work.rows("SELECT reason_code, reason, raw, way FROM quarantine ORDER BY reason_code")
    assert event.body == CustomEvent(name="Parcel Weighed", properties={"grams": 8})
    assert [(row.reason_code, row.way) for row in held] == [
        ("format", "cloudevents"),
        ("format", "cloudevents"),
        ("identity", "cloudevents"),
    ]
    assert {json.loads(bytes(row.raw))["id"] for row in held} == {"e-1", "e-2", "e-3"}


async def test_an_event_of_no_known_source_is_a_dead_letter_until_the_source_is_made(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    name, known = f"/erp/{uuid4()}", f"/erp/{uuid4()}"
    known_id, _ = await made_source(service.database, known, ce_source=known)
    attributes = {"subject": "user_id:42"}
    await produce(
        service,
        binary(known, 1, {}, **attributes),
        binary(name, 2, {"grams": 7}, **attributes),
        Message(topics.INBOUND, b"k", b"[{}]", [("content-type", b"application/cloudevents-batch+json")]),
        binary(known, 3, {}, **attributes),
    )
    async with running(service):
        await eventually(lambda: published(service, known_id), lambda events: len(events) == 2)
    source_id, _ = await made_source(service.database, name, ce_source=name)
    again = build(service.settings)  # type: ignore[arg-type]
    assert again.consumer is not None
    assert await dlq.run(again.consumer.subscription, ["list"]) == 0
    assert "the record names no CloudEvents source" in capsys.readouterr().out
    assert await dlq.run(again.consumer.subscription, ["retry", "--reason", name]) == 0
    assert "applied: Inbound" in capsys.readouterr().out
    async with running(again, ("relay",)):
        [event] = await eventually(lambda: published(again, source_id), lambda events: len(events) == 1)
    assert event.body == CustomEvent(name="Parcel Weighed", properties={"grams": 7})


async def test_a_header_without_a_value_and_a_timestamp_of_no_time_are_no_obstacle(service: Service) -> None:
    name = f"/erp/{uuid4()}"
    source_id, _ = await made_source(service.database, name, ce_source=name)
    good = binary(name, 1, {"customer": {"user_id": "42"}})
    producer = AIOKafkaProducer(bootstrap_servers=service.settings.kafka_bootstrap)
    await producer.start()
    try:
        for timestamp_ms in (1_772_366_400_000_000, 2**62, 0):
            headers = [*good.headers, ("ce_subject", None)]
            with suppress(InvalidTimestampError):  # Apache Kafka takes what lies ahead only where a topic allows it
                await producer.send_and_wait(good.topic, good.value, b"k", timestamp_ms=timestamp_ms, headers=headers)
    finally:
        await producer.stop()
    async with running(service):
        [arrived] = await eventually(lambda: published(service, source_id), bool)
    assert arrived.body == CustomEvent(name="Parcel Weighed", properties={})


async def test_names_that_no_source_has_are_one_source_however_many_they_are(service: Service) -> None:
    name = f"/erp/{uuid4()}"
    source_id, _ = await made_source(service.database, name, ce_source=name)
    strangers = [binary(f"/stranger/{uuid4()}", n, {"customer": {"user_id": "42"}}) for n in range(300)]
    async with running(service):
        assert service.consumer is not None
        await produce(service, *strangers)
        await eventually(lambda: _blocked(service), lambda blocked: blocked == [UNKNOWN])
        await produce(service, binary(name, 1, {"customer": {"user_id": "42"}}))
        await eventually(lambda: published(service, source_id), bool)
        async with _asking(service) as client:
            lag = (await client.get("/health/lag")).json()
            assert (lag["stopped"], lag["failing"]) == ([], [])
            assert [one["source"] for one in lag["blocked"]] == [UNKNOWN]
            assert lag["cluster"] == service.consumer.cluster_id


async def test_a_stopped_partition_of_ingest_is_told_and_leaves_it_ready(service: Service) -> None:
    async with service.database.work() as work:
        for partition in range(topics.PARTITIONS):
            place = Place(await _cluster_id(service), 1, topics.INBOUND, partition)
            taken = await offsets.acquire(work.connection, place, beginning=0)
            await offsets.stop(work.connection, place, epoch=taken.epoch, reason="a test of ours")
    async with running(service), _asking(service) as client:
        lag = await eventually(lambda: _lag(client), lambda lag: len(lag["stopped"]) == topics.PARTITIONS)
        assert lag["stopped"][0] == f"{topics.INBOUND}/0: a test of ours"
        ready = await client.get("/health/ready")
        assert ready.status_code == 200
        assert ready.json()["stopped"][0] == f"{topics.INBOUND}/0"


def _asking(service: Service) -> httpx2.AsyncClient:
    assert service.app is not None
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(service.app), base_url="http://ingest")


async def _lag(client: httpx2.AsyncClient) -> Any:
    return (await client.get("/health/lag")).json()


async def _cluster_id(service: Service) -> str:
    async with admin(service.settings.kafka_bootstrap) as client:
        return await cluster_id(client)


async def _blocked(service: Service) -> list[str]:
    async with service.database.work() as work:
        return [one.source for one in await blocked_sources(work)]
