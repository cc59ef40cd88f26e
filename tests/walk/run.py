"""One order through four services in this process, on real PostgreSQL, a real broker, HTTP and SMTP."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import httpx2

from deploy.local.broker import Broker
from deploy.local.mail_sink import MailSink
from deploy.local.process import LOOPBACK, free_port
from services.ingest.service.source_stats import SAMPLES
from shared.contracts import topics
from shared.kafka.topics import ensure_topics
from shared.service import process
from tests.support.applications import build
from tests.support.running import eventually, running, session_milliseconds
from tests.support.sources import made_source
from tests.walk.stops import Walk, walk_of
from tests.walk.tracing import Tracer

SERVICES: Final = ("ingest", "profile", "segment", "campaign")
ORDER: Final = "walked-order"
POOL_SIZE: Final = 12  # connections, as a service has by default
TRACED_SECONDS: Final = 120  # every call of four services is noted, on cores that other tests keep busy


async def walk(broker: Broker, database: Callable[[str], Awaitable[str]], home: Path) -> Walk:
    """Returns the walk of an order that lifts its customer to a tier, from `POST /v1/batch` to SMTP."""
    sink, port = MailSink(home, free_port()), free_port()
    await ensure_topics(broker.bootstrap, topics.ALL, replication=1, patience_seconds=10)
    services = _built(broker, {name: await database(name) for name in SERVICES}, http=port, smtp=sink.port)
    del services["ingest"].always["stats_writer"]  # when it has written, ingest looks closely at the first of a kind
    _, key = await made_source(services["ingest"].database)
    tracer = Tracer()
    async with AsyncExitStack() as everything:
        await sink.start()
        everything.push_async_callback(sink.stop)
        for name in reversed(SERVICES):
            roles = ("api", "consumer", "relay") if name == "ingest" else ("consumer", "relay")
            await everything.enter_async_context(running(services[name], roles))
        client = httpx2.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", auth=(key, ""), trust_env=False)
        http = await everything.enter_async_context(client)
        await eventually(lambda: _is_ready(http), bool)
        now = services["ingest"].clock.now().isoformat()
        await _send(http, {**CUSTOMER, "timestamp": now})
        for n in range(SAMPLES):
            await _send(http, _order("bob", f"sample-{n}", "1.00", now))
        await eventually(lambda: _arrived(services), lambda found: found == (SAMPLES, 2))
        with tracer.noting():
            await _send(http, _order("ann", ORDER, "120.00", now))
            await eventually(lambda: _mails(sink), bool, deadline_seconds=TRACED_SECONDS)
        async with services["campaign"].database.work() as work:
            (message,) = await work.rows("SELECT id, trigger_id FROM messages")
    return walk_of(tracer.calls, (ORDER, str(message.id), str(message.trigger_id)))


CUSTOMER: Final[Mapping[str, Any]] = {
    "type": "identify",
    "messageId": "walked-customer",
    "userId": "ann",
    "traits": {"email": "ann@walk.example", "firstName": "Ann"},
    "context": {"consent": {"categoryPreferences": {"email": True}}},
}


def _order(customer: str, order_id: str, total: str, at: str) -> Mapping[str, Any]:
    return {
        "type": "track",
        "event": "Order Completed",
        "messageId": f"message-of-{order_id}",
        "userId": customer,
        "timestamp": at,
        "properties": {
            "order_id": order_id,
            "currency": "USD",
            "total": total,
            "products": [{"product_id": "tea", "name": "Tea", "quantity": 1, "price": total}],
        },
    }


def _built(broker: Broker, urls: Mapping[str, str], *, http: int, smtp: int) -> dict[str, process.Service]:
    common: dict[str, Any] = {
        "database_pool_size": POOL_SIZE,
        "kafka_bootstrap": broker.bootstrap,
        "kafka_session_timeout_milliseconds": session_milliseconds(broker),
        "http_port": http,
    }
    own: dict[str, dict[str, Any]] = {"campaign": {"smtp_port": smtp}}
    return {name: build(name, url, **common, **own.get(name, {})) for name, url in urls.items()}


async def _send(http: httpx2.AsyncClient, event: Mapping[str, Any]) -> None:
    response = await http.post("/v1/batch", json={"batch": [event]})
    response.raise_for_status()


async def _is_ready(http: httpx2.AsyncClient) -> bool:
    try:
        return (await http.get("/health/ready")).is_success
    except httpx2.TransportError:
        return False


async def _arrived(services: Mapping[str, process.Service]) -> tuple[int, int]:
    """How many orders segment knows, and how many customers campaign."""
    async with services["segment"].database.work() as work:
        orders = await work.rows("SELECT 1 FROM orders")
    async with services["campaign"].database.work() as work:
        return len(orders), len(await work.rows("SELECT 1 FROM contacts"))


async def _mails(sink: MailSink) -> int:
    return len(sink.messages)
