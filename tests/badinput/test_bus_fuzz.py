"""No record ends a process or stalls a partition: all services read malformed records, and go on.

`FUZZ_RECORDS` says how many (2,000 by default), `FUZZ_SEED` which. Each is applied, a dead letter, or skipped by rule,
within seconds, and the good one behind it is applied; which is proved by counts and by what the good ones left.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import REGISTRY

from deploy.local.broker import EmbeddedBroker
from deploy.local.process import free_port
from services.campaign import main as campaign
from services.campaign.settings import CampaignSettings
from services.feedback import main as feedback
from services.feedback.settings import FeedbackSettings
from services.ingest import main as ingest
from services.ingest.settings import IngestSettings
from services.profile import main as profile
from services.profile.settings import ProfileSettings
from services.segment import main as segment
from services.segment.settings import SegmentSettings
from shared.contracts import topics, wire
from shared.contracts.changes import ProfileChanged, ProfileMerged, TierChanged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import CustomerIdentified, FeedbackSubmitted, OrderPlaced
from shared.kafka.topics import ensure_topics
from shared.service.process import Service
from tests.conftest import DatabaseFactory
from tests.support.bus_fuzz import Draft, drafts
from tests.support.events import NOON, SECRET, event, user
from tests.support.running import SESSION_MILLISECONDS, eventually, running
from tests.support.sources import made_source

RECORDS: Final = int(os.environ.get("FUZZ_RECORDS", "2000"))
SEED: Final = int(os.environ.get("FUZZ_SEED", "13"))
ROUND: Final = 500  # malformed records, before good ones must be through
ROUND_SECONDS: Final = 120  # on a busy machine; it takes some five on quiet cores
OWN_TOPICS: Final = (topics.EVENTS, topics.PROFILE_EVENTS, topics.PROFILES, topics.SEGMENTS, topics.INBOUND)
UPSTREAM: Final = {"specversion": "1.0", "source": "/fuzz/known"}
GOOD_SOURCE: Final = str(UUID(int=2**100))

BUILDS: Final[Mapping[str, tuple[Callable[[Any], Service], Any, dict[str, Any]]]] = {
    "ingest": (ingest.build, IngestSettings, {}),
    "profile": (profile.build, ProfileSettings, {}),
    "segment": (segment.build, SegmentSettings, {}),
    "campaign": (
        campaign.build,
        CampaignSettings,
        {"mail_from": "Shop <shop@shop.example>", "smtp_host": "127.0.0.1", "smtp_port": 1},
    ),
    "feedback": (feedback.build, FeedbackSettings, {}),
}


@dataclass
class Platform:
    """The five services, reading one broker."""

    services: Mapping[str, Service]
    producer: AIOKafkaProducer

    async def send(self, records: Sequence[Draft], *, partition: int | None = None) -> None:
        acks = [
            await self.producer.send(
                one.topic,
                value=one.value,
                key=b"" if one.key is None and one.value is None else one.key,  # the client takes no record of nothing
                headers=one.headers,
                timestamp_ms=one.timestamp_ms,
                partition=partition,
            )
            for one in records
        ]
        await asyncio.gather(*acks)

    async def has(self, service: str, question: str, ids: Sequence[UUID]) -> int:
        """How many of these ids an SQL question finds."""
        async with self.services[service].database.work() as work:
            row = await work.row(f"SELECT count(DISTINCT id) AS found FROM ({question}) q", ids=list(ids))
        return int(row.found) if row else 0


@pytest.fixture
async def platform(
    database_factory: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    """All services with their own consumers and loops, on a broker of this test alone."""
    broker = EmbeddedBroker(tmp_path_factory.mktemp("fuzz-broker"), free_port())
    async with AsyncExitStack() as stack:
        await broker.start()
        stack.push_async_callback(broker.stop)
        await ensure_topics(broker.bootstrap, topics.ALL, replication=1, patience_seconds=30)
        services: dict[str, Service] = {}
        for name, (build, settings, more) in BUILDS.items():
            services[name] = build(
                settings(
                    database_url=await database_factory(name),
                    kafka_bootstrap=broker.bootstrap,
                    kafka_session_timeout_milliseconds=SESSION_MILLISECONDS,
                    kafka_fetch_wait_milliseconds=20,
                    partition_secret=SECRET.decode(),
                    http_port=8001,
                    **more,
                )
            )
        await made_source(services["ingest"].database, "fuzz", ce_source="/fuzz/known")
        producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all", max_request_size=4_000_000)
        await producer.start()
        stack.push_async_callback(producer.stop)
        for service in services.values():
            await stack.enter_async_context(running(service, roles=("consumer", "relay")))
        yield Platform(services, producer)


async def test_no_record_ends_a_process_or_stalls_a_partition(platform: Platform) -> None:
    for service in platform.services.values():
        await eventually(partial(_taken, service), bool, deadline_seconds=ROUND_SECONDS)
        await _accept_all(service)
    before = _outcomes()
    random = Random(SEED)
    print(f"FUZZ_SEED={SEED} FUZZ_RECORDS={RECORDS}")
    for start in range(0, RECORDS, ROUND):
        await platform.send(drafts(random, min(ROUND, RECORDS - start)))
        await _the_good_ones_arrive(platform, random)
    await eventually(partial(_unfinished, platform, before), lambda left: left == [], deadline_seconds=ROUND_SECONDS)
    for name, service in platform.services.items():
        assert service.consumer is not None
        assert (name, service.consumer.stopped()) == (name, [])
    print(_since(before))


async def _the_good_ones_arrive(platform: Platform, random: Random) -> None:
    """One good record of each kind behind the bad ones, in every partition; each leaves its effect in every reader."""
    found: dict[str, list[UUID]] = {name: [] for name in ("facts", "orders", "answers", "profiles", "merges", "tiers")}
    upstream: list[UUID] = []
    for partition in range(topics.PARTITIONS):
        ids = [UUID(int=random.getrandbits(128)) for _ in range(7)]
        found["facts"].append(ids[0])
        found["orders"].append(ids[1])
        found["answers"].append(ids[2])
        found["profiles"].append(ids[3])
        found["merges"].append(ids[4])
        found["tiers"].append(ids[6])
        changed = ProfileChanged(profile_id=ids[3], version=1, first_seen=NOON, last_seen=NOON)
        tier = TierChanged(
            profile_id=ids[6], version=1, previous="bronze", current="gold", direction="up", reason="good"
        )
        good = [
            (topics.EVENTS, _good(CustomerIdentified(traits={"a": 1}), ids[0])),
            (topics.PROFILE_EVENTS, _good(OrderPlaced(order_id="o", currency="USD", total_minor=5), ids[0], ids[1])),
            (topics.PROFILE_EVENTS, _good(FeedbackSubmitted(survey="nps", rating=9), ids[2], ids[1])),
            (topics.PROFILES, _good(changed, ids[0], ids[3])),
            (topics.PROFILES, _good(ProfileMerged(loser=ids[4], survivor=ids[5]), ids[1], ids[5])),
            (topics.SEGMENTS, _good(tier, ids[2], ids[6])),
        ]
        upstream.append(ids[5])
        name = str(ids[5])
        inbound = Draft(
            topics.INBOUND,
            b"k",
            [
                ("ce_specversion", b"1.0"),
                ("ce_id", name.encode()),
                ("ce_source", b"/fuzz/known"),
                ("ce_type", name.encode()),
            ],
            b'{"customer": {"user_id": "good"}}',
        )
        await platform.send([*(_draft(topic, one) for topic, one in good), inbound], partition=partition)
    await asyncio.gather(
        _until(platform, "profile", "timeline", "event_id", found["facts"]),
        _until(platform, "segment", "orders", "profile_id", found["orders"]),
        _until(platform, "segment", "standings", "profile_id", found["profiles"]),
        _until(platform, "feedback", "responses", "id", found["answers"]),
        _until(platform, "campaign", "contacts", "profile_id", found["profiles"]),
        _until(platform, "campaign", "standings", "profile_id", found["tiers"]),
        *(_until(platform, name, "profile_aliases", "profile_id", found["merges"]) for name in ("segment", "campaign")),
        _until(platform, "feedback", "profile_aliases", "profile_id", found["merges"]),
        _until(platform, "profile", "timeline", "CAST(body ->> 'name' AS uuid)", upstream, of="body ->> 'name'"),
    )


async def _until(
    platform: Platform, service: str, table: str, column: str, ids: Sequence[UUID], *, of: str = ""
) -> None:
    """Returns once all of these ids stand in a table; `of` is the text that a column is read from."""
    known = f"{of} IN (SELECT CAST(id AS text) FROM unnest(CAST(:ids AS uuid[])) n(id))"
    question = f"SELECT {column} AS id FROM {table} WHERE {known if of else f'{column} = ANY(CAST(:ids AS uuid[]))'}"
    try:
        await eventually(
            lambda: platform.has(service, question, ids),
            lambda count: count == len(ids),
            deadline_seconds=ROUND_SECONDS,
        )
    except AssertionError as error:
        consumer = platform.services[service].consumer
        assert consumer is not None
        raise AssertionError(f"{service}.{table}: {error}; {consumer.stopped()} {consumer.failing()}") from None


def _good(body: Any, event_id: UUID, profile_id: UUID | None = None) -> Event:
    kind = SourceKind.SERVER if profile_id is None else SourceKind.SERVICE
    who: dict[str, Any] = {"event_id": event_id, "profile_id": profile_id, "source_kind": kind}
    return event(body, user(f"good-{event_id}"), source_id=GOOD_SOURCE, **who)


def _draft(topic: str, one: Event) -> Draft:
    headers, value = wire.encode(one)
    return Draft(topic, b"k", [*headers], value)


async def _unfinished(platform: Platform, before: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What is still to be read or published, and what became of more or fewer records than were read."""
    left = []
    read: Counter[str] = Counter()
    for name, service in platform.services.items():
        assert service.consumer is not None
        async with service.database.work() as work:
            row = await work.row("SELECT count(*) AS waiting FROM outbox")
        if row is None or row.waiting or service.consumer.lag() != 0:
            left.append(f"{name}: lag {service.consumer.lag()}, {row and row.waiting} to publish")
        for partition, position in service.consumer.assignment.positions().items():
            read[partition.topic] += position
    told = {topic: sum(outcomes.values()) for topic, outcomes in _since(before).items()}
    return left + [f"{topic}: {told[topic]} of {read[topic]}" for topic in OWN_TOPICS if told[topic] != read[topic]]


async def _taken(service: Service) -> bool:
    assert service.consumer is not None
    held = len(service.consumer.assignment.held)
    return held == topics.PARTITIONS * len(service.consumer.subscription.topics)


async def _accept_all(service: Service) -> None:
    """What an operator does with `resume --accept` who knows that the records are wrong, and not their reader."""
    async with service.database.work() as work:
        await work.run("UPDATE consumer_offsets SET dead = -1000000000")


def _outcomes() -> dict[str, dict[str, float]]:
    """What became of the records of each topic, in all readers."""
    names = ("applied", "duplicate", "unhandled", "dead")
    return {
        topic: {
            name: REGISTRY.get_sample_value("rapport_records_total", {"topic": topic, "outcome": name}) or 0.0
            for name in names
        }
        for topic in OWN_TOPICS
    }


def _since(before: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    now = _outcomes()
    return {topic: {name: now[topic][name] - count for name, count in was.items()} for topic, was in before.items()}
