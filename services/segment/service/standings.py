"""Orders come in, time passes, profiles merge; standings follow."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import msgspec

from services.segment.domain import standing as domain
from services.segment.domain.causes import became_true, causes_of, order_placed_by
from services.segment.domain.standing import Policy, Stage, Standing
from services.segment.repository import policies
from services.segment.repository import standings as repository
from services.segment.repository.standings import Stored, StoredCustomer, StoredStanding
from shared.contracts import orders, topics
from shared.contracts.changes import OrderReassigned, ProfileChanged, ProfileMerged, StageChanged, TierChanged
from shared.contracts.envelope import Event, SourceKind, derived_id, dominant_cause, service_source
from shared.contracts.orders import Order
from shared.database import aliases, order_rows
from shared.database.database import Work
from shared.errors import Invalid, NotFound, Refused
from shared.service import metrics

SOURCE: Final = service_source("segment")
DUE_BATCH: Final = 500  # customers a transaction


class UnknownCustomer(NotFound):
    """There is no such customer."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why a standing is looked at: an event, or a due instant, which is no event and has an id of its own."""

    event_id: UUID
    by_time: bool = False
    occurred_at: datetime
    received_at: datetime
    historical: bool = False
    depth: int = 0
    traceparent: str | None = None
    order_id: str | None = None


async def fold_orders(work: Work, events: Sequence[Event]) -> Collection[tuple[UUID, str]]:
    """Folds facts about orders into them and looks at their customers again. Returns the orders that they are about."""
    for event in events:
        if event.profile_id is None:
            raise Refused("profile_id: missing on an event that a profile owns")
    await aliases.lock_merges(work, shared=True)
    policy = await policies.in_force(work)
    canonical, stored = await _lock(work, policy, {event.profile_id for event in events if event.profile_id})
    changed: dict[tuple[UUID, str], Order] = {}
    folded: list[tuple[tuple[UUID, str], Event]] = []
    for event in events:
        if event.profile_id is None:
            continue
        for order_key, order in _orders_in(event):
            key = (canonical[event.profile_id], order_key)
            changed[key] = orders.merge(changed.get(key, Order()), order)
            folded.append((key, event))
    if not changed:
        return ()
    known = await order_rows.orders(work, changed)
    await repository.save_orders(
        work, {key: orders.merge(known.get(key, Order()), one) for key, one in changed.items()}
    )
    causes = causes_of(folded, known)
    await _look_again(work, policy, {profile_id: stored[profile_id] for profile_id in causes}, causes)
    return changed.keys()


def _orders_in(event: Event) -> Iterator[tuple[str, Order]]:
    """What an event says of orders of the customer under whom it is published, by their keys."""
    body = event.body
    if isinstance(body, OrderReassigned):
        if event.profile_id == body.from_profile:
            yield body.from_order, body.mark
        if event.profile_id == body.to_profile:
            yield body.to_order, body.order
    elif (key := orders.order_key(event)) is not None and not event.unverified:
        yield key, orders.order_of(event)


async def follow(work: Work, events: Sequence[Event]) -> Mapping[UUID, UUID]:
    """Gives new customers the standing of a prospect, and the survivor of a merge the loser's orders.

    Returns the customers who are gone, and who stands for each.

    Both by one function, so that a batch takes its locks in one go: the merges' own, then rows in sorted order.
    """
    merges = [event for event in events if isinstance(event.body, ProfileMerged)]
    met = {event.body.profile_id for event in events if isinstance(event.body, ProfileChanged)}
    await aliases.lock_merges(work, shared=not merges)
    policy = await policies.in_force(work)
    if merges:
        return await _follow_merges(work, policy, merges, met)
    canonical = await aliases.canonical(work, met)
    await repository.add_customers(work, canonical.values(), tier=policy.tiers[0].name, stage=Stage.PROSPECT)
    await repository.lock(work, canonical.values())
    return {}


