"""A service's process at work: roles, readiness, draining."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Final

from aiokafka.errors import KafkaError

from shared.contracts import topics
from shared.database.database import DATABASE_ERRORS, is_away
from shared.http.operations import ConnectionCloseMiddleware
from shared.http.probes import probes
from shared.http.server.serving import Drain, serve
from shared.kafka.topics import ensure_topics
from shared.service import logging
from shared.service.assemble import Loop, Service
from shared.service.command_line import ROLES
from shared.service.failpoints import failpoint
from shared.service.loops import until_set

BROKER_PATIENCE_SECONDS: Final = 60
TOPICS_PAUSE_SECONDS: Final = 2
DATABASE_PAUSE_SECONDS: Final = 1

log = logging.get_logger(__name__)


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
