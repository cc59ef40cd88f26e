"""Changes of standing and of memberships: kept by the newest version, and handed to the journeys that they concern."""

from collections.abc import Sequence
from uuid import UUID

from services.campaign.repository import contacts, memberships
from services.campaign.repository.memberships import StoredMembership
from services.campaign.service import entering, published
from shared.contracts.changes import SegmentEntered, SegmentExited, StageChanged, TierChanged
from shared.contracts.envelope import Event
from shared.database import aliases, erasures
from shared.database.database import Work

Standing = TierChanged | StageChanged
Membership = SegmentEntered | SegmentExited


async def on_change(work: Work, events: Sequence[Event], *, partition_secret: bytes) -> None:
    """Lets customers into journeys, and moves and takes out those who are in, by each change that is new."""
    fresh = await _fresh(work, events)
    if fresh:
        definitions = await published.look(work)
        await entering.take_in(work, definitions, fresh, partition_secret=partition_secret)


async def note(work: Work, events: Sequence[Event]) -> None:
    """Keeps the newest standings and memberships, and decides nothing: for a rebuild, which sets no journey off."""
    await _fresh(work, events)


async def _fresh(work: Work, events: Sequence[Event]) -> Sequence[tuple[UUID, Event]]:
    """The changes above what is known, with their customers: the others came before, or came too late to matter."""
    await aliases.lock_merges(work, shared=True)  # or what a profile merged just now had would come back
    events = await erasures.without(work, events)
    fresh = {*await _fresh_standings(work, events), *await _fresh_memberships(work, events)}
    return [(_of(event).profile_id, event) for event in events if event.event_id in fresh]


def _of(event: Event) -> Standing | Membership:
    assert isinstance(event.body, TierChanged | StageChanged | SegmentEntered | SegmentExited)
    return event.body


async def _fresh_standings(work: Work, events: Sequence[Event]) -> set[UUID]:
    changes = [(event, event.body) for event in events if isinstance(event.body, TierChanged | StageChanged)]
    if not changes:
        return set()
    known = await contacts.standings(work, (change.profile_id for _, change in changes))
    fresh: set[UUID] = set()
    moved: dict[tuple[UUID, str], tuple[int, str]] = {}
    for event, change in changes:
        place = (change.profile_id, _kind(change))
        if place not in known or change.version > known[place][0]:
            known[place] = moved[place] = (change.version, change.current)
            fresh.add(event.event_id)
    if moved:
        await contacts.upsert_standings(work, moved)
    return fresh


async def _fresh_memberships(work: Work, events: Sequence[Event]) -> set[UUID]:
    changes = [(event, event.body) for event in events if isinstance(event.body, SegmentEntered | SegmentExited)]
    if not changes:
        return set()
    known = dict(await memberships.known(work, (change.profile_id for _, change in changes)))
    fresh: set[UUID] = set()
    moved: dict[tuple[str, UUID], StoredMembership] = {}
    for event, change in changes:
        place = (change.segment_id, change.profile_id)
        if change.version > known.get(place, -1):
            known[place] = change.version
            fresh.add(event.event_id)
            moved[place] = StoredMembership(
                segment_id=change.segment_id,
                profile_id=change.profile_id,
                version=change.version,
                segment_version=change.segment_version,
                member=isinstance(change, SegmentEntered),
            )
    if moved:
        await memberships.upsert(work, list(moved.values()))
    return fresh


def _kind(change: Standing) -> str:
    """What of a customer's standing a change is about: each programme's tier is a thing of its own."""
    if isinstance(change, StageChanged):
        return "stage"
    return "tier" if change.programme == "default" else f"tier:{change.programme}"