async def lock(work: Work, profile_ids: Iterable[UUID]) -> Mapping[UUID, UUID]:
    """Locks the customers that these ids mean, made if need be. Returns the canonical id of each.

    The first thing that a batch's transaction does with rows: see `_lock`.
    """
    await aliases.lock_merges(work, shared=True)
    canonical, _ = await _lock(work, await policies.in_force(work), profile_ids)
    return canonical


async def _follow_merges(
    work: Work, policy: Policy, merges: Sequence[Event], met: Iterable[UUID]
) -> Mapping[UUID, UUID]:
    """A batch's merges at once: what stood under a name that is gone goes to the customer who stands for it.

    Whom else the batch met is made and locked with them.
    """
    bodies = [(event, event.body) for event in merges if isinstance(event.body, ProfileMerged)]
    canonical, stored = await _lock(
        work, policy, {*met, *(one for _, body in bodies for one in (body.loser, body.survivor))}
    )
    gone = await aliases.note_merges(
        work, (aliases.Merge(body.loser, body.survivor, body.verified) for _, body in bodies)
    )
    await repository.remove(work, gone)
    moved: dict[tuple[UUID, str], Order] = {}
    for (profile_id, order_id), order in (await order_rows.delete_returning(work, gone)).items():
        key = (gone[profile_id], order_id)
        moved[key] = orders.merge(moved.get(key, Order()), order)
    if moved:
        known = await order_rows.orders(work, moved)
        merged = {key: orders.merge(known.get(key, Order()), one) for key, one in moved.items()}
        await repository.save_orders(work, merged)
    causes: dict[UUID, Event] = {}
    for event, body in bodies:
        root = gone.get(canonical[body.survivor], canonical[body.survivor])
        causes[root] = dominant_cause(causes.get(root), event)
    await _look_again(work, policy, {root: stored[root] for root in causes}, causes)
    return gone


async def flip_due(work: Work, now: datetime) -> int:
    """As `flip`. Returns how many customers there were."""
    return len(await flip(work, now))


async def flip(work: Work, now: datetime) -> Collection[UUID]:
    """Looks at customers whose due time has come, at each of their due instants up to `now`. Returns who they were.

    A change carries the instant at which it became true, not the moment at which it was noticed.
    """
    stored = await repository.claim_due(work, now, limit=DUE_BATCH)
    if not stored:
        return ()
    policy = await policies.in_force(work)
    bought = await repository.purchases(work, stored, currency=policy.currency)
    results: dict[UUID, tuple[int, Standing, datetime]] = {}
    published: list[tuple[bytes, Event]] = []
    for profile_id, row in stored.items():
        while row.due_at is not None and row.due_at <= now:
            instant = row.due_at
            standing = domain.standing(policy, bought.get(profile_id, []), instant)
            cause = Cause(
                event_id=derived_id(profile_id, "due", instant.isoformat(), 1),
                by_time=True,
                occurred_at=instant,
                received_at=now,
            )
            published += changes(policy, row, standing, cause)
            row.due_at = standing.due_at
            results[profile_id] = (row.version, standing, now)
    await repository.save(work, results)
    await work.outbox.add(topics.SEGMENTS, published)
    work.afterwards.append(partial(metrics.due.inc, len(stored)))
    return stored.keys()


class ShownStanding(msgspec.Struct, frozen=True):
    """Where a customer stands, by a policy's currency, and what is in others and not counted, in minor units."""

    stored: StoredStanding
    currency: str
    not_counted_minor: Mapping[str, int]


async def standing(work: Work, profile_id: UUID) -> ShownStanding:
    """Returns where a customer stands; a merged id still works. Raises `UnknownCustomer`."""
    root = (await aliases.canonical(work, [profile_id]))[profile_id]
    found = await repository.standing(work, root)
    if found is None:
        raise UnknownCustomer(f"no customer {profile_id}")
    currency = (await policies.in_force(work)).currency
    others = await repository.other_currencies(work, root, currency=currency)
    return ShownStanding(found, currency, others)


