"""Refilling the projections from timeline and identity log. Every statement writes only rows that differ."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from services.profile.domain.decision import MOVED, Provenance
from services.profile.domain.fold import LinkedIdentity, stored
from services.profile.domain.parting import Side
from services.profile.domain.record import Folded
from services.profile.repository.fold import UPDATE_FIGURES
from shared.contracts import wire
from shared.contracts.context import Context
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.identity import Identity
from shared.database import order_rows
from shared.database.aliases import Merge
from shared.database.database import Work
from shared.database.order_rows import OrderRowWithMargin
from shared.database.rows import arrays, upsert

_decode_identities: Final = msgspec.json.Decoder(tuple[Identity, ...]).decode
_decode_context: Final = msgspec.json.Decoder(Context).decode

# Of an identity that the log knows twice, as one that was vouched for later, the later line is what counts.
_LINKED: Final = (
    "SELECT DISTINCT ON (namespace, value) namespace, value, profile_id FROM identity_log "
    "WHERE kind IN ('link', 'alias') {}ORDER BY namespace, value, id DESC"
)
_OWNERS: Final = (
    f"FROM ({_LINKED.format('')}) s FULL JOIN identities i USING (namespace, value) "
    "LEFT JOIN profile_aliases a ON a.profile_id = i.profile_id "
    "LEFT JOIN profile_aliases b ON b.profile_id = s.profile_id "
)


async def merges(work: Work) -> list[Merge]:
    """Returns into which profile each merged one was merged, by the identity log, but for merges that were undone."""
    rows = await work.rows(
        """
        SELECT other_id, profile_id, verified
          FROM identity_log m
         WHERE kind = 'merge'
           AND NOT EXISTS (
               SELECT 1 FROM identity_log s WHERE s.kind = 'split' AND s.other_id = m.other_id AND s.id > m.id
               )
         ORDER BY id
        """
    )
    return [Merge(row.other_id, row.profile_id, row.verified is True) for row in rows]


async def save_aliases(work: Work, stand_ins: Sequence[Merge]) -> int:
    """Makes these the aliases; how many were others. The caller holds `lock_merges`."""
    names = {
        "losers": [one.loser for one in stand_ins],
        "roots": [one.survivor for one in stand_ins],
        "verified": [one.verified for one in stand_ins],
    }
    gone = await work.run(
        "DELETE FROM profile_aliases a WHERE NOT EXISTS (SELECT 1 FROM unnest(CAST(:losers AS uuid[])) AS n(id) "
        "WHERE n.id = a.profile_id)",
        losers=names["losers"],
    )
    return gone + await work.run(
        """
        INSERT INTO profile_aliases AS a (profile_id, canonical_id, verified)
        SELECT * FROM unnest(CAST(:losers AS uuid[]), CAST(:roots AS uuid[]), CAST(:verified AS boolean[]))
            ON CONFLICT (profile_id) DO UPDATE
           SET canonical_id = excluded.canonical_id, verified = excluded.verified
         WHERE (a.canonical_id, a.verified) <> (excluded.canonical_id, excluded.verified)
        """,
        **names,
    )


async def fill_identities(work: Work) -> int:
    """Gives every identity of the log that is missing, or has no owner, its owner; how many there were.

    An owner who is there stays: a batch may have written it after this statement read the log.
    """
    return await work.run(
        f"INSERT INTO identities (namespace, value, profile_id) SELECT namespace, value, s.profile_id {_OWNERS}"
        "WHERE s.profile_id IS NOT NULL AND i.profile_id IS NULL ORDER BY namespace, value "
        "ON CONFLICT (namespace, value) DO UPDATE SET profile_id = excluded.profile_id "
        "WHERE identities.profile_id IS NULL"
    )


async def doubtful_identities(work: Work, *, limit: int) -> list[tuple[str, str]]:
    """Returns identities (namespace and value) that have another owner than the log's, or one though it has none."""
    rows = await work.rows(
        f"SELECT namespace, value {_OWNERS}WHERE i.profile_id IS NOT NULL AND coalesce(a.canonical_id, i.profile_id) "
        "IS DISTINCT FROM coalesce(b.canonical_id, s.profile_id) ORDER BY namespace, value LIMIT :limit",
        limit=limit,
    )
    return [(row.namespace, row.value) for row in rows]


async def correct_identities(work: Work, doubtful: Sequence[tuple[str, str]]) -> int:
    """Gives these the owner that the log names, or none; how many had another.

    Read again under their locks, which every batch takes before it writes the log. None is deleted, because a batch
    that waits for a row would find it gone and its own link nowhere; a row without an owner says nothing.
    """
    names = {"namespaces": [namespace for namespace, _ in doubtful], "values": [value for _, value in doubtful]}
    wanted = "SELECT * FROM unnest(CAST(:namespaces AS text[]), CAST(:values AS text[])) AS w(namespace, value)"
    await work.run(
        f"SELECT 1 FROM identities i JOIN ({wanted}) w USING (namespace, value) "
        "ORDER BY i.namespace, i.value FOR UPDATE OF i",
        **names,
    )
    return await work.run(
        f"UPDATE identities i SET profile_id = s.profile_id FROM ({wanted}) w LEFT JOIN "
        f"({_LINKED.format(f'AND (namespace, value) IN ({wanted}) ')}) s USING (namespace, value) "
        "WHERE i.namespace = w.namespace AND i.value = w.value AND i.profile_id IS DISTINCT FROM s.profile_id",
        **names,
    )


