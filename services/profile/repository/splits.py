"""SQL of splits: what the identity log says of a customer's names, and moving what goes with some of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from services.profile.domain.decision import MOVED, RULE_VERSION, Provenance
from services.profile.domain.ordering import Key
from services.profile.domain.parting import Name
from services.profile.repository.history import partition_of
from services.profile.repository.orders import RefRow
from shared.contracts import wire
from shared.contracts.changes import OrderReassigned
from shared.database.database import Work
from shared.database.rows import arrays, rows_as, upsert

_encode: Final = msgspec.json.Encoder().encode


class LoggedName(msgspec.Struct, frozen=True, kw_only=True):
    """An identity as the log has it: by which kind of line, to which profile, by which event and on whose word it was
    linked first.
    """

    kind: str
    namespace: str
    value: str
    profile_id: UUID
    event_id: UUID
    provenance: str

    @property
    def name(self) -> Name:
        """Its namespace and value."""
        return self.namespace, self.value


class LoggedSplit(msgspec.Struct, frozen=True, kw_only=True):
    """A split as the log has it."""

    id: UUID
    kept: UUID
    separated: UUID
    at: datetime


async def names(work: Work, profile_ids: Collection[UUID]) -> list[LoggedName]:
    """Returns the identities of a customer who is known by these profile ids, by namespace and value.

    Of one that a split moved, the lines since then count. Where several sources linked one, the word of those who may
    vouch for it does.
    """
    return await rows_as(
        work,
        LoggedName,
        f"""
        SELECT CASE WHEN bool_or(g.kind = 'link') THEN 'link' ELSE 'alias' END AS kind,
               g.namespace, g.value,
               (array_agg(g.profile_id ORDER BY g.id))[1] AS profile_id,
               (array_agg(g.event_id ORDER BY g.id))[1] AS event_id,
               (array_agg(coalesce(g.provenance, :public) ORDER BY coalesce(g.provenance, :public) = :public, g.id))[1]
               AS provenance
          FROM identity_log g
         WHERE g.profile_id = ANY(CAST(:ids AS uuid[]))
           AND g.kind IN ('link', 'alias')
           AND NOT EXISTS (
               SELECT 1
                 FROM identity_log s
                WHERE s.reason = '{MOVED}' AND s.namespace = g.namespace AND s.value = g.value AND s.id > g.id
               )
         GROUP BY g.namespace, g.value
         ORDER BY g.namespace, g.value
        """,
        ids=sorted(profile_ids),
        public=Provenance.PUBLIC.value,
    )


async def lock_names(work: Work, wanted: Iterable[Name]) -> None:
    """Locks identities in the order in which every batch locks them."""
    found = sorted(set(wanted))
    await work.run(
        """
        SELECT 1
          FROM identities i
          JOIN unnest(CAST(:namespaces AS text[]), CAST(:values AS text[])) AS w(namespace, value)
         USING (namespace, value)
         ORDER BY i.namespace, i.value
           FOR UPDATE OF i
        """,
        namespaces=[namespace for namespace, _ in found],
        values=[value for _, value in found],
    )


class LoggedMerge(msgspec.Struct, frozen=True, kw_only=True):
    """A merge as the log has it."""

    profile_id: UUID
    other_id: UUID
    event_id: UUID
    at: datetime
    verified: bool | None


async def merges_into(work: Work, profile_ids: Collection[UUID]) -> list[LoggedMerge]:
    """Returns the merges into these profiles, but for those that were undone, in their order."""
    return await rows_as(
        work,
        LoggedMerge,
        """
        SELECT profile_id, other_id, event_id, at, verified
          FROM identity_log m
         WHERE kind = 'merge'
           AND profile_id = ANY(CAST(:ids AS uuid[]))
           AND NOT EXISTS (
               SELECT 1 FROM identity_log s WHERE s.kind = 'split' AND s.other_id = m.other_id AND s.id > m.id
               )
         ORDER BY id
        """,
        ids=sorted(profile_ids),
    )


async def write_log(work: Work, split: LoggedSplit, moved: Sequence[LoggedName], *, reason: str) -> None:
    """Appends a split to the identity log, with a line for each identity that it moves."""
    await work.run(
        """
        INSERT INTO identity_log (at, kind, profile_id, other_id, event_id, rule_version, reason, provenance)
        VALUES (:at, 'split', :kept, :separated, :id, :rule_version, :reason, :service)
        """,
        at=split.at,
        kept=split.kept,
        separated=split.separated,
        id=split.id,
        rule_version=RULE_VERSION,
        reason=reason,
        service=Provenance.SERVICE.value,
    )
    await work.run(
        """
        INSERT INTO identity_log
               (at, kind, profile_id, namespace, value, event_id, rule_version, reason, provenance)
        SELECT :at, kind, :separated, namespace, value, :id, :rule_version, :moved, provenance
          FROM unnest(CAST(:kinds AS text[]), CAST(:namespaces AS text[]), CAST(:values AS text[]),
                      CAST(:provenances AS text[])) WITH ORDINALITY AS n(kind, namespace, value, provenance, line)
         ORDER BY line
        """,
        at=split.at,
        separated=split.separated,
        id=split.id,
        rule_version=RULE_VERSION,
        moved=MOVED,
        kinds=[one.kind for one in moved],
        namespaces=[one.namespace for one in moved],
        values=[one.value for one in moved],
        provenances=[one.provenance for one in moved],
    )


async def split(work: Work, split_id: UUID) -> tuple[LoggedSplit, list[Name]]:
    """Returns a split of the log, and the identities that it moved."""
    found = await rows_as(
        work,
        LoggedSplit,
        """
        SELECT event_id AS id, profile_id AS kept, other_id AS separated, at
          FROM identity_log
         WHERE kind = 'split' AND event_id = :id
        """,
        id=split_id,
    )
    rows = await work.rows(
        """
        SELECT namespace, value
          FROM identity_log
         WHERE profile_id = :separated AND event_id = :id AND reason = :moved
         ORDER BY namespace, value
        """,
        separated=found[0].separated,
        id=split_id,
        moved=MOVED,
    )
    return found[0], [(row.namespace, row.value) for row in rows]


async def find(work: Work, split_id: UUID) -> tuple[LoggedSplit, bool] | None:
    """Returns a split of the log, and whether it was lifted; None if there was none."""
    rows = await work.rows(
        """
        SELECT s.profile_id, s.other_id, s.at,
               EXISTS (
                   SELECT 1
                     FROM identity_log l
                    WHERE l.kind = 'lift' AND l.profile_id = s.profile_id AND l.event_id = s.event_id
               ) AS lifted
          FROM identity_log s
         WHERE s.kind = 'split' AND s.event_id = :id
        """,
        id=split_id,
    )
    if not rows:
        return None
    (row,) = rows
    return LoggedSplit(id=split_id, kept=row.profile_id, separated=row.other_id, at=row.at), bool(row.lifted)


async def write_lift(work: Work, split: LoggedSplit, *, reason: str) -> None:
    """Appends to the identity log that a split holds no more: a line under the id of each side."""
    await work.run(
        """
        INSERT INTO identity_log (at, kind, profile_id, other_id, event_id, rule_version, reason, provenance)
        SELECT :now, 'lift', one, other, :id, :rule_version, :reason, :service
          FROM (VALUES (CAST(:kept AS uuid), CAST(:separated AS uuid)),
                       (CAST(:separated AS uuid), CAST(:kept AS uuid))) AS n(one, other)
        """,
        now=work.now,
        id=split.id,
        kept=split.kept,
        separated=split.separated,
        rule_version=RULE_VERSION,
        reason=reason,
        service=Provenance.SERVICE.value,
    )


async def move_names(work: Work, moved: Iterable[Name], to: UUID) -> None:
    """Gives locked identities to another profile."""
    found = sorted(set(moved))
    await work.run(
        """
        UPDATE identities i
           SET profile_id = :to
          FROM unnest(CAST(:namespaces AS text[]), CAST(:values AS text[])) AS w(namespace, value)
         WHERE i.namespace = w.namespace AND i.value = w.value
        """,
        to=to,
        namespaces=[namespace for namespace, _ in found],
        values=[value for _, value in found],
    )


async def move_events(work: Work, event_ids: Collection[UUID], *, kept: UUID, separated: UUID) -> None:
    """Gives events to who was separated. Each stays in its partition of the history, as in a merge."""
    await work.run(
        """
        UPDATE timeline
           SET profile_id = :separated, partition = coalesce(partition, CAST(:partition AS smallint))
         WHERE event_id = ANY(CAST(:ids AS uuid[]))
        """,
        separated=separated,
        partition=partition_of(kept),
        ids=sorted(event_ids),
    )


async def move_owners(
    work: Work, moved: Collection[tuple[str, str]], *, before: Collection[UUID], separated: UUID
) -> None:
    """Notes of these sources' orders that they are of who was separated, if they were of one of the ids before."""
    pairs = sorted(moved)
    await work.run(
        """
        UPDATE order_owners o
           SET profile_id = :separated
          FROM unnest(CAST(:sources AS text[]), CAST(:orders AS text[])) AS w(source_id, order_id)
         WHERE o.source_id = w.source_id AND o.order_id = w.order_id AND o.profile_id = ANY(CAST(:before AS uuid[]))
        """,
        separated=separated,
        sources=[source for source, _ in pairs],
        orders=[order for _, order in pairs],
        before=sorted(before),
    )


