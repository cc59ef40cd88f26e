"""What a batch loads and stores, each in one statement."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.profile.domain.fold import ProfileState, stored
from services.profile.repository.history import partition_of
from shared.contracts import wire
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body
from shared.contracts.identity import Identity
from shared.contracts.orders import Order
from shared.contracts.wire import TYPE_NAMES
from shared.database import order_rows
from shared.database.database import Work
from shared.database.order_rows import OrderRowWithMargin
from shared.database.rows import Json, arrays, unnest, values

_json = msgspec.json.Encoder()
_decode_identities: Final = msgspec.json.Decoder(tuple[Identity, ...]).decode
_FIGURES = "profiles.id, version, orders, spend_minor::text AS spend_minor, first_order_at, last_order_at"
# In an UPDATE … FROM, names that the other relation has, too, must say whose they are.
_UPDATED = _FIGURES.replace(" orders,", " profiles.orders,")


class Figures(msgspec.Struct, frozen=True):
    """A profile's version and order figures, as stored."""

    version: int
    orders: int
    spend_minor: dict[str, int]
    first_order_at: datetime | None
    last_order_at: datetime | None


def _figures(row: Any) -> Figures:
    spend = msgspec.json.decode(row.spend_minor, type=dict[str, int])
    return Figures(row.version, row.orders, spend, row.first_order_at, row.last_order_at)


def _text(value: Any) -> str:
    return _json.encode(value).decode()


class Content(msgspec.Struct, frozen=True):
    """What an event says of whom: by this, and not by times or context, a repeated event is told from another."""

    type: str
    identities: tuple[Identity, ...]
    body: Body


def content_of(event: Event) -> Content:
    """Returns what an event says of whom."""
    return Content(TYPE_NAMES[type(event.body)], event.identities, event.body)


