"""The service of `docs/writing-a-service.md` works as it stands there."""

from typing import Any
from uuid import uuid4

import httpx2

from deploy.local.broker import Broker
from deploy.local.process import LOOPBACK, free_port
from deploy.local.settings import CHECKOUT
from shared.contracts import topics
from shared.contracts.events import ProductViewed
from shared.kafka.producer import Producer
from shared.service.settings import Settings
from tests.conftest import DatabaseFactory
from tests.support.applications import PUBLIC_KEY, token
from tests.support.events import SECRET, event, message, user
from tests.support.recipes import python_blocks
from tests.support.running import eventually, running, session_milliseconds

PAGE = CHECKOUT / "docs" / "writing-a-service.md"
MOST_LINES = 60


async def test_the_service_of_the_page_counts_what_customers_look_at(
    database_factory: DatabaseFactory, broker: Broker
) -> None:
    (source,) = python_blocks(PAGE)
    assert len(source.splitlines()) <= MOST_LINES
    module: dict[str, Any] = {"__name__": "popular"}
    exec(compile(source, str(PAGE), "exec"), module)  # noqa: S102 - the page is ours
    port = free_port()
    service = module["build"](
        Settings(
            database_url=await database_factory("feedback"),
            kafka_bootstrap=broker.bootstrap,
            kafka_session_timeout_milliseconds=session_milliseconds(broker),
            http_port=port,
            drain_announce_seconds=0,
            partition_secret=SECRET.decode(),
            auth_public_key=PUBLIC_KEY,
        )
    )
    producer = Producer(broker.bootstrap, client_id="test")
    headers = token("an operator", "popular:read")
    client = httpx2.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False, headers=headers)
    skus = ["TEA-1", "TEA-2", "TEA-1"]
    ann = uuid4()
    seen = [
        event(ProductViewed(sku=sku), user(42), profile_id=ann, origin=0, sequence=number)
        for number, sku in enumerate(skus)
    ]
    try:
        async with running(service, ("api", "consumer", "relay")), client:
            await producer.send([message(topics.PROFILE_EVENTS, one) for one in seen])
            await producer.send([message(topics.PROFILE_EVENTS, one) for one in seen])  # a relay may send twice

            async def views() -> Any:
                try:
                    answer = await client.get("/v1/views")
                except httpx2.TransportError:
                    return None  # not started yet
                return answer.json() if answer.is_success else None  # its table is made after it can be probed

            found = await eventually(views, lambda counted: bool(counted) and counted["views"].get("TEA-2") == 1)
            assert found["views"] == {"TEA-1": 2, "TEA-2": 1}
    finally:
        await producer.close()
