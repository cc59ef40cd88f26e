"""A service as a process: roles, signals, draining, and the command line."""

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

import uvloop
from aiokafka.errors import KafkaError
from fastapi import APIRouter, FastAPI

from shared import audit
from shared.audit import command as audit_command
from shared.audit.api import router_of
from shared.audit.command import user
from shared.contracts import topics, wire
from shared.database import migrate
from shared.database.database import DATABASE_ERRORS, Database, Work, is_away
from shared.dlq import command as dlq
from shared.http.app import create_app
from shared.http.auth import Verifier
from shared.http.fast_routes import Handler
from shared.http.operations import ConnectionCloseMiddleware, Health
from shared.http.probes import probes
from shared.http.server.serving import Drain, serve
from shared.kafka.consumer import offsets
from shared.kafka.consumer.batch import Handlers
from shared.kafka.consumer.consumer import Consumer
from shared.kafka.consumer.rewinds import OnRewound
from shared.kafka.consumer.subscription import Subscription
from shared.kafka.dead_letters import dead_letter
from shared.kafka.pinned import Prepare, standing
from shared.kafka.producer import Producer
from shared.kafka.topics import ensure_topics
from shared.keeper import Keeper
from shared.relay import Relay
from shared.service import failpoints, logging
from shared.service.clock import Clock
from shared.service.command_line import ROLES, Command, parse
from shared.service.failpoints import failpoint
from shared.service.heartbeats import Heartbeat
from shared.service.loops import until_set
from shared.service.setting_kinds import levels_of
from shared.service.settings import Settings, load, require_token_key

ALLOCATIONS_BETWEEN_COLLECTIONS: Final = 50_000
COLLECTION_SECONDS: Final = 60.0  # at the latest: a process with little to do must not keep its cycles for hours
BROKER_PATIENCE_SECONDS: Final = 60
TOPICS_PAUSE_SECONDS: Final = 2
DATABASE_PAUSE_SECONDS: Final = 1
MEBIBYTE: Final = 1 << 20

