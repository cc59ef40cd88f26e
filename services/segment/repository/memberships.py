"""SQL on memberships: who is in which segment, since when, and when that has to be looked at again.

What is known of a customer is one row of `customer_segments`: every segment that the customer is in or may come into by
time alone, packed, and the earliest moment at which any of them is due, or one before it. `memberships` has the members
alone, for what is asked by segment. A process of a release before this one writes due times there, too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from services.segment.domain.membership import MembershipState
from shared.database import of_customers
from shared.database.database import Work
from shared.database.rows import arrays, rows_as, unnest

LOCK_SECONDS: Final = 3  # whoever asks for a table after a lock that waits, waits too: let them go on, try again


class MembershipRow(msgspec.Struct, kw_only=True):
    """A customer in a segment: of most there is no row, and they are not in it."""

    profile_id: UUID
    segment_id: str
    version: int
    member: bool
    since: datetime
    due_at: datetime | None = None


class _Came(msgspec.Struct, frozen=True):
    """A customer who is in a segment from now on, or by another version of it."""

    profile_id: UUID
    segment_id: str
    version: int
    since: datetime


class SizeRow(msgspec.Struct, kw_only=True):
    """How many customers are in a segment."""

    segment_id: str
    members: int


Known = Mapping[str, MembershipState]
"""What is known of a customer, by segment."""

# What is equal is packed to equal bytes.
_pack: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_parts: Final = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_state: Final = msgspec.msgpack.Decoder(MembershipState).decode


class PackedKnown(Mapping[str, MembershipState]):
    """What is known of a customer as stored: of each segment it is read when it is asked for.

    Of two hundred segments a customer may be in eighty, and an event asks about ten of these.
    """

    __slots__ = ("parts",)

    def __init__(self, stored: bytes) -> None:
        self.parts = _parts(stored)

    def __getitem__(self, name: str) -> MembershipState:
        """Returns what is known of a segment."""
        return _state(self.parts[name])

    def get(self, name: str, default: Any = None) -> Any:
        """Returns what is known of a segment; `default` if nothing is."""
        part = self.parts.get(name)
        return default if part is None else _state(part)

    def __iter__(self) -> Iterator[str]:
        """Yields the segments."""
        return iter(self.parts)

    def __len__(self) -> int:
        """Returns of how many segments anything is known."""
        return len(self.parts)


def packed(known: Mapping[str, MembershipState | msgspec.Raw]) -> bytes:
    """Returns what is known of a customer as it is stored."""
    return _pack(dict(known))


async def of(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, Known]:
    """Returns what is known of these customers, by customer and segment."""
    rows = await work.rows(
        "SELECT profile_id, known FROM customer_segments WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=sorted(set(profile_ids)),
    )
    return {profile_id: PackedKnown(known) for profile_id, known in rows}


class Held(NamedTuple):
    """A locked customer: the version of the last change that was published of them, and what is known, if it is stored.

    At one who is being read anew nobody looks until that is done.
    """

    version: int
    known: Known
    stored: bool = True
    rereading: bool = False


NOTHING: Final[Known] = {}


async def held(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, Held]:
    """Returns these customers, whom the caller has locked, as far as there are such customers."""
    rows = await work.rows(
        """
        SELECT s.profile_id, s.version, c.known, EXISTS (SELECT FROM rereads r WHERE r.profile_id = s.profile_id)
          FROM standings s
          LEFT JOIN customer_segments c USING (profile_id)
         WHERE s.profile_id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=sorted(set(profile_ids)),
    )
    return {
        profile_id: Held(version, NOTHING if known is None else PackedKnown(known), known is not None, rereading)
        for profile_id, version, known, rereading in rows
    }


_WHOLE: Final = "CAST(:ids AS uuid[]), CAST(:known AS bytea[]), CAST(:due AS timestamptz[]), CAST(:stored AS boolean[])"
_SAVE: Final = f"""
          WITH came AS (
               INSERT INTO memberships (profile_id, segment_id, version, member, since)
               SELECT n.profile_id, n.segment_id, n.version, TRUE, n.since
                 FROM {unnest(_Came, "n")}
                   ON CONFLICT (profile_id, segment_id)
                   DO UPDATE SET version = excluded.version, member = TRUE, since = excluded.since, due_at = NULL
               ), went AS (
               DELETE FROM memberships m
                USING unnest(CAST(:gone AS uuid[]), CAST(:segments AS text[])) AS g(profile_id, segment_id)
                WHERE m.profile_id = g.profile_id AND m.segment_id = g.segment_id
               ), told AS (
               UPDATE standings s
                  SET version = n.version
                 FROM unnest(CAST(:told AS uuid[]), CAST(:versions AS bigint[])) AS n(profile_id, version)
                WHERE s.profile_id = n.profile_id
               ), fresh AS (
               INSERT INTO customer_segments (profile_id, known, due_at)
               SELECT n.profile_id, n.known, n.due_at
                 FROM unnest({_WHOLE}) AS n(profile_id, known, due_at, stored)
                WHERE NOT n.stored
                   ON CONFLICT (profile_id)
                   DO UPDATE SET known = excluded.known, due_at = excluded.due_at
               )
        UPDATE customer_segments c
           SET known = n.known,
               due_at = CASE WHEN :exactly THEN n.due_at ELSE least(c.due_at, n.due_at) END
          FROM unnest({_WHOLE}) AS n(profile_id, known, due_at, stored)
         WHERE c.profile_id = n.profile_id AND n.stored
"""


