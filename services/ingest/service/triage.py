"""Triage: each payload is understood and judged, and then is ready for the bus, or refused with its reason.

One use case for every method of ingest. Nothing here touches the broker: the edges hand on what is accepted (published,
spooled or put into the outbox), and keep what is refused.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID, uuid5

import msgspec
from uuid_utils.compat import uuid7

from services.ingest.domain import judge
from services.ingest.domain.catalogue.parts import MAX_ID_LENGTH
from services.ingest.domain.definitions.mapping import Mapper
from services.ingest.domain.definitions.plan import Violation
from services.ingest.domain.definitions.source import MOST_EVENT_BYTES, Source
from services.ingest.domain.definitions.write_key import text_without_write_keys, without_write_keys
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.fast_path import reader
from services.ingest.domain.formats.tracking import Understood
from services.ingest.domain.judge import Normal
from services.ingest.domain.payload import IngestMethod, Payload, meaning
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.request.owners import NOBODYS, Owners, of_nobody, orders_of_nobody, owned
from services.ingest.domain.values import message
from services.ingest.domain.values.context import Locate, nowhere
from services.ingest.repository import quarantine as kept
from shared import published
from shared.contracts import keepable, topics, wire
from shared.contracts.envelope import Event
from shared.contracts.identity import best, partition_key
from shared.contracts.wire import Message
from shared.database.database import Work
from shared.database.rows import Json
from shared.service import metrics
from shared.service.logging import get_logger

log: Final = get_logger(__name__)

MAX_KEPT_MESSAGE_ID: Final = 100  # characters
MAX_PAYLOAD_EVENT_BYTES: Final = MOST_EVENT_BYTES  # of one event of a webhook, a file or a back office


class Publisher(Protocol):
    """What puts records on the bus."""

    async def send(self, messages: Sequence[Message]) -> None:
        """Returns when every record is acknowledged; raises `BrokerAway` otherwise."""
        ...


class Watch(Protocol):
    """Is notified of each accepted event: for figures, samples, and those who watch a source.

    `enough` has the names of events that need no notification: enough of them were seen.
    """

    enough: Container[str]

    def accepted(self, payload: bytes, normal: Normal) -> None:
        """Notes that an event is ready for the bus."""
        ...


@dataclass(frozen=True, slots=True)
class RefusedPayload:
    """One refused payload, as it came, and why. Nothing is kept of the error's frames."""

    payload: Payload
    error: BadEvent
    waits_for: str = ""  # the order whose customer is not known yet, if that is why

    def __post_init__(self) -> None:
        """Lets go of the frames that the error was raised in."""
        object.__setattr__(self, "error", self.error.to_keep())


class Outcomes(NamedTuple):
    """What became of the payloads of one request: what figures are made of, without the accepted events themselves."""

    accepted: int
    event_ids: Sequence[bytes]
    refused: Sequence[RefusedPayload]
    ignored: Sequence[str]
    violations: Sequence[Violation]
    warnings: Sequence[str]
    unread_phones: int
    placeholders: Mapping[str, int]


@dataclass(slots=True)
class TriageResult:
    """The payloads of one request: what to publish, what to keep, and what is ignored."""

    accepted: list[Message] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)  # of payloads: those that `accepted` are
    refused: list[RefusedPayload] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    event_ids: list[bytes] = field(default_factory=list)  # as texts
    also_known: dict[str, str] = field(default_factory=dict)
    nobodys: list[str] = field(default_factory=list)  # orders of no customer whom their shop knows
    warnings: list[str] = field(default_factory=list)  # of accepted events
    unread_phones: int = 0  # phone numbers from servers' sources that link nobody
    placeholders: Counter[str] = field(default_factory=Counter)  # by namespace: what was named and means nobody

    def outcomes(self) -> Outcomes:
        """Returns what became of the payloads."""
        return Outcomes(
            len(self.accepted),
            self.event_ids,
            self.refused,
            self.ignored,
            self.violations,
            self.warnings,
            self.unread_phones,
            self.placeholders,
        )


def new_message_id() -> str:
    """Returns the id of a message that came without one."""
    return uuid7().hex