async def count(work: Work) -> int:
    """Returns how many profiles have events."""
    row = await work.row("SELECT count(DISTINCT profile_id) AS profiles FROM timeline")
    return int(row.profiles) if row is not None else 0


async def ids_after(work: Work, after: UUID, *, limit: int) -> list[UUID]:
    """Returns the next ids under which anything is kept."""
    parts = " UNION ".join(
        f"(SELECT DISTINCT {column} AS id FROM {table} WHERE {column} > :after ORDER BY id LIMIT :limit)"
        for table, column in (
            *(("profiles", "id"), ("timeline", "profile_id")),
            *(("orders", "profile_id"), ("counts", "profile_id")),
        )
    )
    rows = await work.rows(f"SELECT id FROM ({parts}) n ORDER BY id LIMIT :limit", after=after, limit=limit)
    return [row.id for row in rows]


async def lock(work: Work, profile_ids: Sequence[UUID]) -> None:
    """Locks profiles in the order of their ids, as every batch does, whatever their rows hold."""
    await work.run(
        "SELECT 1 FROM profiles WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE", ids=profile_ids
    )


async def created(work: Work, profile_ids: Iterable[UUID]) -> set[UUID]:
    """Returns those that the identity log created."""
    rows = await work.rows(
        "SELECT DISTINCT profile_id FROM identity_log WHERE kind = 'create' AND profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=list(profile_ids),
    )
    return {row.profile_id for row in rows}


