"""Orders come in, time passes, profiles merge; standings follow."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, Literal
from uuid import UUID

import msgspec

from services.segment.domain import lifecycle
from services.segment.domain.causes import became_true, causes_of, order_placed_by
from services.segment.domain.lifecycle import Rhythm, Thresholds
from services.segment.domain.rfm import GROUPS
from services.segment.domain.standing import Policy, Stage, Standing
from services.segment.repository import policies
from services.segment.repository import standings as repository
from services.segment.repository.standings import Filter as Filter
from services.segment.repository.standings import Stored, StoredCustomer, StoredStanding
from services.segment.service.measures import Measures, measures_in_force
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
    """Why a standing is looked at: an event, or none of a customer's, with an id of its own.

    That is a due instant (`by_time`), or that the shop's rhythm has become another one (`redefined`).
    """

    event_id: UUID
    by_time: bool = False
    redefined: bool = False
    occurred_at: datetime
    received_at: datetime
    historical: bool = False
    depth: int = 0
    traceparent: str | None = None
    order_id: str | None = None

    @property
    def kind(self) -> Literal["event", "time", "redefined"]:
        """Returns what readers are told."""
        return "redefined" if self.redefined else "time" if self.by_time else "event"


async def fold_orders(work: Work, events: Sequence[Event]) -> None:
    """Folds facts about orders into them and looks at their customers again."""
    for event in events:
        if event.profile_id is None:
            raise Refused("profile_id: missing on an event that a profile owns")
    await aliases.lock_merges(work, shared=True)
    measures = await measures_in_force(work)
    canonical, stored = await _lock(work, measures.policy, {event.profile_id for event in events if event.profile_id})
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
        return
    known = await order_rows.orders(work, changed)
    await repository.save_orders(
        work, {key: orders.merge(known.get(key, Order()), one) for key, one in changed.items()}
    )
    causes = causes_of(folded, known)
    await _look_again(work, measures, {profile_id: stored[profile_id] for profile_id in causes}, causes)


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


async def follow(work: Work, events: Sequence[Event]) -> None:
    """Gives new customers the standing of a prospect, and the survivor of a merge the loser's orders.

    Both by one function, so that a batch takes its locks in one go: the merges' own, then rows in sorted order.
    """
    merges = [event for event in events if isinstance(event.body, ProfileMerged)]
    met = {event.body.profile_id for event in events if isinstance(event.body, ProfileChanged)}
    await aliases.lock_merges(work, shared=not merges)
    if merges:
        await _follow_merges(work, await measures_in_force(work), merges, met)
        return
    policy = await policies.in_force(work)
    canonical = await aliases.canonical(work, met)
    await repository.add_customers(work, canonical.values(), tier=policy.tiers[0].name, stage=Stage.PROSPECT)


async def _follow_merges(work: Work, measures: Measures, merges: Sequence[Event], met: Iterable[UUID]) -> None:
    """A batch's merges at once: what stood under a name that is gone goes to the customer who stands for it.

    Whom else the batch met is made and locked with them.
    """
    bodies = [(event, event.body) for event in merges if isinstance(event.body, ProfileMerged)]
    canonical, stored = await _lock(
        work, measures.policy, {*met, *(one for _, body in bodies for one in (body.loser, body.survivor))}
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
    await _look_again(work, measures, {root: stored[root] for root in causes}, causes)


async def flip_due(work: Work, now: datetime) -> int:
    """Looks at customers whose due time has come, at each of their due instants up to `now`; how many there were.

    A change carries the instant at which it became true, not the moment at which it was noticed.
    """
    await aliases.lock_merges(work, shared=True)
    stored = await repository.claim_due(work, now, limit=DUE_BATCH)
    if stored:
        await advance(work, await measures_in_force(work), stored, now)
        work.afterwards.append(partial(metrics.due.inc, len(stored)))
    return len(stored)


async def advance(work: Work, measures: Measures, stored: Mapping[UUID, Stored], now: datetime) -> None:
    """Brings locked customers up to `now`, and to the shop's rhythm in force, and publishes what changes."""
    bought = await repository.purchases(work, stored, currency=measures.policy.currency)
    results: dict[UUID, tuple[int, Standing, datetime]] = {}
    published: list[tuple[bytes, Event]] = []
    for profile_id, row in stored.items():
        purchases = bought.get(profile_id, [])
        rhythm_days = measures.rhythm_of(row)
        while (cause := _next(measures, row, rhythm_days, now)) is not None:
            if cause.redefined:
                rhythm_days = measures.rhythm_days
            standing = measures.standing(purchases, cause.occurred_at, rhythm_days)
            published += changes(measures.policy, row, standing, cause)
            row.due_at = standing.due_at
            results[profile_id] = (row.version, standing, now)
    await repository.save(work, results)
    await work.outbox.add(topics.SEGMENTS, published)