def context_for(source: Source, received_at: datetime, *, locate: Locate = nowhere, **fields: Any) -> RequestContext:
    """Returns the context of a request of this source."""
    return RequestContext(
        source_id=source.id,
        source_kind=source.kind,
        allow_orders=source.allow_orders,
        received_at=received_at,
        new_message_id=new_message_id,
        renaming=source.renaming,
        plan=source.plan,
        may_say=source.may_say,
        consent_words=source.consent_words,
        country=source.country,
        space=source.id_space,
        locate=locate,
        **{"max_event_bytes": source.max_event_bytes, **fields},
    )


def triage_messages(
    raws: Iterable[bytes],
    context: RequestContext,
    *,
    partition_secret: bytes,
    around: Callable[[], dict[str, Any]] = dict,
    watch: Watch | None = None,
    first: int = 0,
    done: TriageResult | None = None,
) -> TriageResult:
    """Triages messages of the tracking API: each is ready or refused. An invalid one never affects its neighbours.

    `around` returns what is kept beside those that are refused. `first` is the place of the first message in its
    request, whose messages before it were triaged into `done`.
    """
    done = TriageResult() if done is None else done
    read = reader(context, partition_secret=partition_secret, enough=None if watch is None else watch.enough)
    accepted, event_ids = done.accepted, done.event_ids
    for place, raw in enumerate(raws, first):
        ready = read(raw, place)
        if ready is not None:
            accepted.append(ready)
            event_ids.append(ready.event_id)
            if ready.violation is not None:
                done.violations.append(ready.violation)
            continue
        try:
            normal = judge.normalise(raw, context, place=place)
            done.accepted.append(_record(normal.event, partition_secret))
        except BadEvent as error:
            done.refused.append(RefusedPayload(Payload(way=IngestMethod.TRACKING, raw=raw, around=around()), error))
            done.placeholders.update(error.placeholders)
            continue
        _note(done, raw, normal, watch)
    return done


def refuse(raws: Iterable[bytes], error: BadEvent, around: dict[str, Any]) -> TriageResult:
    """Refuses messages of the tracking API, all for one reason."""
    return TriageResult(
        refused=[RefusedPayload(Payload(way=IngestMethod.TRACKING, raw=raw, around=around), error) for raw in raws]
    )


def triage_payloads(
    payloads: Iterable[Payload],
    source: Source,
    context: RequestContext,
    *,
    partition_secret: bytes,
    mapper: Mapper | None = None,
    owners: Owners = NOBODYS,
    watch: Watch | None = None,
) -> TriageResult:
    """Triages payloads of any method. If a payload makes several events, the valid ones are accepted, and the whole
    payload is kept if any event is refused.
    """
    done = TriageResult()
    places = itertools.count()
    for payload in payloads:
        try:
            found = meaning(payload, context, source.format, mapper or source.mapper)
        except BadEvent as error:
            done.refused.append(RefusedPayload(payload, error))
            done.placeholders.update(error.placeholders)
            continue
        first_refusal: RefusedPayload | None = None
        done.also_known.update(found.also_known)
        done.nobodys += found.nobodys
        if owners and of_nobody(found.messages, owners):
            done.ignored.append("about an order of nobody known")
            continue
        for one in (*owned(found.messages, owners), *([found.understood] if found.understood else ())):
            try:
                normal = _normal(one, context, next(places))
                done.accepted.append(_record(normal.event, partition_secret))
                done.events.append(normal.event)
            except BadEvent as error:
                waits_for = _order_of_nobody(found.messages) if error.reason is Reason.IDENTITY else ""
                first_refusal = first_refusal or RefusedPayload(payload, error, waits_for)
                done.placeholders.update(error.placeholders)
                continue
            _note(done, payload.raw, normal, watch)
        if first_refusal is not None:
            done.refused.append(first_refusal)
        elif found.ignored and not found.messages:
            done.ignored.append(found.ignored)
    return done


def _order_of_nobody(messages: list[bytes]) -> str:
    return next(iter(orders_of_nobody(messages)), "")[:MAX_ID_LENGTH]