async def save(
    work: Work,
    changed: Mapping[UUID, Known],
    held: Mapping[UUID, Held],
    live: AbstractSet[str],
    *,
    versions: Mapping[UUID, int],
    exactly: bool = False,
) -> None:
    """Stores what changed of locked customers since they were read; of what is not live nothing stays.

    `versions` are those of the last changes that are published of customers, where that is any.

    What neither is a membership nor has a due time is deleted. A customer's due time stays where it is if it is early:
    with each event some moment moves on, and to look too early once costs less than to write it down each time.
    `exactly`: it becomes the earliest of all that is known, whether anything changed or not.
    """
    came: list[_Came] = []
    gone: list[tuple[UUID, str]] = []
    rows: list[bytes] = []
    due: list[datetime | None] = []
    ids = sorted(one for one, of_one in changed.items() if of_one or exactly)
    for one in ids:
        was = held[one].known
        for name, state in changed[one].items():
            old = was.get(name)
            if state.member:
                if old is None or not old.member or old.version != state.version:
                    came.append(_Came(one, name, state.version, state.since))
            elif old is not None and old.member:
                gone.append((one, name))
        rows.append(packed(after := _after(was, changed[one], live)))
        due.append(_earliest(after.values() if exactly else changed[one].values()))
    if ids:
        await work.run(
            _SAVE,
            **arrays(came, _Came),
            gone=[profile_id for profile_id, _ in gone],
            segments=[name for _, name in gone],
            told=list(versions),
            versions=list(versions.values()),
            ids=ids,
            known=rows,
            due=due,
            stored=[held[one].stored for one in ids],
            exactly=exactly,
        )


def _after(before: Known, changed: Known, live: AbstractSet[str]) -> dict[str, MembershipState | msgspec.Raw]:
    """Returns what is known now, of what is live: memberships, and what is due."""
    after: dict[str, MembershipState | msgspec.Raw] = dict(before.parts if isinstance(before, PackedKnown) else before)
    if not live >= after.keys():
        after = {name: one for name, one in after.items() if name in live}
    for name, one in changed.items():
        if one.member or one.due_at is not None:
            after[name] = one
        else:
            after.pop(name, None)
    return after


def _earliest(states: Iterable[MembershipState | msgspec.Raw]) -> datetime | None:
    found = [_state(one) if isinstance(one, msgspec.Raw) else one for one in states]
    return earliest_due(found)


def earliest_due(states: Iterable[MembershipState]) -> datetime | None:
    """Returns the earliest moment at which any of these is due; None if none is."""
    return min((one.due_at for one in states if one.due_at is not None), default=None)


def row_of(profile_id: UUID, name: str, one: MembershipState) -> MembershipRow:
    """Returns the row of what is known of a customer and a segment."""
    return MembershipRow(
        profile_id=profile_id,
        segment_id=name,
        version=one.version,
        member=one.member,
        since=one.since,
        due_at=one.due_at,
    )


async def claim_due(work: Work, now: datetime, *, limit: int) -> list[UUID]:
    """Locks customers of whom a membership is due, or was, and whom nobody else works on, the longest due first."""
    rows = await work.rows(
        """
          WITH due AS MATERIALIZED (
               (SELECT c.profile_id
                  FROM customer_segments c
                 WHERE c.due_at <= :now
                   AND NOT EXISTS (SELECT FROM rereads r WHERE r.profile_id = c.profile_id)
                 ORDER BY c.due_at
                 LIMIT :limit)
                 UNION
               (SELECT m.profile_id
                  FROM memberships m
                 WHERE m.due_at <= :now
                   AND NOT EXISTS (SELECT FROM rereads r WHERE r.profile_id = m.profile_id)
                 ORDER BY m.due_at
                 LIMIT :limit)
               )
        SELECT s.profile_id
          FROM standings s
          JOIN due USING (profile_id)
         ORDER BY s.profile_id
           FOR UPDATE OF s SKIP LOCKED
        """,
        now=now,
        limit=limit,
    )
    return [row.profile_id for row in rows]