log = logging.get_logger(__name__)

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
    decode: wire.Decode = wire.decode,
    on_rewound: OnRewound | None = None,
) -> Service:
    """The mechanisms of a service, connected to each other but not started."""
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
) -> FastAPI:
    """Gives a service its API."""
    settings = service.settings
    assert service.health is not None
    service.health.needs_broker = service.needs_broker
    service.app = create_app(
        title=service.name,
        description=description,
        routers=[*routers, router_of(service.name)],
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
    return service.app


async def run(service: Service, *, stop: asyncio.Event, roles: Sequence[str] = ROLES) -> None:
    """Runs a service's roles until `stop` is set, then drains: the batch in hand, the last requests, the outbox.

    Whatever its roles, the process can be probed at its port from the start; without the role `api` there is nothing
    else. An API goes on answering for `drain_announce_seconds`, so that clients and load balancers find another one.

    Any task that ends by an error ends the others and raises: a half-dead process is worse than none.
    """
    relay_stop = asyncio.Event()
    if service.health is not None:
        service.health.roles = frozenset(roles)
    try:
        async with asyncio.TaskGroup() as background:
            if not service.needs_broker:
                background.create_task(_make_topics_in_time(service, stop))
            async with asyncio.TaskGroup() as work:
                work.create_task(_until(stop, f"HTTP (port {service.settings.http_port})", _serve_http(service, stop)))
                work.create_task(_announce(service, stop))
                if await _can_begin(service, stop, roles):
                    if service.relay is not None and "relay" in roles:
                        relaying = service.relay.run(relay_stop, writers_here=set(ROLES) <= set(roles))
                        background.create_task(_until(relay_stop, "relay", relaying))
                    for name, loop in _loops(service, roles).items():
                        work.create_task(_until(stop, name, loop(stop)))
            relay_stop.set()
            if service.relay is not None:
                service.relay.wake()
    finally:
        await service.producer.close()
        if service.consumer is not None:
            await service.consumer.subscription.producer.close()
        await service.database.close()


def _loops(service: Service, roles: Sequence[str]) -> Mapping[str, Loop]:
    """What turns until the process is told to stop; the relay turns on, until the outbox is empty."""
    if "consumer" not in roles:
        return service.always
    reading = {} if service.consumer is None else {"consumer": service.consumer.run}
    return {**reading, **service.loops, **service.always}


async def _can_begin(service: Service, stop: asyncio.Event, roles: Sequence[str]) -> bool:
    """Waits until the topics stand, for roles that meet the broker; False if told to stop before.

    An API alone neither reads nor publishes: it writes to PostgreSQL.
    """
    if not await _prepared(service, stop):
        return False
    if not service.needs_broker or not {"consumer", "relay"}.intersection(roles):
        return not stop.is_set()
    async with asyncio.TaskGroup() as tasks:
        making = tasks.create_task(_make_topics(service, patience_seconds=BROKER_PATIENCE_SECONDS))
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait((making, stopping), return_when=asyncio.FIRST_COMPLETED)
        making.cancel()
        stopping.cancel()
    return not making.cancelled()


async def prepare(service: Service) -> None:
    """Does once, in one transaction, what the service does in its database before anything else."""
    async with service.database.work() as work:
        for one in service.at_start:
            await one(work)


async def _prepared(service: Service, stop: asyncio.Event) -> bool:
    """Does what is to be done at the start; False if told to stop before that is done."""
    while service.at_start and not stop.is_set():
        try:
            await prepare(service)
            return True
        except DATABASE_ERRORS as error:
            if not is_away(error):
                raise
            log.warning("service.waits_for_postgresql", error=repr(error))
            await until_set(stop, seconds=DATABASE_PAUSE_SECONDS)
    return not stop.is_set()


async def _make_topics(service: Service, *, patience_seconds: float) -> None:
    await ensure_topics(
        service.settings.kafka(),
        topics.ALL,
        replication=service.settings.kafka_replication,
        patience_seconds=patience_seconds,
    )
    failpoint("process.after_topics")


async def _make_topics_in_time(service: Service, stop: asyncio.Event) -> None:
    """For a service that starts without the broker: the topics are made when it comes."""
    while not stop.is_set():
        try:
            await _make_topics(service, patience_seconds=0)
            return
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("service.waits_for_broker", error=repr(error))
            await until_set(stop, seconds=TOPICS_PAUSE_SECONDS)


async def _until(stop: asyncio.Event, name: str, loop: Coroutine[None, None, None]) -> None:
    """Runs a loop that must not end before it is told to, not even quietly, as a cancelled task would."""
    try:
        await loop
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
    if not stop.is_set():
        raise RuntimeError(f"the {name} loop ended by itself")


async def _announce(service: Service, stop: asyncio.Event) -> None:
    log.info("service.starts", port=service.settings.http_port)
    await stop.wait()
    if service.health is not None:
        service.health.draining = True
    log.info("service.drains")


async def _serve_http(service: Service, stop: asyncio.Event) -> None:
    if service.health is None:  # a service of a test, which nobody probes
        await stop.wait()
        return
    settings = service.settings
    app = service.app if "api" in service.health.roles else None
    await serve(
        ConnectionCloseMiddleware(app or probes(service.name, service.health), service.health),
        stop,
        host=settings.http_host,
        port=settings.http_port,
        limits=settings.connection_limits(service.larger_bodies),
        drain=Drain(announce_seconds=settings.drain_announce_seconds, finish_seconds=settings.drain_seconds),
    )


# The command line

S = TypeVar("S", bound=Settings)


def main(
    name: str,
    settings_class: type[S],
    build: Callable[[S], Service],
    *,
    commands: Mapping[str, Command] | None = None,
) -> int:
    """`python -m services.<name> serve|migrate|resume|dlq|audit|…`; returns the exit status.

    The command line is understood before any setting is read.
    """
    extra = {**common_commands(name, build), **(commands or {})}
    command, roles, rest = parse(name, extra, sys.argv[1:])
    settings = load(settings_class)
    logging.configure(name, settings.log_level, levels_of(settings.log_levels))
    failpoints.arm(settings.failpoint)
    if command in extra:
        return uvloop.run(extra[command].run(settings, rest))
    if command == "migrate":
        user = migrate.role_of(settings.database_url.get_secret_value())
        uvloop.run(migrate.upgrade(name, settings.owner_database_url(), user=user))
        return 0
    if "api" in roles:
        require_token_key(settings)
    return uvloop.run(_serve(build(settings), roles))


def common_commands(name: str, build: Callable[[S], Service]) -> Mapping[str, Command]:
    """What every service has beside `serve` and `migrate`."""
    return {
        "dlq": Command(partial(dlq.parser, name), lambda settings, rest: _dlq(build(settings), rest)),
        "resume": Command(partial(_resume_parser, name), lambda settings, rest: _resume(build(settings), rest)),
        "audit": Command(partial(audit_command.parser, name), lambda settings, rest: _audit(build(settings), rest)),
    }


async def _serve(service: Service, roles: Sequence[str]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    _spare_collections(loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await run(service, stop=stop, roles=roles)
    except Exception:  # the process's edge: say why, and end
        log.exception("service.ends")
        return 1
    return 0


def _spare_collections(loop: asyncio.AbstractEventLoop) -> None:
    """What stands by now stays, and is not looked through again; requests and batches leave few cycles, so that
    looking for them can wait. With Python's own settings a quarter of ingest's time went there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS)
    loop.call_later(COLLECTION_SECONDS, _collect, loop)


def _collect(loop: asyncio.AbstractEventLoop) -> None:
    gc.collect()
    loop.call_later(COLLECTION_SECONDS, _collect, loop)


def _resume_parser(service: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{service} resume", description="Opens partitions that were stopped for refusals."
    )
    parser.add_argument(
        "--accept", type=int, default=0, help="dead letters of each partition that may come before they count again"
    )
    return parser


async def _resume(service: Service, arguments: Sequence[str]) -> int:
    """Opens the partitions that the dead-letter breaker closed."""
    chosen = _resume_parser(service.name).parse_args(arguments)
    async with service.database.work() as work:
        opened = await offsets.resume(work.connection, accept=max(0, chosen.accept))
        change = {"opened": opened, "accept": chosen.accept}
        await audit.record(work, user(), "partitions.resumed", "service", service.name, change)
    await service.database.close()
    print(f"{opened} partitions opened; restart the service to read on", file=sys.stderr)
    return 0


async def _dlq(service: Service, arguments: Sequence[str]) -> int:
    """Dead letters by hand."""
    if service.consumer is None:
        print(f"{service.name} reads no topic, and so has no dead letters", file=sys.stderr)
        return 2
    try:
        return await dlq.run(service.consumer.subscription, arguments)
    finally:
        await service.database.close()


async def _audit(service: Service, arguments: Sequence[str]) -> int:
    """The audit log by hand."""
    try:
        return await audit_command.run(service.name, service.database, arguments)
    finally:
        await service.database.close()