async def customers(
    work: Work, *, tier: str | None, stage: Stage | None, after: UUID | None, limit: int
) -> Sequence[StoredCustomer]:
    """Returns a page of customers who stand there, by id. Raises `Invalid` for a tier that the policy does not have."""
    names = [one.name for one in (await policies.in_force(work)).tiers]
    if tier is not None and tier not in names:
        raise Invalid(f"tier: there is no tier {tier}; the tiers are {', '.join(names)}")
    return await repository.customers(work, tier=tier, stage=stage, after=after, limit=limit)


async def counts(work: Work) -> tuple[Policy, Mapping[str, int], Mapping[str, int]]:
    """Returns the policy, and how many customers stand at each tier and each stage."""
    policy = await policies.in_force(work)
    tiers: Counter[str] = Counter({tier.name: 0 for tier in policy.tiers})
    stages: Counter[str] = Counter({stage.value: 0 for stage in Stage})
    for row in await repository.counts(work):
        tiers[row.tier] += row.customers
        stages[row.stage] += row.customers
    return policy, tiers, stages


async def _lock(
    work: Work, policy: Policy, profile_ids: Iterable[UUID]
) -> tuple[Mapping[UUID, UUID], dict[UUID, Stored]]:
    """Locks the customers that these ids mean, made if need be; returns the canonical id of each, and the rows.

    The caller holds the merges' lock, so that no id is renamed meanwhile. Each transaction calls this once before it
    holds any other row: rows are locked in one order, and two batches can wait for each other in no circle.
    """
    canonical = await aliases.canonical(work, profile_ids)
    await repository.add_customers(work, canonical.values(), tier=policy.tiers[0].name, stage=Stage.PROSPECT)
    return canonical, await repository.lock(work, canonical.values())


async def _look_again(work: Work, policy: Policy, stored: Mapping[UUID, Stored], causes: Mapping[UUID, Event]) -> None:
    bought = await repository.purchases(work, stored, currency=policy.currency)
    results: dict[UUID, tuple[int, Standing, datetime]] = {}
    published: list[tuple[bytes, Event]] = []
    for profile_id, row in stored.items():
        standing = domain.standing(policy, bought.get(profile_id, []), work.now)
        event = causes[profile_id]
        cause = Cause(
            event_id=event.event_id,
            occurred_at=became_true(event, bought.get(profile_id, [])),
            received_at=event.received_at,
            historical=event.historical,
            depth=event.depth,
            traceparent=event.traceparent,
            order_id=order_placed_by(event),
        )
        published += changes(policy, row, standing, cause)
        results[profile_id] = (row.version, standing, work.now)
    await repository.save(work, results)
    await work.outbox.add(topics.SEGMENTS, published)


def changes(policy: Policy, row: Stored, standing: Standing, cause: Cause) -> list[tuple[bytes, Event]]:
    """Returns what to publish about one customer, and moves the row's tier, stage and version along."""
    made: list[TierChanged | StageChanged] = []
    if standing.tier != row.tier:
        row.version += 1
        made.append(
            TierChanged(
                profile_id=row.profile_id,
                version=row.version,
                previous=row.tier,
                current=standing.tier,
                direction="up" if policy.rank(standing.tier) > policy.rank(row.tier) else "down",
                reason=standing.tier_reason,
                by_time=cause.by_time,
                order_id=cause.order_id,
            )
        )
        row.tier = standing.tier
    if standing.stage != row.stage:
        row.version += 1
        made.append(
            StageChanged(
                profile_id=row.profile_id,
                version=row.version,
                previous=row.stage,
                current=standing.stage,
                reason=standing.stage_reason,
                by_time=cause.by_time,
                order_id=cause.order_id,
            )
        )
        row.stage = standing.stage
    return [(row.profile_id.bytes, _event(change, cause)) for change in made]


def _event(change: TierChanged | StageChanged, cause: Cause) -> Event:
    return Event(
        event_id=derived_id(cause.event_id, type(change).__name__, str(change.profile_id), change.version),
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=cause.occurred_at,
        received_at=cause.received_at,
        historical=cause.historical,
        profile_id=change.profile_id,
        body=change,
        cause_id=None if cause.by_time else cause.event_id,
        depth=cause.depth,
        traceparent=cause.traceparent,
    )
