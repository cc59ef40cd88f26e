"""Folding a batch of events: dedupe, decide whose they are, fold, publish. One transaction, many events."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial, reduce
from typing import Any, Final
from uuid import UUID

import msgspec

from services.profile.domain import dates, localization, permission
from services.profile.domain import fold as folding
from services.profile.domain.contact import contact_points
from services.profile.domain.decision import Decision, linked
from services.profile.domain.fold import CLAIMED_USER_ID, EMPTY, ProfileState
from services.profile.domain.identity import Identities, claiming, linking
from services.profile.domain.localization import COMPANY_TIME_ZONE
from services.profile.domain.meeting import CONTACTS, DEFAULT_LIMITS, Known
from services.profile.domain.ordering import Mark
from services.profile.repository import fold, identity
from services.profile.repository.fold import Figures
from services.profile.repository.identity import Stored
from services.profile.service.orders import fold_orders
from shared.contracts import orders, topics
from shared.contracts.changes import (
    ConfirmationRequested,
    Consent,
    OrderReassigned,
    ProfileChanged,
    ProfileMerged,
)
from shared.contracts.envelope import Event, SourceKind, derived_id, dominant_cause, service_source
from shared.contracts.events import MARKETING, Body, ConsentChanged, CustomerIdentified
from shared.contracts.identity import Identity, Namespace, user_ids_of
from shared.contracts.orders import Order
from shared.contracts.wire import NO_ORIGIN
from shared.database import aliases, erasures, order_rows
from shared.database.database import Work
from shared.errors import Refused, TryAgain
from shared.service import metrics

SOURCE: Final = str(service_source("profile"))
CONFLICTING: Final = (
    "conflicting_duplicate: the id {} was taken in before with another content: `dlq retry --as-new` takes this in, too"
)
MAX_TRAITS: Final = 100  # published with each change; the rest is in the profile
MAX_TRAIT_BYTES: Final = 2_000  # of one trait, likewise
MAX_IDENTITIES: Final = 20  # of one namespace, published with each change
MAX_CONTACT_POINTS: Final = 20  # likewise
MEETING: Final = 2  # identities, of which one can bring the other's profile along
MAX_CONSENTS: Final = 100  # likewise; what is not told is not agreed to


async def fold_events(
    work: Work,
    events: Sequence[Event],
    *,
    limits: Mapping[Namespace, int] = DEFAULT_LIMITS,
    company_zone: str = COMPANY_TIME_ZONE,
) -> None:
    """Folds events into their profiles, each once for ever, and publishes what changed.

    `limits` says, by namespace, how many other addresses may stand behind a value before it stops linking;
    `company_zone` is the time zone of those of whom nothing says one.

    Raises `Refused` for an event that names nobody, and `TryAgain` when another batch folded one of these
    events at the same time.
    """
    new = await _new(work, events)
    if not new:
        return
    decided, stored = await _view(work, new, limits)
    if not (new := await _without_erased(work, new, decided)):
        return
    assigned = [(_assign(decided, event), event) for event in new]
    assigned = [(decided.resolve(profile_id), event) for profile_id, event in assigned]
    states = {profile_id: one.state for profile_id, one in stored.items()}
    touched = {profile_id for profile_id, _ in assigned}

    merges = [decision for decision in decided.decisions if decision.kind == "merge"]
    changed_orders = await _merge(work, decided, merges, states)
    for profile_id, gained in linked(decided.decisions, {p: decided.resolve(p) for p in _named(decided)}).items():
        states[profile_id] = folding.with_identities(states.get(profile_id, EMPTY), gained)
    for profile_id, event in assigned:
        before, added = states.get(profile_id, EMPTY), folding.state_of(event)
        states[profile_id] = folding.merge(before, added)
        if gone := folding.left_out(event, before, states[profile_id], added=added):
            kind = event.source_kind.value
            work.afterwards.append(partial(metrics.profile_left_out.labels(kind).inc, gone))

    await identity.write_owners(
        work, {one.name: decided.resolve(one.profile_id) for one in decided.decisions if one.name and _gives(one)}
    )
    await identity.write_log(work, decided.decisions)
    figures = await fold.save_profiles(work, {profile_id: states[profile_id] for profile_id in touched})
    folded = await fold_orders(work, assigned, changed_orders)
    if others := folded.profile_ids - touched:  # an order has left them, or a shop tells what their payments paid
        locked = await identity.lock_profiles(work, others)
        states |= {profile_id: one.state for profile_id, one in locked.items()}
        figures |= await fold.save_profiles(work, {profile_id: states[profile_id] for profile_id in locked})
        touched |= locked.keys()
    if folded.profile_ids:
        figures |= await fold.update_figures(work, folded.profile_ids)
    await fold.add_counts(work, _counts(assigned))
    changed = {one: (states[one], figures[one]) for one in touched}
    owned = await _number(work, assigned, _reassigned(folded.marks, assigned))
    await _publish(work, owned, assigned, merges, changed, company_zone)


async def _new(work: Work, events: Sequence[Event]) -> list[Event]:
    """Those that were not folded before, each once.

    One that has the id of another, and says something else, is set aside: the sender's numbering is at fault, and
    nothing of it may be lost without a word. Of one whose customer was erased since there is nothing to compare with.
    """
    known = await fold.known_events(work, [event.event_id for event in events])
    new: dict[UUID, Event] = {}
    for event in events:
        if event.event_id not in known and event.event_id not in new:
            new[event.event_id] = event
            continue
        first = known[event.event_id] if event.event_id in known else fold.content_of(new[event.event_id])
        if first is not None and first != fold.content_of(event):
            work.set_aside.append((event, CONFLICTING.format(event.event_id)))
            work.afterwards.append(metrics.conflicting_duplicates.labels(event.source_id).inc)
    return list(new.values())


async def _without_erased(work: Work, events: list[Event], decided: Identities) -> list[Event]:
    """Returns the events but for those that a service passed on about a customer who was erased."""
    unknown = {one for event in events if (one := _hinted(event)) and decided.resolve(one) not in decided.profiles}
    gone = await erasures.among(work, unknown) if unknown else frozenset[UUID]()
    return [event for event in events if _hinted(event) not in gone] if gone else events


def _hinted(event: Event) -> UUID | None:
    """The profile that a service says the event is of."""
    return event.profile_id if event.source_kind is SourceKind.SERVICE else None


def _assign(decided: Identities, event: Event) -> UUID:
    profile_id = decided.assign(event)
    if profile_id is None:
        if event.profile_id is not None:
            # The service passed on an id that its caller gave: one caller's must not have all its events blocked.
            raise Refused(f"profile_id: {event.profile_id} is not a profile", unattributed=True)
        raise Refused("identities: the source of the event may not speak for anybody whom it names")
    return profile_id


def _gives(decision: Decision) -> bool:
    return decision.kind in ("link", "alias")


async def _view(
    work: Work, events: Sequence[Event], limits: Mapping[Namespace, int]
) -> tuple[Identities, dict[UUID, Stored]]:
    """What deciding needs, locked: the identities named, who owns them, and those profiles."""
    hinted = {one for event in events if (one := _hinted(event)) is not None}
    named = [(event, linking(event)) for event in events]
    owners, claims = await identity.owners(
        work,
        (one for _, identities in named for one in identities),
        (one for event in events for one in claiming(event)),
    )
    wanted, stored = hinted | set(owners.values()) | set(claims.values()), dict[UUID, Stored]()
    moved: dict[UUID, UUID] = {}
    while missing := {profile_id for profile_id in wanted if profile_id not in stored}:
        stored |= await identity.lock_profiles(work, missing)
        # A profile that is gone was merged while this batch waited for it, or before: its alias stands for it.
        gone = {profile_id for profile_id in missing if profile_id not in stored}
        now_canonical = await aliases.canonical(work, gone)
        moved |= {profile_id: canonical for profile_id, canonical in now_canonical.items() if canonical != profile_id}
        wanted = {
            moved.get(profile_id, profile_id) for profile_id in wanted if profile_id in stored or profile_id in moved
        }
    decided = Identities(
        {one: moved.get(owner, owner) for one, owner in owners.items()},
        {profile_id: _known(one.state, work.now) for profile_id, one in stored.items()},
        {one: moved.get(owner, owner) for one, owner in claims.items()},
        limits,
        fan_out=await identity.fan_out(work, _shared(named, owners), most=max(limits.values(), default=0) + 1),
    )
    decided.rename(moved)
    return decided, stored


def _shared(linked: Iterable[tuple[Event, tuple[Identity, ...]]], owners: Mapping[Identity, UUID]) -> set[Identity]:
    """Returns the values by which events without a user id could join profiles.

    Of one whose values all have one owner there is nothing to join, whatever the events before it do.
    """
    found: set[Identity] = set()
    for event, named in linked:
        if event.source_kind is SourceKind.PUBLIC or len(event.identities) < MEETING:
            continue
        of_one = named[0] in owners and len({owners.get(one) for one in named}) == 1
        if named[0].namespace is not Namespace.USER_ID and not of_one:
            found.update(named)
    return found


def _known(state: ProfileState, now: datetime) -> Known:
    return Known(
        state.first_seen or now,
        users=set(_user_ids(state, Namespace.USER_ID)),
        claimed=set(_user_ids(state, CLAIMED_USER_ID)),
        contacts={Identity(one, value) for one in CONTACTS for value in state.identities.get(one, ())},
        devices=set(state.identities.get(Namespace.ANONYMOUS_ID, ())),
        vouched=set(state.vouched),
        parted=dict(state.parted),
    )


def _user_ids(state: ProfileState, kind: str) -> Iterator[Identity]:
    """The user ids of all spaces, of those that trusted sources name, or of those that public keys claim."""
    for namespace, values in state.identities.items():
        name, _, space = namespace.partition("@")
        if name == kind:
            yield from (Identity(user_ids_of(space), value) for value in values)


async def _merge(
    work: Work, decided: Identities, merges: Sequence[Decision], states: dict[UUID, ProfileState]
) -> dict[tuple[UUID, str], Order]:
    """Moves what the losers have to their survivors; the orders that moved, under their new owners."""
    moved: dict[tuple[UUID, str], list[Order]] = defaultdict(list)
    for merge in merges:
        assert merge.other_id is not None
        survivor = decided.resolve(merge.profile_id)
        if (gone := states.pop(merge.other_id, None)) is not None:
            states[survivor] = folding.merge(states.get(survivor, EMPTY), gone)
        for (_, order_id), order in (await order_rows.delete_returning(work, [merge.other_id])).items():
            moved[survivor, order_id].append(order)
        await identity.move_rows(work, loser=merge.other_id, survivor=survivor)
    if merges:
        await aliases.lock_merges(work)
        await aliases.note_merges(
            work, (aliases.Merge(one.other_id, one.profile_id, one.verified) for one in merges if one.other_id)
        )
    return {key: reduce(orders.merge, found) for key, found in moved.items()}


def _counts(assigned: Iterable[tuple[UUID, Event]]) -> dict[tuple[UUID, str, str], int]:
    added: dict[tuple[UUID, str, str], int] = defaultdict(int)
    for profile_id, event in assigned:
        for kind, name, times in folding.counted(event):
            added[profile_id, kind, name] += times
    return added


def _reassigned(
    marks: Iterable[tuple[Mark, Order]], assigned: Sequence[tuple[UUID, Event]]
) -> Iterator[tuple[UUID, Event]]:
    """What is told to those who read orders: under the customer of each row that changed so, and of the order."""
    causes: dict[str | UUID | None, Event] = {}
    for profile_id, event in assigned:
        for name in (orders.order_key(event), profile_id, None):
            causes[name] = dominant_cause(causes.get(name), event)
    for mark, order in marks:
        # Of a payment and an order that a merge, or a third order's name of the payment, brought together no event
        # here may tell: then an event of the customer's is the cause, or any.
        cause = next(causes[one] for one in (mark.row[1], mark.counting[1], mark.row[0], None) if one in causes)
        body = OrderReassigned(
            from_profile=mark.row[0],
            from_order=mark.row[1],
            to_profile=mark.counting[0],
            to_order=mark.counting[1],
            mark=mark.order,
            order=order,
        )
        for profile_id in sorted({mark.row[0], mark.counting[0]}):
            # One record may change a row twice, by what two sources say: each is a fact with an id of its own.
            what = "/".join(sorted(mark.order.left)) or f"told {mark.order.told}"
            yield profile_id, _change(cause, profile_id, body, f"{mark.row[0]}/{mark.row[1]}/{profile_id}/{what}")


async def _number(
    work: Work, assigned: Sequence[tuple[UUID, Event]], reassigned: Iterable[tuple[UUID, Event]]
) -> list[Event]:
    """Returns the events, now owned and in their lane, as they are on record from now on.

    Last, when all other locks are taken: from here to the commit the origin's other batches wait. What a reader of the
    lane sees is whole: the lane's end rises in the transaction that writes the events before it.
    """
    origin = work.origin if work.origin is not None else NO_ORIGIN
    everything = [*assigned, *reassigned]
    first = await fold.reserve_sequences(work, origin, len(everything))
    owned = [
        msgspec.structs.replace(event, profile_id=profile_id, origin=origin, sequence=first + position)
        for position, (profile_id, event) in enumerate(everything)
    ]
    if await fold.append_timeline(work, owned[: len(assigned)]) != len(assigned):
        raise TryAgain("another batch folded one of these events at the same time")
    await fold.append_reassignments(work, owned[len(assigned) :])
    return owned


async def _publish(
    work: Work,
    owned: Sequence[Event],
    assigned: Sequence[tuple[UUID, Event]],
    merges: Sequence[Decision],
    profiles: Mapping[UUID, tuple[ProfileState, Figures]],
    company_zone: str,
) -> None:
    """Publishes the events, now owned, and at most one change a profile."""
    published: list[tuple[str, bytes, Event]] = []
    causes: dict[UUID, Event] = {}
    for event in owned:
        assert event.profile_id is not None
        published.append((topics.PROFILE_EVENTS, event.profile_id.bytes, event))
        causes[event.profile_id] = dominant_cause(causes.get(event.profile_id), event)
    by_event = {event.event_id: event for _, event in assigned}
    for merge in merges:
        assert merge.other_id is not None
        body = ProfileMerged(loser=merge.other_id, survivor=merge.profile_id, verified=merge.verified)
        change = _change(by_event[merge.event_id], merge.profile_id, body, str(merge.other_id))
        published.append((topics.PROFILES, merge.profile_id.bytes, change))
    published += [
        (topics.PROFILES, profile_id.bytes, request)
        for profile_id, event in assigned
        for request in _confirmations(profile_id, event)
    ]
    for profile_id, (state, figures) in sorted(profiles.items(), key=lambda item: item[0]):
        changed = profile_changed(profile_id, state, figures, company_zone)
        change = _change(causes[profile_id], profile_id, changed, str(figures.version))
        published.append((topics.PROFILES, profile_id.bytes, change))
    await work.outbox.add_all(published)


def _confirmations(profile_id: UUID, event: Event) -> Iterable[Event]:
    """One request for each thing that a visitor agreed to, for campaign to ask whether that is so."""
    for pair in permission.to_confirm(event):
        assert isinstance(event.body, CustomerIdentified | ConsentChanged)
        body = ConfirmationRequested(
            profile_id=profile_id,
            address=event.body.confirm_at,
            channel=pair.channel,
            purpose=pair.purpose,
            requested_by=event.event_id,
            language=event.context.locale if event.context and event.context.locale else "",
        )
        yield _change(event, profile_id, body, str(pair))


def profile_changed(profile_id: UUID, state: ProfileState, figures: Figures, company_zone: str) -> ProfileChanged:
    """Returns what is told of a profile as it stands; `company_zone` is as in `fold_events`."""
    assert state.first_seen is not None
    assert state.last_seen is not None
    of_all = folding.traits_of(state)
    traits = _bounded(folding.plain(of_all, MAX_TRAITS))
    consents = folding.to_tell(state, limit=MAX_CONSENTS)
    language = localization.language(state.locale)
    return ProfileChanged(
        profile_id=profile_id,
        version=figures.version,
        first_seen=state.first_seen,
        last_seen=state.last_seen,
        identities={namespace: values[:MAX_IDENTITIES] for namespace, values in state.identities.items()},
        traits=traits,
        consent={one.pair.channel: one.granted for one in consents if one.pair.purpose == MARKETING},
        orders=figures.orders,
        spend_minor=figures.spend_minor,
        first_order_at=figures.first_order_at,
        last_order_at=figures.last_order_at,
        contact_points=contact_points(state.contact_points, state.identities, limit=MAX_CONTACT_POINTS),
        public_traits=folding.public_names(of_all, traits),
        consents=tuple(
            Consent(channel=one.pair.channel, purpose=one.pair.purpose, granted=one.granted, changed_at=one.changed_at)
            for one in consents
        ),
        time_zone=localization.time_zone(state.locale, company=company_zone),
        language="" if language is None else language.tag,
        dated_facts=dates.facts(state.dated_facts),
    )


def _bounded(traits: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in traits.items() if len(msgspec.json.encode((name, value))) <= MAX_TRAIT_BYTES}


def _change(cause: Event, profile_id: UUID, body: Body, name: str) -> Event:
    """A change carries its cause's time and age, so that a replay updates state and sends nothing."""
    return Event(
        event_id=derived_id(cause.event_id, type(body).__name__, name, 1),
        source_id=SOURCE,
        source_kind=SourceKind.SERVICE,
        occurred_at=cause.occurred_at,
        received_at=cause.received_at,
        historical=cause.historical,
        profile_id=profile_id,
        body=body,
        cause_id=cause.event_id,
        depth=cause.depth,
        traceparent=cause.traceparent,
    )


def _named(decided: Identities) -> set[UUID]:
    return {decision.profile_id for decision in decided.decisions}
