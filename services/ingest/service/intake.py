"""The intake: what every request with events goes through, whichever method it came by.

Guarantee: `take` returns only once each event is acknowledged by the broker, or committed in the spool or in the
quarantine; otherwise it raises. The quarantine is written first: it keeps a payload once, however often it comes, so
that a client which must send again leaves nothing twice.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol
from uuid import UUID

from services.ingest.domain.definitions.source import MAX_BATCH_BYTES, Source
from services.ingest.domain.formats import typed
from services.ingest.domain.formats.webhooks.delivery import Delivery
from services.ingest.domain.formats.webhooks.registry import needed_topic
from services.ingest.domain.payload import Payload
from services.ingest.domain.request.body import LargeBodies
from services.ingest.domain.request.breaker import Breaker, Route
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.request.owners import NOBODYS, Owners
from services.ingest.domain.request.rate import AddressLimiter, Limiter, is_of_an_unnamed_proxy
from services.ingest.domain.values.context import Locate, nowhere
from services.ingest.service import fact_keys, owners, quarantine, sources, triage
from services.ingest.service.refusals import ForeignOrigin, TooMany, UnknownKey, busy, database_refusal
from services.ingest.service.source_stats import SourceStats
from services.ingest.service.triage import Publisher, TriageResult
from services.ingest.service.vault import Vault
from shared.contracts.envelope import SourceKind
from shared.contracts.wire import Message
from shared.database.database import DATABASE_ERRORS, Database, Work, is_away
from shared.kafka.producer import BrokerAway
from shared.service import metrics
from shared.service.clock import Clock
from shared.service.failpoints import failpoint
from shared.service.logging import get_logger

CACHE_SECONDS: Final = 10  # for which a disabled key, or a plan that was changed, works on at most
STALE_SECONDS: Final = 600  # while PostgreSQL is away, known keys go on working for so long
CACHE_KEYS: Final = 10_000
COMPARE_SECONDS: Final = 1.0  # for looking up the earlier body of a key; facts do not wait for PostgreSQL
TURN_EVENTS: Final = 1_000  # of one batch that are triaged at a time: for some 0.05 s
PEEK_SECONDS: Final = 1.0  # between two looks at how full the spool is

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the spool may hold, how long the broker may take before events go there, and what public keys may send.

    `public_per_second` is the limit of each public source without one of its own; 0 means no limit. `batch_bytes` is
    the most that a source's own limit of a batch may be. With `outbox_first` everything goes to the broker by way of
    the outbox, for a broker that keeps nothing.
    """

    spool_bytes: int
    produce_seconds: float
    public_per_second: int = 0
    batch_bytes: int = MAX_BATCH_BYTES
    outbox_first: bool = False


class Sender(Protocol):
    """Who is at the other end of a request's connection. Each member is read only if needed, and empty if unknown."""

    @property
    def address(self) -> str:
        """The connection's address; for a trusted proxy, its client's."""
        ...

    @property
    def forwarded_for(self) -> str:
        """What a proxy says of the client, trusted or not."""
        ...

    @property
    def origin(self) -> str:
        """The page that sends."""
        ...

    @property
    def user_agent(self) -> str:
        """What the client calls itself."""
        ...


