"""What a batch loads and stores, each in one statement."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.profile.domain.fold import ProfileState, stored
from shared.contracts.envelope import Event
from shared.contracts.orders import Order
from shared.contracts.wire import TYPE_NAMES
from shared.database import order_rows
from shared.database.database import Work
from shared.database.order_rows import OrderRowWithMargin

_json = msgspec.json.Encoder()
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


async def known_events(work: Work, event_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these events that were folded before."""
    rows = await work.rows(
        "SELECT event_id FROM timeline WHERE event_id = ANY(CAST(:ids AS uuid[]))", ids=list(event_ids)
    )
    return {row.event_id for row in rows}


async def append_timeline(work: Work, assigned: Sequence[tuple[UUID, Event]]) -> int:
    """Writes events to the timeline; how many were new."""
    return await work.run(
        "INSERT INTO timeline (event_id, profile_id, type, occurred_at, received_at, source_id, source_kind, "
        "historical, claim, identities, body, cause_id, depth, stated_at, context, merges) "
        "SELECT event_id, profile_id, type, "
        "occurred_at, received_at, source_id, source_kind, historical, claim, identities::jsonb, body::jsonb, "
        "cause_id, depth, stated_at, context::jsonb, merges FROM unnest("
        "CAST(:event_ids AS uuid[]), CAST(:profile_ids AS uuid[]), CAST(:types AS text[]), "
        "CAST(:occurred AS timestamptz[]), CAST(:received AS timestamptz[]), CAST(:sources AS text[]), "
        "CAST(:kinds AS text[]), CAST(:historical AS boolean[]), CAST(:claims AS boolean[]), "
        "CAST(:identities AS text[]), CAST(:bodies AS text[]), CAST(:causes AS uuid[]), CAST(:depths AS smallint[]), "
        "CAST(:stated AS timestamptz[]), CAST(:contexts AS text[]), CAST(:merges AS boolean[])) "
        "AS n(event_id, profile_id, type, occurred_at, "
        "received_at, source_id, source_kind, historical, claim, identities, body, cause_id, depth, stated_at, "
        "context, merges) ORDER BY event_id ON CONFLICT (event_id) DO NOTHING",
        event_ids=[event.event_id for _, event in assigned],
        profile_ids=[profile_id for profile_id, _ in assigned],
        types=[TYPE_NAMES[type(event.body)] for _, event in assigned],
        occurred=[event.occurred_at for _, event in assigned],
        received=[event.received_at for _, event in assigned],
        sources=[event.source_id for _, event in assigned],
        kinds=[event.source_kind.value for _, event in assigned],
        historical=[event.historical for _, event in assigned],
        claims=[event.unverified for _, event in assigned],
        identities=[_text(event.identities) for _, event in assigned],
        bodies=[_text(event.body) for _, event in assigned],
        causes=[event.cause_id for _, event in assigned],
        depths=[event.depth for _, event in assigned],
        stated=[event.stated_at for _, event in assigned],
        contexts=[None if event.context is None else _text(event.context) for _, event in assigned],
        merges=[event.merges for _, event in assigned],
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
    """The first of `count` sequences of an origin partition; later ones are greater, for ever."""
    row = await work.row(
        "INSERT INTO lanes AS l (origin, next_sequence) VALUES (:origin, :count) ON CONFLICT (origin) DO UPDATE "
        "SET next_sequence = l.next_sequence + :count RETURNING next_sequence - :count AS first",
        origin=origin,
        count=count,
    )
    assert row is not None
    first: int = row.first
    return first