async def forget_marks(work: Work, moved: Collection[str], *, before: Collection[UUID]) -> None:
    """Takes away what is kept of the rows of these orders under the ids before."""
    await work.run(
        """
        DELETE FROM order_marks
         WHERE profile_id = ANY(CAST(:before AS uuid[])) AND order_id = ANY(CAST(:orders AS text[]))
        """,
        before=sorted(before),
        orders=sorted(moved),
    )


async def move_refs(work: Work, moved: Collection[str], *, before: Collection[UUID], separated: UUID) -> None:
    """Gives the names of payments of these orders to who was separated."""
    rows = await rows_as(
        work,
        RefRow,
        """
        DELETE FROM payment_refs
         WHERE profile_id = ANY(CAST(:before AS uuid[])) AND order_id = ANY(CAST(:orders AS text[]))
        RETURNING ref, profile_id, order_id, paid
        """,
        before=sorted(before),
        orders=sorted(moved),
    )
    theirs = {
        (one.ref, one.order_id): RefRow(ref=one.ref, profile_id=separated, order_id=one.order_id, paid=one.paid)
        for one in sorted(rows, key=lambda one: one.profile_id)
    }
    if theirs:
        await work.run(
            upsert("payment_refs", RefRow, key=("ref", "profile_id", "order_id"), only_changed=True),
            **arrays([theirs[key] for key in sorted(theirs)], RefRow),
        )