@dataclass
class Intake:
    """One process's state for accepting events: who sends, how much, and whether the broker or the spool gets them."""

    database: Database
    publisher: Publisher
    clock: Clock
    vault: Vault
    limits: Limits
    partition_secret: bytes
    stats: SourceStats
    locate: Locate = nowhere
    large_bodies: LargeBodies = field(default_factory=LargeBodies)
    by_address: AddressLimiter = field(default_factory=partial(AddressLimiter, 0))
    breaker: Breaker = field(default_factory=Breaker)
    _by_key: dict[bytes, tuple[datetime, Source | None]] = field(default_factory=dict)
    _by_id: dict[UUID, tuple[datetime, Source | None]] = field(default_factory=dict)
    _limiters: dict[UUID, Limiter] = field(default_factory=dict)
    _warned_of_proxy: bool = False
    _spool_bytes: int = 0
    _peeked_at: datetime | None = None

    # Who sends

    async def source_of(self, keys: Sequence[str]) -> Source:
        """Returns the source of the first of these keys that has one. Raises `UnknownKey`."""
        for key in keys:
            key_hash = sources.hash_of(key)
            look_up = partial(sources.by_key, vault=self.vault, key_hash=key_hash)
            source = await self._cached(self._by_key, key_hash, look_up)
            if source is not None and (source.key_expires_at is None or source.key_expires_at > self.clock.now()):
                return source
        raise UnknownKey("unauthorized", "write key: send a valid one as Basic user name, or as writeKey in the body")

    async def known(self, keys: Sequence[str]) -> Source | None:
        """Returns the source of the first of the keys before a request's body that has one; None if none has."""
        with contextlib.suppress(UnknownKey):
            return await self.source_of(keys)
        return None

    async def limit_met(self, keys: Sequence[str], limit: str, now: datetime) -> None:
        """Notes in a source's figures that a request of it was turned away for a limit of its size."""
        with contextlib.suppress(UnknownKey, *DATABASE_ERRORS):
            self.stats.limited((await self.source_of(keys)).id, 1, now, limit)
            metrics.ingested.labels("limited").inc()

    async def source_by_id(self, source_id: UUID) -> Source | None:
        """Returns a source that is not disabled."""
        look_up = partial(sources.by_id, vault=self.vault, source_id=source_id)
        return await self._cached(self._by_id, source_id, look_up)

    async def _cached(
        self,
        cache: dict[Any, tuple[datetime, Source | None]],
        wanted: Any,
        look_up: Callable[[Work], Awaitable[Source | None]],
    ) -> Source | None:
        now = self.clock.now()
        looked_up, source = cache.get(wanted, (None, None))
        age = None if looked_up is None else now - looked_up
        if age is not None and age < timedelta(seconds=CACHE_SECONDS):
            return source
        try:
            async with self.database.work() as work:
                found = await look_up(work)
        except DATABASE_ERRORS as error:
            if not is_away(error) or source is None or age is None or age > timedelta(seconds=STALE_SECONDS):
                raise
            log.warning("intake.old_source_used", source=str(source.id), error=repr(error))
            return source
        if len(cache) >= CACHE_KEYS:  # somebody guesses keys: forget all rather than grow
            cache.clear()
        cache[wanted] = now, found
        return found

    def admit(self, source: Source, events: int, sender: Sender) -> None:
        """Returns if a source may send this many events now, from this page and this client.

        A public key is in everybody's hands, so each client that uses it has a limit of its own. Raises `ForeignOrigin`
        or `TooMany`.
        """
        if not source.allows(sender.origin):
            raise ForeignOrigin("origin", f"origin {sender.origin}: not among those that this source allows")
        public, now = source.kind is SourceKind.PUBLIC, self.clock.now()
        if public and self.by_address.per_second and (address := self._address(sender)):
            wait = self.by_address.admit(address, events, now)
            self._let_in(source, events, wait, f"{self.by_address.per_second} events a second from one address", now)
        per_second = source.events_per_second or (self.limits.public_per_second if public else 0)
        if per_second:
            limiter = self._limiters.get(source.id)
            if limiter is None or limiter.per_second != per_second:
                limiter = self._limiters[source.id] = Limiter(per_second)
            self._let_in(source, events, limiter.admit(events, now), f"{per_second} events a second", now)

    def _let_in(self, source: Source, events: int, wait: timedelta | None, most: str, now: datetime) -> None:
        if wait is None:
            return
        self.stats.limited(source.id, events, now)
        metrics.ingested.labels("limited").inc(events)
        seconds = str(int(wait.total_seconds()) + 1)
        text = f"at most {most}; send it again in {seconds} s"
        raise TooMany("too_many", text, headers={"Retry-After": seconds})

    def _address(self, sender: Sender) -> str:
        """Returns the address of the client that sends; empty if it is not known."""
        if not is_of_an_unnamed_proxy(sender.address, sender.forwarded_for):
            return sender.address
        if not self._warned_of_proxy:
            self._warned_of_proxy = True
            log.warning("intake.proxy_not_named", address=sender.address, setting="HTTP_TRUSTED_PROXIES")
        return ""

    def context(self, source: Source, sender: Sender, received_at: datetime, **fields: Any) -> RequestContext:
        """Returns what holds for a request. A browser's address and user agent are its own; a server's are not."""
        if source.kind is SourceKind.PUBLIC:
            fields["address"], fields["user_agent"] = sender.address, sender.user_agent
        return triage.context_for(source, received_at, locate=self.locate, **fields)

    # What it sends

    async def triage(
        self,
        source: Source,
        raws: Sequence[bytes],
        context: RequestContext,
        around: Callable[[], dict[str, Any]],
    ) -> TriageResult:
        """Triages messages of the tracking API. Returns the result for `hand_on`.

        A large batch lets others have their turn.
        """
        done = TriageResult()
        for first in range(0, len(raws), TURN_EVENTS):
            if first:
                await asyncio.sleep(0)
            triage.triage_messages(
                raws[first : first + TURN_EVENTS],
                context,
                partition_secret=self.partition_secret,
                around=around,
                watch=self.stats.view(source.id, context.received_at),
                first=first,
                done=done,
            )
        return done

    async def take_webhook(self, source: Source, payload: Payload, context: RequestContext) -> TriageResult:
        """Takes in a delivery of a shop, which may be about an order without naming the customer."""
        async with self.database.work() as work:
            known = await owners.needed(work, source, payload, context)
        delivery = Delivery(raw=payload.raw, headers=payload.around.get("headers", {}))
        if topic := needed_topic(source.format, delivery):
            self.stats.topic(source.id, topic)
        done = await self.take(source, [payload], context, known)
        stated = owners.stated(done)
        waiting = {one.waits_for for one in done.refused if one.waits_for}
        if stated or waiting:
            # After the delivery is kept: of two that come at once, whichever is later finds the other.
            async with self.database.work() as work:
                await owners.remember(work, source, stated)
                names = [*stated, *(waiting and await owners.known(work, source, waiting))]
                await quarantine.release_waiting(
                    work, self.vault, source, names, partition_secret=self.partition_secret
                )
        return done

    async def take_fact(self, source: Source, payload: Payload, context: RequestContext) -> TriageResult:
        """Takes in a fact that came with an idempotency key. Raises `KeyUsed` if another fact came with it before.

        While PostgreSQL is away facts are accepted without the comparison.
        """
        done = self._triaged_payloads(source, [payload], context)
        if done.accepted:  # a key whose fact was refused can be used again
            fingerprint = typed.fingerprint(payload.around["kind"], payload.raw)
            await self._claim(UUID(done.event_ids[0].decode()), fingerprint)
        return await self.hand_on(source, done, context.received_at)

    async def _claim(self, event_id: UUID, fingerprint: bytes) -> None:
        try:
            async with asyncio.timeout(COMPARE_SECONDS), self.database.statement() as work:
                await fact_keys.claim(work, event_id, fingerprint)
        except DATABASE_ERRORS as error:
            log.warning("intake.fact_not_compared", event_id=str(event_id), error=repr(error))

    async def take(
        self, source: Source, payloads: Sequence[Payload], context: RequestContext, known: Owners = NOBODYS
    ) -> TriageResult:
        """Takes in payloads that came by another method."""
        done = self._triaged_payloads(source, payloads, context, known)
        return await self.hand_on(source, done, context.received_at)

    def _triaged_payloads(
        self, source: Source, payloads: Sequence[Payload], context: RequestContext, known: Owners = NOBODYS
    ) -> TriageResult:
        view = self.stats.view(source.id, context.received_at)
        return triage.triage_payloads(
            payloads, source, context, partition_secret=self.partition_secret, owners=known, watch=view
        )

    async def hand_on(self, source: Source, done: TriageResult, now: datetime) -> TriageResult:
        """Takes in what was triaged; `now` is when it was received."""
        if done.refused:
            async with self.database.statement() as work:
                await triage.keep(work, source.id, done.refused)
            failpoint("ingest.after_quarantine")
        if done.accepted:
            await self._publish(done.accepted)
            failpoint("ingest.after_publish")
        triage.count(done, source.id)
        self.stats.note(source.id, done.outcomes(), now)
        return done

    async def _publish(self, accepted: Sequence[Message]) -> None:
        """Sends to the broker, or to the spool while the broker is away. Raises `Busy` if neither accepts them."""
        if self.limits.outbox_first:
            await self._spool(accepted)
            return
        route = self.breaker.route(self.clock.now())
        if route is not Route.SPOOL:
            try:
                async with asyncio.timeout(self.limits.produce_seconds):
                    await self.publisher.send(accepted)
                self._broker(route, acknowledged=True)
                return
            except (BrokerAway, TimeoutError) as error:
                log.warning("intake.broker_away", error=repr(error))
                self._broker(route, acknowledged=False)
            except BaseException:
                self._broker(route, acknowledged=False)  # a probe that was cancelled must not be waited for
                raise
        await self._spool(accepted)
        metrics.spooled.inc(len(accepted))

    def _broker(self, route: Route, *, acknowledged: bool) -> None:
        if acknowledged:
            self.breaker.succeeded(route)
        else:
            self.breaker.failed(route, self.clock.now())
        if route is not Route.BROKER or not acknowledged:
            metrics.breaker_open.set(self.breaker.open_since is not None)

    async def _spool(self, accepted: Sequence[Message]) -> None:
        try:
            async with self.database.work() as work:
                if await self._spool_is_full(work):
                    raise busy()
                await triage.spool(work, accepted)
        except DATABASE_ERRORS as error:
            raise database_refusal(error) from None
        self._spool_bytes += sum(len(message.value) for message in accepted)
        failpoint("ingest.after_spool")

    async def _spool_is_full(self, work: Work) -> bool:
        """Returns whether the spool is full. Looks once a second at most: what comes within one may pass the mark."""
        if self._peeked_at is None or work.now - self._peeked_at > timedelta(seconds=PEEK_SECONDS):
            self._spool_bytes = await triage.spooled_bytes(work)
            self._peeked_at = work.now
        return self._spool_bytes >= self.limits.spool_bytes
