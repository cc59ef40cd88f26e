"""The parts of a service's process, wired and not started."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, FastAPI

from shared.audit import api as audit
from shared.contracts import topics, wire
from shared.customer_data import Kept, router_of
from shared.database.database import Database, Work
from shared.http.app import create_app
from shared.http.auth import Verifier
from shared.http.fast_routes import Handler
from shared.http.operations import Health
from shared.kafka import decoding
from shared.kafka.consumer.batch import Handlers
from shared.kafka.consumer.consumer import Consumer
from shared.kafka.consumer.rewinds import OnRewound
from shared.kafka.consumer.subscription import Subscription
from shared.kafka.dead_letters import dead_letter
from shared.kafka.pinned import Prepare, standing
from shared.kafka.producer import Producer
from shared.keeper import Keeper
from shared.relay import Relay
from shared.service.clock import Clock
from shared.service.heartbeats import Heartbeat
from shared.service.settings import Settings

MEBIBYTE: Final = 1 << 20

Loop = Callable[[asyncio.Event], Coroutine[None, None, None]]


@dataclass
class Service:
    """The parts of one service process, wired by its composition root.

    `loops` run in the consumer role until stopped (timers, senders), those of `always` in any role; each gets the stop
    event.
    """

    name: str
    settings: Settings
    clock: Clock
    database: Database
    producer: Producer
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    consumer: Consumer | None = None
    relay: Relay | None = None
    loops: dict[str, Loop] = field(default_factory=dict)
    always: dict[str, Loop] = field(default_factory=dict)
    at_start: list[Callable[[Work], Awaitable[None]]] = field(default_factory=list)
    """What is done in the database before anything else, in any role; again and again while PostgreSQL is away."""
    app: FastAPI | None = None
    health: Health | None = None
    larger_bodies: dict[str, int] = field(default_factory=dict)
    """Bytes that a request's body may have, by the beginning of its path, where `HTTP_BODY_BYTES` is too little."""
    needs_broker: bool = True
    """Whether it can do nothing without the broker: then it waits for it at the start, and is not ready without."""


def assemble(
    name: str,
    settings: Settings,
    clock: Clock,
    *,
    reads: Sequence[str] = (),
    handlers: Handlers | None = None,
    swaps: bool = True,
    decode: wire.Decode = decoding.decode,
    on_rewound: OnRewound | None = None,
    together_records: int = 0,
) -> Service:
    """Returns the mechanisms of a service, connected to each other but not started."""
    wire.write_version(settings.wire_version)
    database = Database(
        settings.database_url.get_secret_value(),
        application=f"rapport-{name}",
        clock=clock,
        pool_size=settings.database_pool_size,
    )
    brokers = settings.kafka()

    def prepare(names: Sequence[str]) -> Prepare | None:
        """What has these topics stand in a broker that keeps nothing, before anything is sent to it."""
        if not settings.kafka_volatile:
            return None
        return standing(brokers, names, replication=settings.kafka_replication)

    producer = Producer(brokers, client_id=f"rapport-{name}", prepare=prepare(topics.ALL))
    service = Service(name, settings, clock, database, producer)
    if reads:
        subscription = Subscription(
            service=name,
            brokers=brokers,
            database=database,
            producer=dead_letter.producer(
                brokers,
                client_id=f"rapport-{name}-dlq",
                prepare=prepare([topics.dead_letters(name)]),
            ),
            clock=clock,
            topics=reads,
            handlers=handlers or {},
            generation=settings.kafka_topic_generation,
            replication=settings.kafka_replication,
            batch_records=settings.kafka_batch_records,
            together_records=together_records,
            fetch_wait_ms=settings.kafka_fetch_wait_milliseconds,
            busy_fetch_wait_ms=settings.busy_fetch_wait_milliseconds(),
            session_timeout_ms=settings.kafka_session_timeout_milliseconds,
            swaps=swaps,
            decode=decode,
            on_rewound=on_rewound,
        )
        service.consumer = Consumer(subscription, tick=service.heartbeat.loop("consumer"))
    keeper = None
    if settings.kafka_volatile:
        alarm_bytes = settings.kafka_kept_megabytes * MEBIBYTE
        keeper = Keeper(database, producer, brokers, alarm_bytes=alarm_bytes)
    service.relay = Relay(database, producer, tick=service.heartbeat.loop("relay"), keeper=keeper)
    service.health = Health(service.heartbeat, database, service.consumer, service.relay)
    return service


def add_api(
    service: Service,
    *,
    description: str,
    routers: Sequence[APIRouter],
    fast_routes: Mapping[str, Handler] | None = None,
    customer_data: Kept | None = None,
) -> FastAPI:
    """Gives a service its API. `customer_data` says which of its rows are a customer's, if any are."""
    settings = service.settings
    assert service.health is not None
    service.health.needs_broker = service.needs_broker
    service.app = create_app(
        title=service.name,
        description=description,
        routers=[
            *([router_of(service.name)] if customer_data else ()),
            *routers,
            audit.router_of(service.name),
        ],
        fast_routes=fast_routes,
        health=service.health,
        verifier=Verifier(
            public_key=settings.auth_public_key,
            jwks_url=settings.auth_jwks_url,
            algorithm=settings.auth_algorithm,
            issuer=settings.auth_issuer,
            max_life=timedelta(days=settings.auth_token_days),
            key_set_seconds=settings.auth_jwks_seconds,
        ),
    )
    service.app.state.customer_data = customer_data
    return service.app
