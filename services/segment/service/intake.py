"""What profile publishes comes in: facts of customers, how customers now are, and merges; everything else follows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from msgspec import structs

from services.segment.domain.belongings import rank
from services.segment.domain.conditions.customer import ORDERS
from services.segment.domain.history import compact, event_name, order_event_id, order_properties
from services.segment.domain.known import differences, fields
from services.segment.repository import belongings, customers, history, rereads
from services.segment.repository import memberships as membership_rows
from services.segment.repository.belongings import LISTS, TAGS, Statement
from services.segment.repository.customers import CustomerRow
from services.segment.repository.history import HistoryRow
from services.segment.service import memberships, rates, standings, tag_rules
from services.segment.service.erasing import erase
from services.segment.service.splitting import part
from services.segment.service.standing_changes import Cause
from shared.contracts.changes import OrderReassigned, ProfileChanged, ProfileErased, ProfileMerged, ProfileSplit
from shared.contracts.envelope import Event, dominant_cause
from shared.contracts.events import (
    FACTS,
    ListMemberAdded,
    ListMemberRemoved,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    TagCleared,
    TagSet,
)
from shared.contracts.orders import Order
from shared.contracts.reference import RatesPublished
from shared.database import aliases, erasures, order_rows
from shared.database.database import Work
from shared.database.rows import Json
from shared.errors import Refused
from shared.kafka.consumer.batch import Handlers

ORDER_EVENTS: Final = (OrderPlaced, OrderCancelled, OrderRefunded, OrderReassigned)
"""What changes the row of an order."""
_BELONGINGS: Final = (TagSet, TagCleared, ListMemberAdded, ListMemberRemoved)
_STANDING: Final = ("tier", "stage", "score")


class Touched(NamedTuple):
    """Which facts of which customers changed, as definitions name them, and by which cause."""

    keys: Mapping[UUID, set[str]]
    causes: Mapping[UUID, Cause]


async def fold(work: Work, events: Sequence[Event]) -> None:
    """Takes in facts about customers: orders, histories, tags and lists; then standings and memberships follow."""
    events = await erasures.without(work, events)
    if events:
        await memberships.look_again(work, *await fold_facts(work, events))
        await tag_rules.follow_events(work, events)


async def follow(work: Work, events: Sequence[Event]) -> None:
    """Takes in how customers now are, and merges; the survivor gets all that was the loser's. Memberships follow."""
    events = await erasures.without(work, events)
    if events:
        await memberships.look_again(work, *await follow_profiles(work, events))
        await tag_rules.follow_events(work, events)


async def fold_facts(work: Work, events: Sequence[Event]) -> Touched:
    """Takes in facts about customers who were not erased, without a look at memberships. Returns what to look at."""
    locked = await standings.lock(work, _owners(events))
    canonical = locked.canonical
    touched: dict[UUID, set[str]] = {}
    causes: dict[UUID, Event] = {}
    for event in events:
        assert event.profile_id is not None
        root = canonical[event.profile_id]
        causes[root] = dominant_cause(causes.get(root), event)
    ordered = [event for event in events if isinstance(event.body, ORDER_EVENTS)]
    if ordered:
        changed = await standings.fold_orders(work, ordered, locked)
        await _tell_orders(work, changed)
        for profile_id, _ in changed:
            touched.setdefault(profile_id, set()).update((f"event:{ORDERS}", *_STANDING))
    await _fold_histories(work, events, canonical, touched)
    await _fold_belongings(work, events, canonical, touched)
    return Touched(touched, {one: Cause.of_event(event) for one, event in causes.items()})


async def follow_profiles(work: Work, events: Sequence[Event]) -> Touched:
    """Takes in how customers now are, and merges, as `fold_facts` does facts. Returns what to look at."""
    gone = await standings.follow(work, events)
    touched: dict[UUID, set[str]] = {}
    causes: dict[UUID, Event] = {}
    merges = [event for event in events if isinstance(event.body, ProfileMerged)]
    changes = [(event, event.body) for event in events if isinstance(event.body, ProfileChanged)]
    canonical = await aliases.canonical(
        work, {*(body.profile_id for _, body in changes), *(one for event in merges for one in _both(event))}
    )
    if gone:
        await _move(work, gone)
    for event in merges:
        for one in _both(event):
            touched.setdefault(canonical[one], set()).add(memberships.ALL)
            causes[canonical[one]] = dominant_cause(causes.get(canonical[one]), event)
    newest: dict[UUID, tuple[Event, CustomerRow]] = {}
    for event, body in changes:
        # Of a profile that is gone: its last word was about what is the survivor's now.
        if canonical[body.profile_id] == body.profile_id:
            found = newest.get(body.profile_id)
            if found is None or found[1].version < body.version:
                newest[body.profile_id] = (event, CustomerRow(**fields(body)))
    before = await customers.save_newer(work, [row for _, row in newest.values()])
    for profile_id, was in before.items():
        event, row = newest[profile_id]
        if was.version < 0:  # whom no definition knows yet: to have done nothing may be what one asks for
            touched.setdefault(profile_id, set()).add(memberships.ALL)
        else:
            touched.setdefault(profile_id, set()).update(differences(structs.asdict(was), structs.asdict(row)))
        causes[profile_id] = dominant_cause(causes.get(profile_id), event)
    return Touched(touched, {one: Cause.of_event(event) for one, event in causes.items()})