async def events(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, list[Event]]:
    """Returns what these profiles' timelines hold, in any order; only what folding asks for."""
    rows = await work.rows(
        """
        SELECT profile_id, event_id, type, occurred_at, received_at, source_id, source_kind, claim, merges,
               source_version, undated, space, cause_id, depth, CAST(identities AS text) AS identities,
               CAST(body AS text) AS body, CAST(context AS text) AS context
          FROM timeline
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=list(profile_ids),
    )
    found: dict[UUID, list[Event]] = {}
    for row in rows:
        found.setdefault(row.profile_id, []).append(_event(row))
    return found


def _event(row: Any) -> Event:
    return Event(
        event_id=row.event_id,
        source_id=row.source_id,
        source_kind=SourceKind(row.source_kind),
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        unverified=row.claim,
        merges=row.merges,
        source_version=row.source_version,
        undated=row.undated,
        space=row.space,
        cause_id=row.cause_id,
        depth=row.depth,
        identities=_decode_identities(row.identities),
        body=wire.decode_body(row.type, row.body),
        context=None if row.context is None else _decode_context(row.context),
    )


async def links(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, list[LinkedIdentity]]:
    """Returns the identities that the log linked to these canonical profiles, and to those that they stand for.

    Of an identity that a split moved, what the log has of before says nothing any more.
    """
    rows = await work.rows(
        f"""
        SELECT DISTINCT n.root, g.namespace, g.value, g.provenance
          FROM (
               SELECT id, id AS root FROM unnest(CAST(:ids AS uuid[])) AS w(id)
                UNION ALL
               SELECT profile_id, canonical_id FROM profile_aliases WHERE canonical_id = ANY(CAST(:ids AS uuid[]))
               ) n
          JOIN identity_log g ON g.profile_id = n.id
         WHERE g.kind = 'link'
           AND NOT EXISTS (
               SELECT 1
                 FROM identity_log s
                WHERE s.reason = '{MOVED}'
                  AND s.namespace = g.namespace
                  AND s.value = g.value
                  AND s.id > g.id
               )
        """,
        ids=list(profile_ids),
    )
    found: dict[UUID, list[LinkedIdentity]] = {}
    for row in rows:
        # Who made a link of before is not in the log: an anonymous id of then is vouched for when it is named again.
        vouched = row.provenance is not None and row.provenance != Provenance.PUBLIC
        found.setdefault(row.root, []).append(LinkedIdentity(row.namespace, row.value, vouched))
    return found


async def sides(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, dict[str, str]]:
    """Returns, by split that was not lifted, which side these canonical profiles are, with all whom they stand for."""
    rows = await work.rows(
        """
          WITH n AS (
               SELECT id, id AS root FROM unnest(CAST(:ids AS uuid[])) AS w(id)
                UNION ALL
               SELECT profile_id, canonical_id FROM profile_aliases WHERE canonical_id = ANY(CAST(:ids AS uuid[]))
               ),
               lifted AS (
               -- Under the id of each side, so that either finds it.
               SELECT l.event_id FROM n JOIN identity_log l ON l.kind = 'lift' AND l.profile_id = n.id
               )
        SELECT n.root, g.event_id, CAST(:kept AS text) AS side
          FROM n
          JOIN identity_log g ON g.kind = 'split' AND g.profile_id = n.id
         WHERE g.event_id NOT IN (SELECT event_id FROM lifted)
         UNION ALL
        SELECT n.root, g.event_id, CAST(:separated AS text)
          FROM n
          JOIN identity_log g ON g.kind = 'split' AND g.other_id = n.id
         WHERE g.event_id NOT IN (SELECT event_id FROM lifted)
        """,
        ids=list(profile_ids),
        kept=Side.KEPT.value,
        separated=Side.SEPARATED.value,
    )
    found: dict[UUID, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row.root, {})[str(row.event_id)] = row.side
    return found


async def remove(work: Work, profile_ids: Iterable[UUID]) -> int:
    """Takes away the profiles that these ids name; how many there were."""
    return await work.run("DELETE FROM profiles WHERE id = ANY(CAST(:ids AS uuid[]))", ids=list(profile_ids))


async def save_profiles(work: Work, made: Mapping[UUID, tuple[int, Folded]]) -> int:
    """Stores states; how many were others. A row that was missing gets the version given, any other keeps its own."""
    rows = sorted(made.items(), key=lambda item: item[0])
    return await work.run(
        "INSERT INTO profiles (id, version, first_seen, last_seen, state) "
        "SELECT id, version, first_seen, last_seen, state::jsonb FROM unnest(CAST(:ids AS uuid[]), "
        "CAST(:versions AS bigint[]), CAST(:first AS timestamptz[]), CAST(:last AS timestamptz[]), "
        "CAST(:states AS text[])) AS n(id, version, first_seen, last_seen, state) ON CONFLICT (id) DO UPDATE SET "
        "first_seen = excluded.first_seen, last_seen = excluded.last_seen, state = excluded.state "
        "WHERE (profiles.first_seen, profiles.last_seen, profiles.state) "
        "IS DISTINCT FROM (excluded.first_seen, excluded.last_seen, excluded.state)",
        ids=[profile_id for profile_id, _ in rows],
        versions=[version for _, (version, _) in rows],
        first=[one.state.first_seen for _, (_, one) in rows],
        last=[one.state.last_seen for _, (_, one) in rows],
        states=[msgspec.json.encode(stored(one.state)).decode() for _, (_, one) in rows],
    )


async def save_orders(work: Work, profile_ids: Sequence[UUID], made: Mapping[UUID, Folded]) -> int:
    """Makes these the orders of these profiles. Returns how many were others."""
    folded = {(one, order_id): order for one in made for order_id, order in made[one].orders.items()}
    rows = arrays(order_rows.rows_of(folded, OrderRowWithMargin), OrderRowWithMargin)
    gone = await work.run(
        """
        DELETE FROM orders o
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
           AND NOT EXISTS (
               SELECT 1
                 FROM unnest(CAST(:profiles AS uuid[]), CAST(:orders AS text[])) AS n(profile_id, order_id)
                WHERE n.profile_id = o.profile_id AND n.order_id = o.order_id
               )
        """,
        ids=list(profile_ids),
        profiles=rows["profile_id"],
        orders=rows["order_id"],
    )
    store = upsert("orders", OrderRowWithMargin, key=order_rows.KEY, only_changed=True)
    return gone + await work.run(store, **rows)


async def save_counts(work: Work, profile_ids: Sequence[UUID], made: Mapping[UUID, Folded]) -> int:
    """Makes these the full counts of these profiles; how many were others."""
    rows = sorted((one, kind, name, times) for one in made for (kind, name), times in made[one].counts.items())
    keys = {
        "profiles": [profile_id for profile_id, _, _, _ in rows],
        "kinds": [kind for _, kind, _, _ in rows],
        "names": [name for _, _, name, _ in rows],
    }
    gone = await work.run(
        "DELETE FROM counts c WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND NOT EXISTS (SELECT 1 FROM "
        "unnest(CAST(:profiles AS uuid[]), CAST(:kinds AS text[]), CAST(:names AS text[])) "
        "AS n(profile_id, kind, name) WHERE n.profile_id = c.profile_id AND n.kind = c.kind AND n.name = c.name)",
        ids=list(profile_ids),
        **keys,
    )
    return gone + await work.run(
        "INSERT INTO counts (profile_id, kind, name, times) SELECT * FROM unnest(CAST(:profiles AS uuid[]), "
        "CAST(:kinds AS text[]), CAST(:names AS text[]), CAST(:times AS bigint[])) "
        "ON CONFLICT (profile_id, kind, name) DO UPDATE SET times = excluded.times "
        "WHERE counts.times <> excluded.times",
        **keys,
        times=[times for _, _, _, times in rows],
    )


async def save_figures(work: Work, profile_ids: Iterable[UUID]) -> int:
    """Derives order figures again from the order rows of these profiles; how many were others."""
    return await work.run(
        f"{UPDATE_FIGURES} AND (profiles.orders, profiles.spend_minor, profiles.first_order_at, "
        "profiles.last_order_at) IS DISTINCT FROM (f.orders, f.spend, f.first_at, f.last_at)",
        ids=list(profile_ids),
    )
