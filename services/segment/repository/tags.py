"""SQL on tags: what they are defined to be, who has them, and where that is otherwise than a rule says."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from services.segment.domain.tags import RuleState
from shared.contracts.envelope import Stamp
from shared.database.database import Work
from shared.database.rows import Json, arrays, columns, row_as, rows_as, upsert

RULES_LOCK: Final = 0x5461_6773  # any number that nobody else locks

_stamp: Final = msgspec.json.Decoder(Stamp).decode

# Whether a customer has a tag now. `t` is a row of `customer_tags`.
_HAS: Final = "t.set AND (t.expires_at IS NULL OR t.expires_at > :now)"


class TagRow(msgspec.Struct, kw_only=True):
    """A tag's definition, as stored."""

    name: str
    kind: str
    owner: str
    description: str
    segment_id: str | None
    revision: int
    changed_at: datetime
    author: str
    backfilled_to: UUID | None = None
    backfilled_at: datetime | None = None


class CountRow(msgspec.Struct, kw_only=True):
    """How many customers have a tag now."""

    name: str
    customers: int


class CustomerTagRow(msgspec.Struct, kw_only=True):
    """A tag that a customer has. `kind` is None of a tag that nobody defined."""

    tag: str
    kind: str | None
    expires_at: datetime | None
    stamp: Json


class RuleRow(msgspec.Struct, kw_only=True):
    """A tag that the members of a segment have."""

    name: str
    segment_id: str


async def one(work: Work, name: str, *, lock: bool = False) -> TagRow | None:
    """Returns a tag's definition, locked if asked."""
    return await row_as(
        work,
        TagRow,
        f"SELECT {columns(TagRow)} FROM tags WHERE name = :name{' FOR UPDATE' if lock else ''}",
        name=name,
    )


async def named(work: Work, names: Iterable[str]) -> dict[str, TagRow]:
    """Returns the definitions of these tags, by name."""
    rows = await rows_as(
        work,
        TagRow,
        f"SELECT {columns(TagRow)} FROM tags WHERE name = ANY(CAST(:names AS text[]))",
        names=sorted(set(names)),
    )
    return {row.name: row for row in rows}


async def page_of_names(work: Work, *, after: str | None, limit: int) -> list[str]:
    """Returns the next names after one of the tags that are defined or that a customer has, in order."""
    rows = await work.rows(
        f"""
        (SELECT name
           FROM tags
          WHERE CAST(:after AS text) IS NULL OR name > :after
          ORDER BY name
          LIMIT :limit)
          UNION
        (SELECT DISTINCT t.tag
           FROM customer_tags t
          WHERE {_HAS} AND (CAST(:after AS text) IS NULL OR t.tag > :after)
          ORDER BY t.tag
          LIMIT :limit)
          ORDER BY name
          LIMIT :limit
        """,
        after=after,
        limit=limit,
        now=work.now,
    )
    return [row.name for row in rows]


async def counts(work: Work, names: Iterable[str]) -> dict[str, int]:
    """Returns how many customers have each of these tags now; those that nobody has are left out."""
    rows = await rows_as(
        work,
        CountRow,
        f"""
        SELECT t.tag AS name, count(*) AS customers
          FROM customer_tags t
         WHERE t.tag = ANY(CAST(:names AS text[])) AND {_HAS}
         GROUP BY t.tag
        """,
        names=sorted(set(names)),
        now=work.now,
    )
    return {row.name: row.customers for row in rows}


async def add(work: Work, row: TagRow) -> bool:
    """Adds a definition. Returns whether the name was free."""
    names = TagRow.__struct_fields__
    added = await work.run(
        f"""
        INSERT INTO tags ({", ".join(names)})
        VALUES ({", ".join(f":{name}" for name in names)})
            ON CONFLICT (name) DO NOTHING
        """,
        **msgspec.structs.asdict(row),
    )
    return added > 0


async def save(work: Work, row: TagRow) -> None:
    """Stores a definition that was locked."""
    await work.run(upsert("tags", TagRow, key=("name",)), **arrays([row], TagRow))


async def remove(work: Work, name: str) -> None:
    """Deletes a definition."""
    await work.run("DELETE FROM tags WHERE name = :name", name=name)