async def keep_members(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Leaves of these customers' rows of `memberships` the members alone: a release before had what is due there."""
    await work.run(
        """
          WITH no_members AS (
               DELETE FROM memberships
                WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND due_at IS NOT NULL AND NOT member
               )
        UPDATE memberships
           SET due_at = NULL
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND due_at IS NOT NULL AND member
        """,
        ids=sorted(set(profile_ids)),
    )


async def wait_for_batches(work: Work) -> None:
    """Returns when every transaction that made or changed customers has ended; until this one ends, none begins to.

    A transaction calls this before it holds any customer.
    """
    await work.run(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    await work.run("LOCK TABLE standings IN SHARE ROW EXCLUSIVE MODE")


async def next_customers(work: Work, after: UUID | None, *, limit: int) -> list[UUID]:
    """Locks the next customers after an id."""
    rows = await work.rows(
        """
        SELECT profile_id
          FROM standings
         WHERE CAST(:after AS uuid) IS NULL OR profile_id > :after
         ORDER BY profile_id
         LIMIT :limit
           FOR UPDATE
        """,
        after=after,
        limit=limit,
    )
    return [row.profile_id for row in rows]


async def members(work: Work, segment_id: str, *, after: UUID | None, limit: int) -> Sequence[MembershipRow]:
    """Returns a page of the customers in a segment, by id."""
    rows = await work.rows(
        """
        SELECT m.profile_id, m.version, m.since, m.due_at, c.known
          FROM (SELECT profile_id, version, since, due_at
                  FROM memberships
                 WHERE segment_id = :segment AND member AND (CAST(:after AS uuid) IS NULL OR profile_id > :after)
                 ORDER BY profile_id
                 LIMIT :limit) m
          LEFT JOIN customer_segments c USING (profile_id)
         ORDER BY m.profile_id
        """,
        segment=segment_id,
        after=after,
        limit=limit,
    )
    found: list[MembershipRow] = []
    for row in rows:
        known = None if row.known is None else PackedKnown(row.known).get(segment_id)
        state = known or MembershipState(row.version, True, row.since, row.due_at)
        found.append(row_of(row.profile_id, segment_id, state))
    return found


async def sizes(work: Work) -> Sequence[SizeRow]:
    """Returns how many customers are in each segment that has any."""
    return await rows_as(
        work,
        SizeRow,
        "SELECT segment_id, count(*) AS members FROM memberships WHERE member GROUP BY segment_id ORDER BY segment_id",
    )


async def segments(work: Work) -> list[str]:
    """Returns the ids of all segments that have rows."""
    rows = await work.rows("SELECT DISTINCT segment_id FROM memberships ORDER BY segment_id")
    return [row.segment_id for row in rows]


async def overlap(work: Work, one: str, other: str) -> int:
    """Returns how many customers are in both segments."""
    row = await work.row(
        """
        SELECT count(*) AS members
          FROM memberships a
          JOIN memberships b USING (profile_id)
         WHERE a.segment_id = :one AND a.member AND b.segment_id = :other AND b.member
        """,
        one=one,
        other=other,
    )
    assert row is not None
    return int(row.members)


async def next_of_segment(work: Work, segment_id: str, after: UUID, *, limit: int) -> list[UUID]:
    """Returns the next customers after an id of whom a segment has a row."""
    rows = await work.rows(
        """
        SELECT profile_id
          FROM memberships
         WHERE segment_id = :segment AND profile_id > :after AND (member OR due_at IS NOT NULL)
         ORDER BY profile_id
         LIMIT :limit
        """,
        segment=segment_id,
        after=after,
        limit=limit,
    )
    return [row.profile_id for row in rows]


async def end(work: Work, segment_id: str, profile_ids: Iterable[UUID]) -> list[UUID]:
    """Deletes a segment's rows of locked customers. Returns those who were members, in order."""
    rows = await work.rows(
        """
        DELETE FROM memberships
         WHERE segment_id = :segment AND profile_id = ANY(CAST(:ids AS uuid[]))
     RETURNING profile_id, member
        """,
        segment=segment_id,
        ids=list(profile_ids),
    )
    return sorted(row.profile_id for row in rows if row.member)


async def remove_segment(work: Work, segment_id: str, *, limit: int) -> int:
    """Deletes rows of a segment that is not live any more. Returns how many."""
    return await work.run(
        """
        DELETE FROM memberships
         WHERE (profile_id, segment_id) IN (
               SELECT profile_id, segment_id
                 FROM memberships
                WHERE segment_id = :segment
                LIMIT :limit
                  FOR UPDATE SKIP LOCKED)
        """,
        segment=segment_id,
        limit=limit,
    )


async def remove(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Deletes the rows of these customers."""
    await of_customers.delete(work, ("memberships", "customer_segments"), profile_ids)


async def raise_versions(work: Work, by: Mapping[UUID, int]) -> dict[UUID, int]:
    """Raises the versions of locked customers' standings by so many changes to publish. Returns the new ones."""
    ids = sorted(by)
    rows = await work.rows(
        """
        UPDATE standings s SET version = s.version + n.changes
          FROM unnest(CAST(:ids AS uuid[]), CAST(:changes AS bigint[])) AS n(profile_id, changes)
         WHERE s.profile_id = n.profile_id
     RETURNING s.profile_id, s.version
        """,
        ids=ids,
        changes=[by[one] for one in ids],
    )
    return {row.profile_id: row.version for row in rows}
