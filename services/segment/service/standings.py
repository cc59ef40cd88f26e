"""Orders come in, time passes, profiles merge; standings follow."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from services.segment.domain import lifecycle
from services.segment.domain.causes import became_true, causes_of
from services.segment.domain.lifecycle import Rhythm, Thresholds
from services.segment.domain.programmes.definition import DEFAULT, Programme
from services.segment.domain.rfm import GROUPS
from services.segment.domain.standing import Stage
from services.segment.repository import policies
from services.segment.repository import standings as repository
from services.segment.repository.programmes import customers as stored_tiers
from services.segment.repository.programmes import versions as programme_versions
from services.segment.repository.standings import Filter as Filter
from services.segment.repository.standings import Stored, StoredCustomer, StoredStanding
from services.segment.service.standing_changes import Cause, Looks
from shared.contracts import orders
from shared.contracts.changes import OrderReassigned, ProfileChanged, ProfileMerged
from shared.contracts.envelope import Event, derived_id, dominant_cause
from shared.contracts.orders import Order
from shared.database import aliases, order_rows
from shared.database.database import Work
from shared.errors import Invalid, NotFound, Refused
from shared.service import metrics

DUE_BATCH: Final = 500  # customers a transaction


class UnknownCustomer(NotFound):
    """There is no such customer."""


class Locked(NamedTuple):
    """Customers whose rows are locked: the canonical id of each id, the rows by these, and looks at nobody yet."""

    canonical: Mapping[UUID, UUID]
    stored: dict[UUID, Stored]
    looks: Looks


async def fold_orders(
    work: Work, events: Sequence[Event], locked: Locked | None = None
) -> Mapping[tuple[UUID, str], Order]:
    """Folds facts about orders into them and looks at their customers again.

    Locks the customers, unless they are. Returns the orders that the events are about, as they now are.
    """
    for event in events:
        if event.profile_id is None:
            raise Refused("profile_id: missing on an event that a profile owns")
    if locked is None:
        locked = await lock(work, {event.profile_id for event in events if event.profile_id})
    canonical, stored, looks = locked
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
        return {}
    await _catch_up(work, looks, [stored[profile_id] for profile_id in dict.fromkeys(key[0] for key in changed)])
    known = await order_rows.orders(work, changed)
    merged = {key: orders.merge(known.get(key, Order()), one) for key, one in changed.items()}
    await repository.save_orders(work, merged)
    causes = causes_of(folded, known)
    await _look_again(work, looks, {profile_id: stored[profile_id] for profile_id in causes}, causes)
    return merged


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
    looks = await Looks.begin(work, since=work.now)
    if merges:
        return await _follow_merges(work, looks, merges, met)
    canonical = await aliases.canonical(work, met)
    await _add(work, looks, canonical.values())
    await repository.lock(work, canonical.values())
    return {}


async def lock(work: Work, profile_ids: Iterable[UUID]) -> Locked:
    """Locks the customers that these ids mean, made if need be.

    The first thing that a batch's transaction does with rows: see `_lock`.
    """
    await aliases.lock_merges(work, shared=True)
    looks = await Looks.begin(work, since=work.now)
    return Locked(*await _lock(work, looks, profile_ids), looks)


async def _follow_merges(work: Work, looks: Looks, merges: Sequence[Event], met: Iterable[UUID]) -> Mapping[UUID, UUID]:
    """A batch's merges at once: what stood under a name that is gone goes to the customer who stands for it.

    Whom else the batch met is made and locked with them.
    """
    bodies = [(event, event.body) for event in merges if isinstance(event.body, ProfileMerged)]
    canonical, stored = await _lock(
        work, looks, {*met, *(one for _, body in bodies for one in (body.loser, body.survivor))}
    )
    gone = await aliases.note_merges(
        work, (aliases.Merge(body.loser, body.survivor, body.verified) for _, body in bodies)
    )
    await repository.remove(work, gone)
    await stored_tiers.remove(work, gone)
    causes: dict[UUID, Event] = {}
    for event, body in bodies:
        root = gone.get(canonical[body.survivor], canonical[body.survivor])
        causes[root] = dominant_cause(causes.get(root), event)
    await _catch_up(work, looks, [stored[root] for root in causes])
    moved: dict[tuple[UUID, str], Order] = {}
    for (profile_id, order_id), order in (await order_rows.delete_returning(work, gone)).items():
        key = (gone[profile_id], order_id)
        moved[key] = orders.merge(moved.get(key, Order()), order)
    if moved:
        known = await order_rows.orders(work, moved)
        merged = {key: orders.merge(known.get(key, Order()), one) for key, one in moved.items()}
        await repository.save_orders(work, merged)
    await _look_again(work, looks, {root: stored[root] for root in causes}, causes)
    return gone


async def flip_due(work: Work, now: datetime) -> int:
    """As `flip`. Returns how many customers there were."""
    return len(await flip(work, now))


async def flip(work: Work, now: datetime) -> Collection[UUID]:
    """Looks at customers whose due time has come, at each of their due instants up to `now`. Returns them.

    A change carries the instant at which it became true, not the moment at which it was noticed.
    """
    await aliases.lock_merges(work, shared=True)
    stored = await repository.claim_due(work, now, limit=DUE_BATCH)
    if stored:
        await advance(work, stored, now)
        work.afterwards.append(partial(metrics.due.inc, len(stored)))
    return stored.keys()


async def advance(work: Work, stored: Mapping[UUID, Stored], now: datetime) -> int:
    """Brings locked customers up to `now`, and to the definitions and the shop's rhythm in force.

    Publishes what changes. Returns for how many that is so because of another definition or rhythm.
    """
    looks = await Looks.begin(work, since=min((row.due_at or now for row in stored.values()), default=now))
    await looks.load(work, list(stored))
    redefined = sum([looks.advance(row, now) for row in stored.values()])
    await looks.save(work)
    return redefined


async def look(work: Work, locked: Locked, causes: Mapping[UUID, Cause]) -> None:
    """Looks at locked customers, each for a cause, and publishes what changes."""
    await locked.looks.load(work, list(causes))
    for profile_id, cause in causes.items():
        locked.looks.look_for_event(locked.stored[profile_id], work.now, cause)
    await locked.looks.save(work)


async def evaluate_again(work: Work, stored: Mapping[UUID, Stored]) -> None:
    """Evaluates locked customers as of when they were evaluated last, and publishes what is another now."""
    moments = {one: row.evaluated_at or work.now for one, row in stored.items()}
    looks = await Looks.begin(work, since=min(moments.values(), default=work.now))
    await looks.load(work, list(stored))
    for profile_id, row in stored.items():
        at = moments[profile_id]
        again = derived_id(profile_id, "again", at.isoformat(), 1)
        looks.look(row, at, Cause(event_id=again, kind="redefined", occurred_at=at, received_at=work.now))
    await looks.save(work)


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
    tiers = [one.name for one in (await _default(work)).tiers]
    if chosen.tier is not None and chosen.tier not in tiers:
        raise Invalid(f"tier: there is no tier {chosen.tier}; the tiers are {', '.join(tiers)}")
    groups = [one.name for one in GROUPS]
    if chosen.rfm_group is not None and chosen.rfm_group not in groups:
        raise Invalid(f"rfm_group: there is no {chosen.rfm_group}; there are {', '.join(groups)}")
    return await repository.customers(work, chosen, after=after, limit=limit)


async def counts(work: Work) -> tuple[Programme, Mapping[str, int], Mapping[str, int]]:
    """Returns the programme of the tiers, and how many customers stand at each tier and each stage."""
    programme = await _default(work)
    tiers: Counter[str] = Counter({tier.name: 0 for tier in programme.tiers})
    stages: Counter[str] = Counter({stage.value: 0 for stage in Stage})
    for row in await repository.counts(work):
        tiers[row.tier] += row.customers
        stages[row.stage] += row.customers
    return programme, tiers, stages


async def _default(work: Work) -> Programme:
    """The programme whose tiers are the customers' tiers."""
    return (await programme_versions.in_force(work, since=work.now)).default(work.now)


