"""Time alone: a customer falls silent, and the clock, the due table, the topic, the gate and SMTP do the rest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from deploy.local.broker import Broker
from deploy.local.mail_sink import MailSink
from deploy.local.process import free_port
from services.campaign.main import build as build_campaign
from services.campaign.settings import CampaignSettings
from services.profile.main import build as build_profile
from services.profile.settings import ProfileSettings
from services.segment.main import build as build_segment
from services.segment.settings import SegmentSettings
from shared.contracts import topics
from shared.contracts.envelope import Event
from shared.contracts.identity import Identity, Namespace
from shared.kafka.producer import Producer
from shared.kafka.topics import ensure_topics
from shared.service import process
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory, new_broker
from tests.support.events import SECRET, days, message, order, person
from tests.support.running import eventually, running, session_milliseconds

SETTLED_LOOKS = 20  # looks, 0.1 s apart, at which nothing more must have come
WELL_PAST = timedelta(minutes=1)


@pytest.fixture
async def own_broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """A broker whose topics no other test uses."""
    server = new_broker(tmp_path_factory.mktemp("silence"))
    await server.start()
    yield server
    await server.kill()


async def test_silence_alone_makes_a_customer_at_risk_and_sends_one_win_back(
    own_broker: Broker, database_factory: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = SystemClock()
    sink = MailSink(tmp_path_factory.mktemp("mail"), free_port())
    await ensure_topics(own_broker.bootstrap, topics.ALL, replication=1, patience_seconds=10)
    producer = Producer(own_broker.bootstrap, client_id="test")
    common: dict[str, Any] = {
        "kafka_bootstrap": own_broker.bootstrap,
        "partition_secret": SECRET.decode(),
        "kafka_session_timeout_milliseconds": session_milliseconds(own_broker),
        "http_port": 1,
    }
    profile = build_profile(ProfileSettings(database_url=await database_factory("profile"), **common), clock)
    segment = build_segment(SegmentSettings(database_url=await database_factory("segment"), **common), clock)
    campaign = build_campaign(
        CampaignSettings(
            database_url=await database_factory("campaign"),
            smtp_host="127.0.0.1",
            smtp_port=sink.port,
            mail_from="hello@rapport.example",
            **common,
        ),
        clock,
    )
    async with AsyncExitStack() as everything:
        await sink.start()
        everything.push_async_callback(sink.stop)
        everything.push_async_callback(producer.close)
        for service in (campaign, segment, profile):
            await everything.enter_async_context(running(service))
        now = clock.now()
        events = [
            person("ann", at=now, email="ann@example.com", first_name="Ann"),
            order("ann", "A-1", 20_00, at=now),
        ]
        events[0] = _with_email(events[0], "ann@example.com")
        await producer.send([message(topics.EVENTS, one) for one in events])
        await eventually(lambda: _stages(segment), lambda stages: stages == ["new"])

        clock.offset += days(89)
        await eventually(lambda: _stages(segment), lambda stages: stages == ["active"])
        await _settled(sink, [])

        clock.offset += days(1) + WELL_PAST
        await eventually(lambda: _stages(segment), lambda stages: stages == ["at_risk"])
        await eventually(lambda: _journeys(sink), lambda journeys: journeys == ["win-back"])

        clock.offset += days(2)
        await _settled(sink, ["win-back"])
        clock.offset += days(100)
        await eventually(lambda: _stages(segment), lambda stages: stages == ["churned"])
        await _settled(sink, ["win-back"])


def _with_email(one: Event, address: str) -> Event:
    return msgspec.structs.replace(one, identities=(*one.identities, Identity(Namespace.EMAIL, address)))


async def _stages(segment: process.Service) -> list[str]:
    async with segment.database.work() as work:
        return [row.stage for row in await work.rows("SELECT stage FROM standings")]


async def _journeys(sink: MailSink) -> list[str]:
    return [one.rapport["x-rapport-journey"] for one in sink.messages]


async def _settled(sink: MailSink, journeys: list[str]) -> None:
    """Nothing comes beyond these: looked at for a while, because "never" can't be waited for."""
    for _ in range(SETTLED_LOOKS):
        assert await _journeys(sink) == journeys
        await asyncio.sleep(0.1)
