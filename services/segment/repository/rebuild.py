"""SQL of a rebuild: `rebuild` is the schema that shared.rebuild fills, `public` what the service holds."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from services.segment.domain.standing import Standing
from services.segment.repository.standings import Stored
from shared.database.database import Work
from shared.database.rows import columns, rows_as

# What readers know of a customer: what the service holds, unless it has published something newer.
_KNOWN = """
        SELECT s.profile_id,
               coalesce(greatest(l.version, t.version), 0) AS version,
               CASE WHEN t.version > coalesce(l.version, -1) THEN coalesce(t.tier, l.tier) ELSE l.tier END AS tier,
               CASE WHEN t.version > coalesce(l.version, -1) THEN coalesce(t.stage, l.stage) ELSE l.stage END AS stage
          FROM rebuild.standings s
          LEFT JOIN public.standings l USING (profile_id)
          LEFT JOIN (
               SELECT profile_id,
                      max(version) AS version,
                      max(value) FILTER (WHERE kind = 'tier') AS tier,
                      max(value) FILTER (WHERE kind = 'stage') AS stage
                 FROM rebuild.published
                GROUP BY profile_id
               ) t USING (profile_id)
"""


class TierDisagreement(msgspec.Struct, kw_only=True):
    """What a customer has in a programme besides the default one, and what readers know; None is the lowest tier."""

    profile_id: UUID
    programme: str
    version: int
    known: str | None
    tier: str | None
    reason: str | None

    def row(self, version: int) -> Stored:
        """Returns a row that counts on from this version."""
        return Stored(profile_id=self.profile_id, version=version, tier="", stage="", due_at=None)


async def make_published(work: Work) -> None:
    """Makes the table of what was published to readers last."""
    await work.run(
        """
        CREATE UNLOGGED TABLE rebuild.published (
            profile_id uuid,
            kind text,
            version bigint NOT NULL,
            value text NOT NULL,
            PRIMARY KEY (profile_id, kind)
        )
        """
    )


async def note_published(work: Work, published: Mapping[tuple[UUID, str], tuple[int, str]]) -> None:
    """Keeps, by (profile, kind), each (version, value) that is newer than what is here."""
    rows = sorted(published.items())
    await work.run(
        """
        INSERT INTO rebuild.published AS p (profile_id, kind, version, value)
        SELECT *
          FROM unnest(
               CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:versions AS bigint[]), CAST(:values AS text[])
               )
            ON CONFLICT (profile_id, kind)
            DO UPDATE SET version = excluded.version, value = excluded.value
         WHERE p.version < excluded.version
        """,
        ids=[profile_id for (profile_id, _), _ in rows],
        kinds=[kind for (_, kind), _ in rows],
        versions=[version for _, (version, _) in rows],
        values=[value for _, (_, value) in rows],
    )


async def moments(work: Work, after: UUID, *, limit: int) -> dict[UUID, datetime]:
    """Returns when the service looked at the next customers after an id, where the shadow has another time."""
    rows = await work.rows(
        """
        SELECT s.profile_id, l.evaluated_at
          FROM rebuild.standings s
          JOIN public.standings l USING (profile_id)
         WHERE s.profile_id > :after AND l.evaluated_at IS NOT NULL AND s.evaluated_at IS DISTINCT FROM l.evaluated_at
         ORDER BY s.profile_id
         LIMIT :limit
        """,
        after=after,
        limit=limit,
    )
    return {row.profile_id: row.evaluated_at for row in rows}


async def adopt_known_versions(work: Work) -> None:
    """Gives the shadow the highest version that readers may know of each customer."""
    await work.run(
        f"""
        UPDATE rebuild.standings s SET version = k.version
          FROM ({_KNOWN}) k
         WHERE k.profile_id = s.profile_id AND s.version <> k.version
        """
    )


async def disagreements(work: Work, *, tier: str, stage: str) -> list[tuple[Stored, Standing]]:
    """Returns what readers know, and how it is, where that differs.

    Readers who know nothing assume `tier` and `stage`.
    """
    rows = await work.rows(
        f"""
        SELECT s.profile_id, s.version, coalesce(k.tier, :tier) AS known_tier,
               coalesce(k.stage, :stage) AS known_stage, {columns(Standing, "s")}
          FROM rebuild.standings s
          JOIN ({_KNOWN}) k USING (profile_id)
         WHERE s.tier <> coalesce(k.tier, :tier) OR s.stage <> coalesce(k.stage, :stage)
         ORDER BY s.profile_id
        """,
        tier=tier,
        stage=stage,
    )
    return [
        (
            Stored(
                profile_id=one.profile_id, version=one.version, tier=one.known_tier, stage=one.known_stage, due_at=None
            ),
            Standing(**{name: one._mapping[name] for name in Standing.__struct_fields__}),
        )
        for one in rows
    ]


async def tier_disagreements(work: Work) -> list[TierDisagreement]:
    """Returns where the shadow has another tier than the service in a programme besides the default one."""
    return await rows_as(
        work,
        TierDisagreement,
        """
        SELECT profile_id, programme, c.version, l.tier AS known, s.tier, s.reason
          FROM rebuild.programme_standings s
          FULL JOIN public.programme_standings l USING (profile_id, programme)
          JOIN rebuild.standings c USING (profile_id)
         WHERE s.tier IS DISTINCT FROM l.tier
         ORDER BY profile_id, programme
        """,
    )


async def raise_versions(work: Work, versions: Mapping[UUID, int]) -> None:
    """Stores the versions under which the shadow's standings are published."""
    await work.run(
        """
        UPDATE rebuild.standings s SET version = n.version
          FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS bigint[])) AS n(profile_id, version)
         WHERE s.profile_id = n.profile_id
        """,
        ids=list(versions),
        versions=list(versions.values()),
    )