async def _lock(
    work: Work, looks: Looks, profile_ids: Iterable[UUID]
) -> tuple[Mapping[UUID, UUID], dict[UUID, Stored]]:
    """Locks the customers that these ids mean, made if need be; returns the canonical id of each, and the rows.

    The caller holds the merges' lock, so that no id is renamed meanwhile. Each transaction calls this once before it
    holds any other row: rows are locked in one order, and two batches can wait for each other in no circle.
    """
    canonical = await aliases.canonical(work, profile_ids)
    await _add(work, looks, canonical.values())
    return canonical, await repository.lock(work, canonical.values())


async def _add(work: Work, looks: Looks, profile_ids: Iterable[UUID]) -> None:
    default = looks.programmes.at(work.now)[DEFAULT]
    await repository.add_customers(
        work, profile_ids, tier=default.programme.lowest, tier_version=default.version, stage=Stage.PROSPECT
    )


async def _look_again(work: Work, looks: Looks, stored: Mapping[UUID, Stored], causes: Mapping[UUID, Event]) -> None:
    await looks.load(work, list(stored))
    for profile_id, row in stored.items():
        event = causes[profile_id]
        cause = Cause.of_event(event, occurred_at=became_true(event, looks.orders.get(profile_id, [])))
        looks.look_for_event(row, work.now, cause)
    await looks.save(work)


async def _catch_up(work: Work, looks: Looks, rows: Sequence[Stored]) -> None:
    """Looks at locked customers by definitions that took effect since, before anything new is known of them.

    So what an event changes is told apart from what was redefined, whoever comes first: a batch or the roll-out.
    """
    if looks.programmes.rolling_out:
        await looks.load(work, [row.profile_id for row in rows])
        for row in rows:
            looks.catch_up(row, work.now)