def _normal(event: bytes | Understood, context: RequestContext, place: int) -> Normal:
    if isinstance(event, bytes):
        return judge.normalise(event, context, place=place)
    return judge.judged(event, context, place=place)


def _note(done: TriageResult, raw: bytes, normal: Normal, watch: Watch | None) -> None:
    done.event_ids.append(str(normal.event.event_id).encode())
    if normal.violation is not None:
        done.violations.append(normal.violation)
    done.unread_phones += normal.unread_phone
    done.placeholders.update(normal.placeholders)
    done.warnings += normal.warnings
    if watch is not None:
        watch.accepted(raw, normal)


def _record(event: Event, partition_secret: bytes) -> Message:
    try:
        headers, value = wire.encode(event)
    except RecursionError:  # writing goes a little deeper than reading
        raise BadEvent(Reason.MALFORMED, "event: nested too deeply") from None
    return Message(
        topic=topics.EVENTS,
        key=partition_key(str(best(event.identities)), secret=partition_secret),
        headers=headers,
        value=value,
    )


async def keep(
    work: Work, source_id: UUID, refused: Sequence[RefusedPayload], *, import_id: UUID | None = None
) -> None:
    """Keeps refused payloads with their reasons. A payload of a source is kept once, however often it is sent."""
    rows: dict[UUID, kept.NewPayload] = {}
    for one in refused:
        payload = _without_write_keys(one.payload)
        found = message.message_id_in(payload.raw)
        row_id = uuid5(source_id, payload.fingerprint)
        rows[row_id] = kept.NewPayload(
            id=row_id,
            reason_code=one.error.reason.value,
            reason=text_without_write_keys(one.error.text),
            raw=payload.raw,
            message_id=found and found[:MAX_KEPT_MESSAGE_ID],
            way=payload.way.value,
            around=Json(keepable.encode(payload.around)),
            import_row=payload.around.get("row"),
            waits_for=one.waits_for or None,
        )
    await kept.insert(work, source_id, list(rows.values()), import_id=import_id)
    for row_id, row in rows.items():
        work.afterwards.append(partial(_tell, source_id, row_id, row.reason_code, import_id))


def _tell(source_id: UUID, row_id: UUID, reason: str, import_id: UUID | None) -> None:
    """Logs where the event is kept, and nothing of the event itself, which its reason may repeat."""
    of = {} if import_id is None else {"import_id": str(import_id)}
    log.warning("event.refused", source=str(source_id), quarantine=str(row_id), reason=reason, **of)


def _without_write_keys(payload: Payload) -> Payload:
    around = without_write_keys(msgspec.json.encode(payload.around))
    return msgspec.structs.replace(
        payload, raw=without_write_keys(payload.raw), around=msgspec.json.decode(around, type=dict[str, Any])
    )


async def spool(work: Work, accepted: Sequence[Message]) -> None:
    """Puts records into the outbox, from which the relay publishes them when the broker is back."""
    await work.outbox.add_records(accepted)


async def spooled_bytes(work: Work) -> int:
    """Returns the size of what waits in the outbox, and of what is kept there until it is read."""
    return await published.kept_bytes(work.connection)


_accepted: Final = metrics.ingested.labels("accepted")


def count(done: TriageResult, source_id: UUID) -> None:
    """Notes in the metrics what became of a request's events."""
    _accepted.inc(len(done.accepted))
    if done.unread_phones:
        metrics.phones_unread.labels(str(source_id)).inc(done.unread_phones)
    for namespace, values in done.placeholders.items():
        metrics.placeholders.labels(str(source_id), namespace).inc(values)
    if done.refused:
        metrics.ingested.labels("quarantined").inc(len(done.refused))
        for reason, events in Counter(one.error.reason.value for one in done.refused).items():
            metrics.quarantined.labels(reason).inc(events)
    if done.ignored:
        metrics.ingested.labels("ignored").inc(len(done.ignored))
    for mode, events in Counter(violation.mode for violation in done.violations).items():
        metrics.plan_violations.labels(mode.value).inc(events)