async def move_reassignments(work: Work, moved: Collection[str], *, before: Collection[UUID], separated: UUID) -> None:
    """Has what is told beside the timeline of these orders name who was separated."""
    rows = await work.rows(
        """
        SELECT event_id, profile_id, type, CAST(body AS text) AS body
          FROM reassignments
         WHERE profile_id = ANY(CAST(:before AS uuid[]))
        """,
        before=sorted(before),
    )
    changed: list[tuple[UUID, UUID, str]] = []
    for row in rows:
        body = wire.decode_body(row.type, row.body)
        assert isinstance(body, OrderReassigned)
        now = _as_parted(body, moved, before, separated)
        if now != body:
            theirs = now.from_profile == separated
            changed.append((row.event_id, separated if theirs else row.profile_id, _encode(now).decode()))
    if changed:
        await work.run(
            """
            UPDATE reassignments r
               SET profile_id = w.profile_id, body = CAST(w.body AS jsonb)
              FROM unnest(CAST(:ids AS uuid[]), CAST(:profiles AS uuid[]), CAST(:bodies AS text[]))
                   AS w(event_id, profile_id, body)
             WHERE r.event_id = w.event_id
            """,
            ids=[event_id for event_id, _, _ in changed],
            profiles=[profile_id for _, profile_id, _ in changed],
            bodies=[body for _, _, body in changed],
        )


def _as_parted(
    body: OrderReassigned, moved: Collection[str], before: Collection[UUID], separated: UUID
) -> OrderReassigned:
    def now(key: Key) -> UUID:
        return separated if key[0] in before and key[1] in moved else key[0]

    return msgspec.structs.replace(
        body,
        from_profile=now((body.from_profile, body.from_order)),
        to_profile=now((body.to_profile, body.to_order)),
    )


async def raise_versions(work: Work, versions: Mapping[UUID, int]) -> None:
    """Gives locked profiles these versions."""
    rows = sorted(versions.items())
    await work.run(
        """
        UPDATE profiles p
           SET version = w.version
          FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS bigint[])) AS w(id, version)
         WHERE p.id = w.id
        """,
        ids=[profile_id for profile_id, _ in rows],
        versions=[version for _, version in rows],
    )
