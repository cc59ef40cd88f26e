"""SQL on what customers have in programmes besides the default one, and what that follows from."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from services.segment.domain.programmes.tier_standing import QualifyingOrder, TierOverride
from shared.contracts.orders import Order
from shared.database.database import Work
from shared.database.rows import arrays, columns, rows_as, upsert

_decode_order = msgspec.json.Decoder(Order).decode


class StoredTier(msgspec.Struct, kw_only=True):
    """A customer's tier in a programme: its key, the version it goes by, and the fields of `TierStanding`."""

    profile_id: UUID
    programme: str
    programme_version: int
    tier: str
    figure: int
    reason: str
    since: datetime | None
    by_hand: bool
    downgrade_at: datetime | None
    downgrade_to: str | None
    warned: bool
    due_at: datetime | None


class StoredOverride(msgspec.Struct, kw_only=True):
    """A tier that was given by hand, and by whom."""

    profile_id: UUID
    programme: str
    tier: str
    mode: str
    reason: str
    author: str
    set_at: datetime
    expires_at: datetime | None

    @property
    def override(self) -> TierOverride:
        """What it means for the tier."""
        return TierOverride(
            tier=self.tier,
            set_at=self.set_at,
            expires_at=self.expires_at,
            mode="exactly" if self.mode == "exactly" else "at_least",
        )


async def orders(work: Work, profile_ids: Iterable[UUID], *, margins: bool) -> dict[UUID, list[QualifyingOrder]]:
    """Returns the orders that count of these customers. `margins`: what is above their costs, too, which costs time."""
    facts = ", CAST(facts AS text) AS facts" if margins else ""
    rows = await work.rows(
        f"""
        SELECT profile_id, placed_at, currency, net_minor{facts}
          FROM orders
         WHERE counts AND profile_id = ANY(CAST(:ids AS uuid[]))
         ORDER BY profile_id, placed_at
        """,
        ids=sorted(set(profile_ids)),
    )
    found: dict[UUID, list[QualifyingOrder]] = {}
    for row in rows:
        margin = _decode_order(row.facts).margin_minor if margins else None
        found.setdefault(row.profile_id, []).append(QualifyingOrder(row.placed_at, row.net_minor, row.currency, margin))
    return found


async def buyers(work: Work, after: UUID, *, limit: int) -> list[UUID]:
    """Returns the next customers who have an order that counts, or a tier given by hand, by id."""
    rows = await work.rows(
        """
        SELECT s.profile_id
          FROM standings s
         WHERE s.profile_id > :after
           AND (
               EXISTS (SELECT 1 FROM orders o WHERE o.profile_id = s.profile_id AND o.counts)
               OR EXISTS (SELECT 1 FROM tier_overrides g WHERE g.profile_id = s.profile_id)
               OR EXISTS (SELECT 1 FROM profile_aliases a JOIN tier_overrides g USING (profile_id)
                           WHERE a.canonical_id = s.profile_id)
               )
         ORDER BY s.profile_id
         LIMIT :limit
        """,
        after=after,
        limit=limit,
    )
    return [row.profile_id for row in rows]


async def customers(work: Work) -> int:
    """Returns how many customers there are."""
    row = await work.row("SELECT count(*) AS customers FROM standings")
    return 0 if row is None else int(row.customers)


async def overrides(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, dict[str, StoredOverride]]:
    """Returns, by customer and programme, the tiers given by hand under any id that means the customer.

    Of two in one programme the one that was given last counts.
    """
    ids = sorted(set(profile_ids))
    rows = await work.rows(
        f"""
        SELECT o.profile_id AS customer, {columns(StoredOverride, "o")}
          FROM tier_overrides o
         WHERE o.profile_id = ANY(CAST(:ids AS uuid[]))
         UNION ALL
        SELECT a.canonical_id AS customer, {columns(StoredOverride, "o")}
          FROM tier_overrides o
          JOIN profile_aliases a USING (profile_id)
         WHERE a.canonical_id = ANY(CAST(:ids AS uuid[]))
         ORDER BY set_at, profile_id
        """,
        ids=ids,
    )
    found: dict[UUID, dict[str, StoredOverride]] = {}
    for row in rows:
        fields = dict(row._mapping)
        customer = fields.pop("customer")
        found.setdefault(customer, {})[row.programme] = StoredOverride(**fields)
    return found


async def save_override(work: Work, one: StoredOverride) -> None:
    """Stores a tier given by hand in the place of the one before."""
    await work.run(
        upsert("tier_overrides", StoredOverride, key=("profile_id", "programme")), **arrays([one], StoredOverride)
    )


async def remove_overrides(work: Work, names: Sequence[UUID], programme: str) -> int:
    """Takes back what was given in a programme under any of these ids. Returns how many there were."""
    return await work.run(
        "DELETE FROM tier_overrides WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND programme = :programme",
        ids=list(names),
        programme=programme,
    )


async def tiers(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, dict[str, StoredTier]]:
    """Returns what these customers have in programmes besides the default one, by customer and programme."""
    rows = await rows_as(
        work,
        StoredTier,
        f"SELECT {columns(StoredTier)} FROM programme_standings WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=sorted(set(profile_ids)),
    )
    found: dict[UUID, dict[str, StoredTier]] = {}
    for one in rows:
        found.setdefault(one.profile_id, {})[one.programme] = one
    return found


async def save_tiers(work: Work, found: Mapping[tuple[UUID, str], StoredTier]) -> None:
    """Stores what locked customers have in programmes besides the default one."""
    rows = [one for _, one in sorted(found.items(), key=lambda item: item[0])]
    if rows:
        await work.run(
            upsert("programme_standings", StoredTier, key=("profile_id", "programme"), only_changed=True),
            **arrays(rows, StoredTier),
        )


async def drop_tiers(work: Work, keys: Iterable[tuple[UUID, str]]) -> None:
    """Takes away rows that say no more than that there is none."""
    rows = sorted(keys)
    if rows:
        await work.run(
            """
            DELETE FROM programme_standings s
             USING unnest(CAST(:ids AS uuid[]), CAST(:programmes AS text[])) AS n(profile_id, programme)
             WHERE s.profile_id = n.profile_id AND s.programme = n.programme
            """,
            ids=[profile_id for profile_id, _ in rows],
            programmes=[programme for _, programme in rows],
        )


async def remove(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Takes away the rows of merged customers."""
    await work.run(
        "DELETE FROM programme_standings WHERE profile_id = ANY(CAST(:ids AS uuid[]))", ids=sorted(set(profile_ids))
    )


async def counts(work: Work, programme: str) -> dict[str, int]:
    """Returns how many customers have each tier of a programme besides the default one, as far as they have rows."""
    rows = await work.rows(
        "SELECT tier, count(*) AS customers FROM programme_standings WHERE programme = :programme GROUP BY tier",
        programme=programme,
    )
    return {row.tier: row.customers for row in rows}