async def of_customer(work: Work, profile_id: UUID) -> Sequence[CustomerTagRow]:
    """Returns the tags that a customer has now, by name."""
    return await rows_as(
        work,
        CustomerTagRow,
        f"""
        SELECT t.tag, d.kind, t.expires_at, CAST(t.stamp AS text) AS stamp
          FROM customer_tags t
          LEFT JOIN tags d ON d.name = t.tag
         WHERE t.profile_id = :id AND {_HAS}
         ORDER BY t.tag
        """,
        id=profile_id,
        now=work.now,
    )


# Tags by rule


async def lock_rules(work: Work, *, shared: bool = False) -> None:
    """Makes who changes a rule wait for all who follow rules, and the other way round, until the transaction ends.

    So nobody who turned a membership by the rules of before commits after the new rule has been followed for all. Who
    follows rules (`shared`) has locked the customers before.
    """
    kind = "_shared" if shared else ""
    # Of this schema: a rebuild in its own must not hold up the running service, nor wait for it.
    await work.run(
        f"SELECT pg_advisory_xact_lock{kind}(CAST(:lock AS int), hashtext(current_schema()))", lock=RULES_LOCK
    )


async def rules(work: Work) -> Sequence[RuleRow]:
    """Returns all tags by rule, by name."""
    return await rows_as(
        work, RuleRow, "SELECT name, segment_id FROM tags WHERE kind = 'rule' AND segment_id IS NOT NULL ORDER BY name"
    )


async def states(work: Work, places: Sequence[tuple[UUID, str]]) -> list[RuleState]:
    """Returns, of these customers and segments, how the tags by rule of the segments stand."""
    rows = await work.rows(
        """
        SELECT a.profile_id, r.name AS tag, a.segment_id, coalesce(m.member, false) AS member,
               coalesce(t.set, false) AS has, t.expires_at, CAST(t.stamp AS text) AS stamp
          FROM unnest(CAST(:ids AS uuid[]), CAST(:segments AS text[])) AS a(profile_id, segment_id)
          JOIN tags r ON r.kind = 'rule' AND r.segment_id = a.segment_id
          LEFT JOIN memberships m ON m.profile_id = a.profile_id AND m.segment_id = a.segment_id
          LEFT JOIN customer_tags t ON t.profile_id = a.profile_id AND t.tag = r.name
         ORDER BY a.profile_id, r.name
        """,
        ids=[profile_id for profile_id, _ in places],
        segments=[segment_id for _, segment_id in places],
    )
    return [RuleState(**{**row._mapping, "stamp": None if row.stamp is None else _stamp(row.stamp)}) for row in rows]


async def next_to_follow(work: Work) -> TagRow | None:
    """Returns the tag whose rule has been waiting longest to be followed for all, if there is one."""
    return await row_as(
        work,
        TagRow,
        f"""
        SELECT {columns(TagRow)}
          FROM tags
         WHERE kind = 'rule' AND backfilled_at IS NULL
         ORDER BY changed_at, name
         LIMIT 1
        """,
    )


async def lock_concerned(work: Work, rule: TagRow, *, limit: int) -> list[UUID]:
    """Locks the next customers whom a rule concerns: those who have the tag, and the segment's members."""
    rows = await work.rows(
        """
        SELECT s.profile_id
          FROM standings s
         WHERE s.profile_id IN (
               (SELECT m.profile_id
                  FROM memberships m
                 WHERE m.segment_id = :segment AND m.member
                   AND (CAST(:after AS uuid) IS NULL OR m.profile_id > :after)
                 ORDER BY m.profile_id
                 LIMIT :limit)
                 UNION
               (SELECT t.profile_id
                  FROM customer_tags t
                 WHERE t.tag = :tag AND t.set AND (CAST(:after AS uuid) IS NULL OR t.profile_id > :after)
                 ORDER BY t.profile_id
                 LIMIT :limit))
         ORDER BY s.profile_id
         LIMIT :limit
           FOR UPDATE
        """,
        segment=rule.segment_id,
        tag=rule.name,
        after=rule.backfilled_to,
        limit=limit,
    )
    return [row.profile_id for row in rows]


async def advance(work: Work, rule: TagRow, *, upto: UUID | None, done: bool) -> None:
    """Notes how far a rule was followed, unless it was changed meanwhile."""
    await work.run(
        """
        UPDATE tags
           SET backfilled_to = coalesce(:upto, backfilled_to),
               backfilled_at = CASE WHEN :done THEN CAST(:now AS timestamptz) END
         WHERE name = :name AND revision = :revision
        """,
        name=rule.name,
        revision=rule.revision,
        upto=upto,
        done=done,
        now=work.now,
    )