def _owners(events: Iterable[Event]) -> set[UUID]:
    found = set()
    for event in events:
        if event.profile_id is None:
            raise Refused("profile_id: missing on an event that a profile owns")
        found.add(event.profile_id)
    return found


async def _tell_orders(work: Work, changed: Mapping[tuple[UUID, str], Order]) -> None:
    """Tells in the histories how these orders now stand."""
    rows = []
    for (profile_id, order_key), order in changed.items():
        if order.counts and order.placed_at is not None:
            rows.append(
                HistoryRow(
                    profile_id=profile_id,
                    name=ORDERS,
                    at=order.placed_at,
                    event_id=order_event_id(profile_id, order_key),
                    properties=Json(order_properties(order_key, order)),
                )
            )
    await history.save_orders(work, [(one, order_event_id(one, key)) for one, key in changed], rows)


async def _fold_histories(
    work: Work, events: Iterable[Event], canonical: Mapping[UUID, UUID], touched: dict[UUID, set[str]]
) -> None:
    rows = {}
    for event in events:
        if event.unverified or isinstance(event.body, OrderPlaced | OrderReassigned) or event.profile_id is None:
            continue  # orders are told as they stand; what is not believed is not counted
        root, name = canonical[event.profile_id], event_name(event.body)
        rows[root, event.event_id] = HistoryRow(
            profile_id=root,
            name=name,
            at=event.occurred_at,
            event_id=event.event_id,
            properties=Json(compact(event.body)),
        )
        touched.setdefault(root, set()).add(f"event:{name}")
    if rows:
        await history.add(work, [rows[key] for key in sorted(rows)])


async def _fold_belongings(
    work: Work, events: Iterable[Event], canonical: Mapping[UUID, UUID], touched: dict[UUID, set[str]]
) -> None:
    tags, lists = list[Statement](), list[Statement]()
    for event in events:
        body = event.body
        if event.unverified or event.profile_id is None or not isinstance(body, _BELONGINGS):
            continue
        root = canonical[event.profile_id]
        if isinstance(body, TagSet | TagCleared):
            ends = body.expires_at if isinstance(body, TagSet) else None
            tags.append(Statement(root, body.tag, isinstance(body, TagSet), ends, rank(event)))
            touched.setdefault(root, set()).add(f"tag:{body.tag}")
        else:
            ends = body.expires_at if isinstance(body, ListMemberAdded) else None
            lists.append(Statement(root, body.list_id, isinstance(body, ListMemberAdded), ends, rank(event)))
            touched.setdefault(root, set()).add(f"list:{body.list_id}")
    if tags:
        await belongings.state(work, TAGS, tags)
    if lists:
        await belongings.state(work, LISTS, lists)


async def _move(work: Work, gone: Mapping[UUID, UUID]) -> None:
    """Gives what merged customers did, and were put into, to those who stand for them."""
    await history.move(work, gone)
    await rereads.move(work, gone)
    await belongings.move(work, TAGS, gone)
    await belongings.move(work, LISTS, gone)
    await membership_rows.remove(work, gone)
    await customers.remove(work, gone)
    keys = await order_rows.keys_of(work, set(gone.values()))
    await _tell_orders(work, await order_rows.orders(work, keys))


def _both(event: Event) -> tuple[UUID, ...]:
    body = event.body
    return (body.survivor,) if isinstance(body, ProfileMerged) else ()


HANDLERS: Final[Handlers] = {
    **dict.fromkeys(FACTS, fold),
    OrderReassigned: fold,
    ProfileChanged: follow,
    ProfileMerged: follow,
    ProfileErased: erase,
    ProfileSplit: part,
    RatesPublished: rates.on_rates_published,
}
