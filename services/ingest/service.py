"""The use cases of ingest: know a source, sort a request's events, quarantine, publish. Nothing here commits."""

import hashlib
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, Protocol
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

from services.ingest import repository
from services.ingest.domain import message
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.normalise import normalise
from services.ingest.domain.reception import Reception
from shared import metrics
from shared.clock import Clock
from shared.contracts import topics, wire
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.identity import best, partition_key
from shared.db import Work
from shared.errors import AppError, Conflict, NotFound
from shared.kafka.producer import Message

KEY_PREFIX: Final = "rk_"  # so that a leaked key can be found by its looks
KEY_BYTES: Final = 32
CACHE_SECONDS: Final = 10  # a disabled key works no longer than this
CACHE_KEYS: Final = 10_000
MAX_REASON_LENGTH: Final = 1_000  # characters
MAX_KEPT_MESSAGE_ID: Final = 100  # characters


class TrackingError(AppError):
    """The request was not taken in."""

    def __init__(self, code: str, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail, headers=headers)
        self.code = code


class NotUnderstood(TrackingError):
    """The request can't be read."""

    status = HTTPStatus.BAD_REQUEST


class UnknownKey(TrackingError):
    """No source has this write key."""

    status = HTTPStatus.UNAUTHORIZED


class Busy(TrackingError):
    """The events can't be taken in right now; send them again later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class NameTaken(Conflict):
    """A source has this name already."""


class UnknownSource(NotFound):
    """There is no such source."""


class Publisher(Protocol):
    """What puts records on the bus."""

    async def send(self, messages: Sequence[Message]) -> None:
        """Returns when every record is acknowledged; raises `BrokerAway` otherwise."""
        ...


# Sources


@dataclass(frozen=True, slots=True)
class Source:
    """Who sends, and what they are believed."""

    id: UUID
    kind: SourceKind
    allow_orders: bool


class KeyCache:
    """The sources of keys seen lately, and the keys that have none. A key changed elsewhere is seen in 10 s."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[bytes, tuple[datetime, Source | None]] = {}

    def get(self, key_hash: bytes) -> tuple[bool, Source | None]:
        """Whether the key was looked up lately, and the source found."""
        looked_up, source = self._known.get(key_hash, (None, None))
        return looked_up is not None and self._clock.now() - looked_up < timedelta(seconds=CACHE_SECONDS), source

    def put(self, key_hash: bytes, source: Source | None) -> None:
        """Notes what a look-up found."""
        if len(self._known) >= CACHE_KEYS:  # somebody tries keys: forget all rather than grow
            self._known.clear()
        self._known[key_hash] = self._clock.now(), source


def hash_of(key: str) -> bytes:
    """What is kept of a write key. Keys are long and random, so a plain hash can't be turned back."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()


async def source_of(work: Work, key_hash: bytes) -> Source | None:
    """The source that a key belongs to, unless it is disabled."""
    row = await repository.source_by_key(work, key_hash)
    return None if row is None else Source(row["id"], SourceKind(row["kind"]), row["allow_orders"])


async def create_source(work: Work, *, name: str, kind: SourceKind, allow_orders: bool) -> tuple[UUID, str]:
    """Makes a source; returns its id and its write key, which is not kept. Raises `NameTaken`."""
    source_id, key = uuid7(), KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    made = await repository.insert_source(
        work, source_id, name=name, kind=kind.value, key_hash=hash_of(key), allow_orders=allow_orders
    )
    if not made:
        raise NameTaken(f"source {name!r} exists")
    return source_id, key


async def disable_source(work: Work, source_id: UUID) -> Mapping[str, Any]:
    """Stops a source's key from working; raises `UnknownSource`."""
    await repository.disable_source(work, source_id)
    return await source(work, source_id)


async def source(work: Work, source_id: UUID) -> Mapping[str, Any]:
    """One source; raises `UnknownSource`."""
    found = await repository.source(work, source_id)
    if found is None:
        raise UnknownSource(f"source {source_id}")
    return found


async def sources(work: Work) -> Sequence[Mapping[str, Any]]:
    """Every source, by name."""
    return await repository.sources(work)


# Events


@dataclass(frozen=True, slots=True)
class Refused:
    """One event that can't be taken in, as it came."""

    raw: bytes
    error: BadEvent


@dataclass(frozen=True, slots=True)
class Sorted:
    """A request's events: those to publish, and those to quarantine."""

    accepted: list[Message]
    refused: list[Refused]


def new_message_id() -> str:
    """The id of a message that came without one."""
    return uuid7().hex


def sort(raws: Sequence[bytes], reception: Reception, *, partition_secret: bytes) -> Sorted:
    """Each event made ready for the bus, or refused with its reason. A bad one never touches its neighbours."""
    result = Sorted([], [])
    for raw in raws:
        try:
            result.accepted.append(_record(normalise(raw, reception).event, partition_secret))
        except BadEvent as error:
            result.refused.append(Refused(raw, error))
    return result


def _record(event: Event, partition_secret: bytes) -> Message:
    try:
        headers, value = wire.encode(event)
    except RecursionError:  # writing goes a little deeper than reading
        raise BadEvent(Reason.MALFORMED, "event: nested too deeply") from None
    key = partition_key(str(best(event.identities)), secret=partition_secret)
    return Message(topic=topics.EVENTS, key=key, headers=headers, value=value)


async def quarantine(work: Work, source_id: UUID, refused: Sequence[Refused]) -> None:
    """Keeps refused events with their reasons. The same bytes of a source are kept once, however often they come."""
    kept: dict[UUID, dict[str, Any]] = {}
    for one in refused:
        raw = message.without_write_key(one.raw)
        found = message.message_id_in(raw)
        event_id = uuid5(source_id, hashlib.sha256(raw).hexdigest())
        kept[event_id] = {
            "id": event_id,
            "reason_code": one.error.reason.value,
            "reason": one.error.text[:MAX_REASON_LENGTH],
            "raw": raw,
            "message_id": found and found[:MAX_KEPT_MESSAGE_ID],
        }
    await repository.insert_quarantined(work, source_id, list(kept.values()))


async def publish(publisher: Publisher, accepted: Sequence[Message]) -> None:
    """Puts events on the bus; returns when every one is acknowledged, raises `BrokerAway` otherwise."""
    if accepted:
        await publisher.send(accepted)


def count(done: Sorted) -> None:
    """Notes in the metrics what became of a request's events."""
    metrics.ingested.labels("accepted").inc(len(done.accepted))
    metrics.ingested.labels("quarantined").inc(len(done.refused))
    for reason, events in Counter(one.error.reason.value for one in done.refused).items():
        metrics.quarantined.labels(reason).inc(events)


# The quarantine


async def quarantined(
    work: Work, *, source_id: UUID | None, reason_code: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """A page of refused events, newest first."""
    return await repository.quarantined(work, source_id=source_id, reason_code=reason_code, after=after, limit=limit)


async def reasons(work: Work, *, source_id: UUID | None) -> Mapping[str, int]:
    """How many events were refused for each reason."""
    return await repository.reasons(work, source_id=source_id)
