"""What every service tells an operator: whether it lives, is ready, how far it lags, its metrics; and trace ids."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from shared.database.database import DATABASE_ERRORS, Database, Work
from shared.kafka.consumer.consumer import Consumer
from shared.kafka.dead_letters import sources
from shared.keeper import Keeper
from shared.relay import Relay
from shared.service import metrics
from shared.service.command_line import ROLES
from shared.service.heartbeats import Heartbeat
from shared.service.logging import trace_id

REMEMBERED_ROUTES: Final = 1_024  # with their methods and statuses


Alarms = Callable[[Work], Awaitable[Sequence[Mapping[str, Any]]]]


class Health:
    """What the health routes tell of a process, by the roles that it has.

    `needs_broker` says whether its API is ready only while the consumer beside it is connected. `alarms` are what an
    operator must see to although the process does its work, as its service tells them; nothing personal is in them,
    for whoever reaches the port may read them.
    """

    def __init__(
        self, heartbeat: Heartbeat, database: Database, consumer: Consumer | None = None, relay: Relay | None = None
    ) -> None:
        self.heartbeat = heartbeat
        self.database = database
        self.roles: frozenset[str] = frozenset(ROLES)
        self.needs_broker = True
        self.draining = False
        self.alarms: Alarms | None = None
        self.consumer = consumer
        self._relay = relay

    @property
    def reader(self) -> Consumer | None:
        """The consumer, if this process runs it."""
        return self.consumer if "consumer" in self.roles else None

    @property
    def keeper(self) -> Keeper | None:
        """What the relay keeps, with a broker that keeps nothing."""
        return None if self._relay is None else self._relay.keeper

    def checks(self) -> dict[str, bool]:
        """Returns what must be true for this process to do its work, beside PostgreSQL.

        An API is ready while its relay waits for the broker: it answers, and the outbox keeps what is to be published.
        """
        serves, checks = "api" in self.roles, {"serving": not self.draining}
        if self.reader is not None and (self.needs_broker or not serves):
            checks["consumer"] = self.reader.is_connected()
        if self._relay is not None and "relay" in self.roles and not serves:
            checks["relay"] = self._relay.is_well()
        return checks


router = APIRouter(tags=["operations"])


@router.get(
    "/health/live",
    summary="Check whether the process is alive",
    responses={503: {"model": dict[str, Any], "description": "A loop is silent"}},
)
async def live(request: Request) -> JSONResponse:
    """Returns 200 while every loop of the process runs, and 503 with the names of those that are silent."""
    health: Health = request.app.state.health
    silent = health.heartbeat.silent()
    return JSONResponse({"live": not silent, "silent": silent}, 503 if silent else 200)


@router.get(
    "/health/ready",
    summary="Check whether the service can do its work",
    responses={503: {"model": dict[str, Any], "description": "A dependency is away, or the service is draining"}},
)
async def ready(request: Request) -> JSONResponse:
    """Returns 200 when PostgreSQL answers, what the process runs is well, and the process is not draining.

    A consumer is well while it is connected; a relay in a process of its own, when its last look at the outbox
    succeeded. With a stopped partition the service is still ready, because its API works. `stopped` names the
    partition, and `/health/lag` says why. With `alarms` it is ready, too: `/health/lag` says what to do about them.
    """
    health: Health = request.app.state.health
    alarms: Sequence[Mapping[str, Any]] = []
    try:
        if health.alarms is None:
            await health.database.ping()
        else:
            async with health.database.work() as work:
                alarms = await health.alarms(work)
        answers = True
    except DATABASE_ERRORS:
        answers = False
    checks = {"database": answers, **health.checks()}
    stopped = health.reader.stopped_partitions() if health.reader is not None else []
    good = all(checks.values())
    told = {} if health.alarms is None else {"alarms": [one["what"] for one in alarms]}
    return JSONResponse({"ready": good, **checks, "stopped": stopped, **told}, 200 if good else 503)


@router.get("/health/lag", summary="Read what is still to be read and to be published")
async def lag(request: Request) -> dict[str, Any]:
    """Returns records that this process has not read, outbox rows, stopped and failing partitions, and blocked sources.

    `lag` is null while it is not known: while the process has no partitions, or a partition is silent. It is about the
    log of `cluster`: a broker that was replaced just now may not have been noticed yet. `failing` names the partitions
    whose batches fail again and again and are tried again. The records of a blocked source go to the dead letters
    unread, until `dlq unblock`. With a broker that keeps nothing, `publishes_to` is the cluster that has everything
    that is not in the outbox and that some reader may lack; it is null while there is no such cluster. `alarms`, where
    the service has such, are what somebody must see to, each with what to do.
    """
    health: Health = request.app.state.health
    consumer = health.reader
    async with health.database.work() as work:
        row = await work.row("SELECT count(*) AS waiting FROM outbox")
        blocked = await sources.blocked_sources(work)
        alarms = None if health.alarms is None else await health.alarms(work)
    return {
        "lag": consumer.lag() if consumer else 0,
        "cluster": consumer.cluster_id if consumer else None,
        "outbox": row.waiting if row else 0,
        **({"publishes_to": health.keeper.cluster_id} if health.keeper else {}),
        "stopped": consumer.stopped() if consumer else [],
        "failing": consumer.failing() if consumer else [],
        "blocked": [{"source": one.source, "since": one.at, "cause": one.cause} for one in blocked],
        **({} if alarms is None else {"alarms": alarms}),
    }


@router.get("/metrics", include_in_schema=False)
async def prometheus() -> Response:
    """Every metric in `shared/service/metrics.py`, in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


class ConnectionCloseMiddleware:
    """While the process drains, asks with each response that the client end its connection.

    A server that ends an idle connection may end it while a request arrives, and then no client can know what became
    of that. One that has read `Connection: close` sends nothing more on it (RFC 9112, section 9.6).
    """

    def __init__(self, app: ASGIApp, health: Health) -> None:
        self._app = app
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; it may have come before the draining began."""

        async def say(message: Message) -> None:
            if message["type"] == "http.response.start" and self._health.draining:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, say)


NOSNIFF: Final = (b"x-content-type-options", b"nosniff")
NO_STORE: Final = (b"cache-control", b"no-store")


def private(headers: list[tuple[bytes, bytes]], method: str) -> list[tuple[bytes, bytes]]:
    """Returns a response's headers with those that keep it out of caches, unless the route says how to cache it, and
    browsers from guessing its type.

    No cache keeps what answers a POST and does not say for how long; and Chromium takes a `no-store` answer that a page
    does not read, as SDKs don't, for unfinished as long as the page lives.
    """
    kept_out = method != "POST" and all(name != b"cache-control" for name, _ in headers)
    return [*headers, NOSNIFF, NO_STORE] if kept_out else [*headers, NOSNIFF]


# Looked up once: a metric takes a lock to find that of its labels.
_seconds: Final = lru_cache(REMEMBERED_ROUTES)(metrics.http_seconds.labels)
_requests: Final = lru_cache(REMEMBERED_ROUTES)(metrics.http_requests.labels)


class MetricsMiddleware:
    """Counts and times each answer, and gives each request a trace id (W3C `traceparent`, taken over or made)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), "")
        parts = parent.split("-")
        trace = parts[1] if len(parts) == 4 and len(parts[1]) == 32 else uuid7().hex
        trace_id.set(trace)
        started, status = time.perf_counter(), 500

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = private([*message["headers"], (b"trace-id", trace.encode())], scope["method"])
            await send(message)

        try:
            await self._app(scope, receive, observe)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            _seconds(route).observe(time.perf_counter() - started)
            _requests(route, scope["method"], status).inc()