async def evaluate_again(work: Work, measures: Measures, stored: Mapping[UUID, Stored]) -> None:
    """Evaluates locked customers as of when they were evaluated last, and publishes what is another now."""
    bought = await repository.purchases(work, stored, currency=measures.policy.currency)
    results: dict[UUID, tuple[int, Standing, datetime]] = {}
    published: list[tuple[bytes, Event]] = []
    for profile_id, row in stored.items():
        at = row.evaluated_at or work.now
        standing = measures.standing(bought.get(profile_id, []), at, measures.rhythm_of(row))
        again = derived_id(profile_id, "again", at.isoformat(), 1)
        cause = Cause(event_id=again, redefined=True, occurred_at=at, received_at=work.now)
        published += changes(measures.policy, row, standing, cause)
        results[profile_id] = (row.version, standing, at)
    await repository.save(work, results)
    await work.outbox.add(topics.SEGMENTS, published)


def _next(measures: Measures, row: Stored, rhythm_days: int | None, now: datetime) -> Cause | None:
    """What passing time brings a customer next: a due instant, or the shop's new rhythm as of when it is in force."""
    due_at = row.due_at if row.due_at is not None and row.due_at <= now else None
    if rhythm_days != measures.rhythm_days:
        redefined = _redefined(measures, row, now)
        if due_at is None or redefined.occurred_at <= due_at:
            return redefined
    if due_at is None:
        return None
    return Cause(
        event_id=derived_id(row.profile_id, "due", due_at.isoformat(), 1),
        by_time=True,
        occurred_at=due_at,
        received_at=now,
    )


def _redefined(measures: Measures, row: Stored, now: datetime) -> Cause:
    """The cause of what the shop's new rhythm changes; not before the customer was looked at last."""
    since = measures.cuts.rhythm_since if measures.cuts else None
    at = max(since or now, row.evaluated_at or since or now)
    return Cause(
        event_id=derived_id(row.profile_id, "rhythm", (since or now).isoformat(), 1),
        redefined=True,
        occurred_at=min(at, now),
        received_at=now,
    )


class ShownStanding(msgspec.Struct, frozen=True):
    """Where a customer stands, by a policy's currency, and what is in others and not counted, in minor units.

    `thresholds` are the days of silence that count for this customer.
    """

    stored: StoredStanding
    currency: str
    not_counted_minor: Mapping[str, int]
    thresholds: Thresholds


async def standing(work: Work, profile_id: UUID) -> ShownStanding:
    """Returns where a customer stands; a merged id still works. Raises `UnknownCustomer`."""
    root = (await aliases.canonical(work, [profile_id]))[profile_id]
    found = await repository.standing(work, root)
    if found is None:
        raise UnknownCustomer(f"no customer {profile_id}")
    policy = await policies.in_force(work)
    others = await repository.other_currencies(work, root, currency=policy.currency)
    own = Rhythm(found.rhythm_days, found.rhythm_pauses)
    return ShownStanding(
        found, policy.currency, others, lifecycle.thresholds(policy.thresholds, own, found.shop_rhythm_days)
    )


async def customers(work: Work, chosen: Filter, *, after: UUID | None, limit: int) -> Sequence[StoredCustomer]:
    """Returns a page of customers who stand there, by id. Raises `Invalid` for a tier or a group that there is not."""
    tiers = [one.name for one in (await policies.in_force(work)).tiers]
    groups = [one.name for one in GROUPS]
    for kind, name, names in (("tier", chosen.tier, tiers), ("rfm_group", chosen.rfm_group, groups)):
        if name is not None and name not in names:
            raise Invalid(f"{kind}: there is no {name}; there are {', '.join(names)}")
    return await repository.customers(work, chosen, after=after, limit=limit)


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


async def _look_again(
    work: Work, measures: Measures, stored: Mapping[UUID, Stored], causes: Mapping[UUID, Event]
) -> None:
    bought = await repository.purchases(work, stored, currency=measures.policy.currency)
    results: dict[UUID, tuple[int, Standing, datetime]] = {}
    published: list[tuple[bytes, Event]] = []
    for profile_id, row in stored.items():
        event, purchases = causes[profile_id], bought.get(profile_id, [])
        cause = Cause(
            event_id=event.event_id,
            occurred_at=became_true(event, purchases),
            received_at=event.received_at,
            historical=event.historical,
            depth=event.depth,
            traceparent=event.traceparent,
            order_id=order_placed_by(event),
        )
        # What the event does is told by the rhythm of before, so that the rest is what the new one does.
        rhythm_days = measures.rhythm_of(row)
        standing = measures.standing(purchases, work.now, rhythm_days)
        published += changes(measures.policy, row, standing, cause)
        if rhythm_days != measures.rhythm_days:
            standing = measures.standing(purchases, work.now, measures.rhythm_days)
            published += changes(measures.policy, row, standing, _redefined(measures, row, work.now))
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
                cause=cause.kind,
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
                cause=cause.kind,
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
        cause_id=cause.event_id if cause.kind == "event" else None,
        depth=cause.depth,
        traceparent=cause.traceparent,
    )