async def known_events(work: Work, event_ids: Sequence[UUID]) -> dict[UUID, Content | None]:
    """Returns those of these events that were folded before, with their contents; None of one that was erased."""
    rows = await work.rows(
        """
        SELECT event_id, type, CAST(identities AS text) AS identities, CAST(body AS text) AS body
          FROM timeline
         WHERE event_id = ANY(CAST(:ids AS uuid[]))
         UNION ALL
        SELECT event_id, NULL, NULL, NULL
          FROM erased_events
         WHERE event_id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=list(event_ids),
    )
    return {row.event_id: None if row.type is None else _content(row) for row in rows}


def _content(row: Any) -> Content:
    body = wire.decode_body(row.type, row.body)
    return Content(TYPE_NAMES[type(body)], _decode_identities(row.identities), body)


class TimelineRow(msgspec.Struct, kw_only=True):
    """An event as the timeline keeps it."""

    event_id: UUID
    profile_id: UUID
    type: str
    occurred_at: datetime
    received_at: datetime
    source_id: str
    source_kind: SourceKind
    historical: bool
    claim: bool
    identities: Json
    body: Json
    cause_id: UUID | None
    depth: int
    stated_at: datetime | None
    context: Json | None
    merges: bool
    source_version: int
    undated: bool
    space: str
    partition: int
    origin: int
    sequence: int


def _append(table: str) -> str:
    return f"""
        INSERT INTO {table} ({", ".join(TimelineRow.__struct_fields__)})
        SELECT {values(TimelineRow, "n")}
          FROM {unnest(TimelineRow, "n")}
         ORDER BY event_id
            ON CONFLICT (event_id) DO NOTHING
        """


_APPEND: Final = _append("timeline")
_APPEND_REASSIGNMENTS: Final = _append("reassignments")


async def append_timeline(work: Work, owned: Sequence[Event]) -> int:
    """Writes events, each with its profile and its place in the lanes, to the timeline. Returns how many were new."""
    return await work.run(_APPEND, **arrays([_timeline_row(event) for event in owned], TimelineRow))


async def append_reassignments(work: Work, owned: Sequence[Event]) -> None:
    """Keeps what is told beside the timeline of orders that moved."""
    if owned:
        await work.run(_APPEND_REASSIGNMENTS, **arrays([_timeline_row(event) for event in owned], TimelineRow))


def _timeline_row(event: Event) -> TimelineRow:
    assert event.profile_id is not None
    assert event.origin is not None
    assert event.sequence is not None
    return TimelineRow(
        event_id=event.event_id,
        profile_id=event.profile_id,
        type=TYPE_NAMES[type(event.body)],
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        source_id=event.source_id,
        source_kind=event.source_kind,
        historical=event.historical,
        claim=event.unverified,
        identities=Json(_text(event.identities)),
        body=Json(_text(event.body)),
        cause_id=event.cause_id,
        depth=event.depth,
        stated_at=event.stated_at,
        context=None if event.context is None else Json(_text(event.context)),
        merges=event.merges,
        source_version=event.source_version,
        undated=event.undated,
        space=event.space,
        partition=partition_of(event.profile_id),
        origin=event.origin,
        sequence=event.sequence,
    )


async def save_orders(work: Work, changed: Mapping[tuple[UUID, str], Order]) -> None:
    """Stores orders whole."""
    await order_rows.save(work, changed, OrderRowWithMargin)


async def add_counts(work: Work, added: Mapping[tuple[UUID, str, str], int]) -> None:
    """Adds to the full counts."""
    rows = sorted(added.items())
    if not rows:
        return
    await work.run(
        "INSERT INTO counts (profile_id, kind, name, times) SELECT * FROM unnest(CAST(:profiles AS uuid[]), "
        "CAST(:kinds AS text[]), CAST(:names AS text[]), CAST(:times AS bigint[])) "
        "ON CONFLICT (profile_id, kind, name) DO UPDATE SET times = counts.times + excluded.times",
        profiles=[profile_id for (profile_id, _, _), _ in rows],
        kinds=[kind for (_, kind, _), _ in rows],
        names=[name for (_, _, name), _ in rows],
        times=[times for _, times in rows],
    )


async def save_profiles(work: Work, states: Mapping[UUID, ProfileState]) -> dict[UUID, Figures]:
    """Stores the states of locked or new profiles, one version up; their figures, which it leaves as they are."""
    rows = sorted(states.items())
    parameters = {
        "ids": [profile_id for profile_id, _ in rows],
        "first": [state.first_seen for _, state in rows],
        "last": [state.last_seen for _, state in rows],
        "states": [_text(stored(state)) for _, state in rows],
    }
    saved = await work.rows(
        "INSERT INTO profiles (id, version, first_seen, last_seen, state) "
        "SELECT id, 1, first_seen, last_seen, state::jsonb FROM unnest(CAST(:ids AS uuid[]), "
        "CAST(:first AS timestamptz[]), CAST(:last AS timestamptz[]), CAST(:states AS text[])) "
        "AS n(id, first_seen, last_seen, state) ON CONFLICT (id) DO UPDATE SET version = profiles.version + 1, "
        "first_seen = excluded.first_seen, last_seen = excluded.last_seen, state = excluded.state "
        f"RETURNING {_FIGURES}",
        **parameters,
    )
    return {row.id: _figures(row) for row in saved}


UPDATE_FIGURES: Final = (
    "UPDATE profiles SET orders = f.orders, spend_minor = f.spend, first_order_at = f.first_at, "
    "last_order_at = f.last_at FROM (SELECT w.id, coalesce(sum(c.orders), 0) AS orders, "
    "coalesce(jsonb_object_agg(c.currency, c.net) FILTER (WHERE c.currency IS NOT NULL), '{}') AS spend, "
    "min(c.first_at) AS first_at, max(c.last_at) AS last_at FROM unnest(CAST(:ids AS uuid[])) AS w(id) "
    "LEFT JOIN (SELECT profile_id, currency, count(*) AS orders, sum(net_minor) AS net, "
    "min(placed_at) AS first_at, max(placed_at) AS last_at FROM orders "
    "WHERE counts AND profile_id = ANY(CAST(:ids AS uuid[])) "
    "GROUP BY profile_id, currency) c ON c.profile_id = w.id GROUP BY w.id) f WHERE profiles.id = f.id"
)


async def update_figures(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, Figures]:
    """Derives order figures again from the order rows of these profiles."""
    updated = await work.rows(f"{UPDATE_FIGURES} RETURNING {_UPDATED}", ids=sorted(set(profile_ids)))
    return {row.id: _figures(row) for row in updated}


async def reserve_sequences(work: Work, origin: int, count: int) -> int:
    """Returns the first of `count` sequences of an origin partition; later ones are greater, for ever."""
    row = await work.row(
        "INSERT INTO lanes AS l (origin, next_sequence) VALUES (:origin, :count) ON CONFLICT (origin) DO UPDATE "
        "SET next_sequence = l.next_sequence + :count RETURNING next_sequence - :count AS first",
        origin=origin,
        count=count,
    )
    assert row is not None
    first: int = row.first
    return first
