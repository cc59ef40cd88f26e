"""Days of customers' lives: due rows, one a fact and journey, so that nobody looks through the base each day."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, time
from typing import Final
from uuid import UUID

from services.campaign.domain.journey.dates import DATE_REACHED, matching, next_moment
from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.journey.run import Customer
from services.campaign.domain.journey.triggers import DateReached
from services.campaign.repository import contacts
from services.campaign.repository import date_entries as repository
from services.campaign.repository.date_entries import StoredDate
from services.campaign.service import entering, published
from services.campaign.service.rules import SOURCE
from shared.calendars.zones import local_date
from shared.contracts.envelope import Event, SourceKind, derived_id
from shared.contracts.events import CustomEvent
from shared.database import aliases
from shared.database.database import Work

PAGE: Final = 500


async def follow(work: Work, profile_ids: Collection[UUID]) -> None:
    """Keeps when these customers' days come, by what is known of them now."""
    journeys = _asking((await published.look(work)).entered)
    if journeys and profile_ids:
        known = await contacts.walkers(work, profile_ids)
        dates = [date for journey in journeys for date in _dates(journey, known, work.now)]
        await repository.replace(work, profile_ids, (one.id for one in journeys), dates)


async def backfill(work: Work) -> bool:
    """Looks at the next customers by a journey that was published. Returns whether there was anybody to look at."""
    journeys = {(one.id, one.version): one for one in _asking((await published.look(work)).entered)}
    found = await repository.unfinished(work, list(journeys)) if journeys else None
    if found is None:
        return False
    journey_id, version, after = found
    ids = await repository.with_facts(work, after, limit=PAGE)
    if ids:
        dates = list(_dates(journeys[journey_id, version], await contacts.walkers(work, ids), work.now))
        await repository.replace(work, ids, [journey_id], dates)
    await repository.note_looked_at(work, journey_id, version, ids[-1] if len(ids) == PAGE else None)
    return True


async def reach_due(work: Work, until: datetime, *, partition_secret: bytes) -> int:
    """Lets in whose day has come, and keeps when it comes again. Returns how many there were."""
    due = await repository.take_due(work, until, limit=PAGE)
    if not due:
        return 0
    definitions = await published.look(work)
    journeys = {one.id: one for one in _asking(definitions.entered)}
    await aliases.lock_merges(work, shared=True)
    known = await contacts.walkers(work, {one.profile_id for one in due})
    entries: list[entering.Entry] = []
    again: list[StoredDate] = []
    for one in due:
        journey, customer = journeys.get(one.journey_id), known.get(one.profile_id)
        if journey is None or customer is None:
            continue  # it is paused or gone, or the customer is: nobody waits for that day any more
        entries.append(entering.Entry(one.profile_id, _event(one, customer), [journey]))
        mine = {one.profile_id: customer}
        again += (
            date for date in _dates(journey, mine, one.due_at) if (date.kind, date.label) == (one.kind, one.label)
        )
    if entries:
        await entering.let_in(work, definitions, entries, partition_secret=partition_secret)
    await repository.add(work, again)
    return len(due)


def _asking(journeys: Sequence[Journey]) -> list[Journey]:
    return [one for one in journeys if isinstance(one.trigger, DateReached)]


def _dates(journey: Journey, known: Mapping[UUID, Customer], after: datetime) -> Iterator[StoredDate]:
    trigger = journey.trigger
    assert isinstance(trigger, DateReached)
    clock = time.fromisoformat(trigger.time)
    for profile_id, customer in known.items():
        for fact in matching(customer.facts, trigger.fact, trigger.label):
            due_at = next_moment(fact, customer.time_zone, clock, days_before=trigger.days_before, after=after)
            if due_at is not None:
                yield StoredDate(
                    journey_id=journey.id, profile_id=profile_id, kind=fact.kind, label=fact.label, due_at=due_at
                )


def _event(date: StoredDate, customer: Customer) -> Event:
    """The day as an event: one for each journey, customer, fact and day, however often its time comes."""
    day = local_date(date.due_at, customer.time_zone)
    return Event(
        event_id=derived_id(date.profile_id, f"date/{date.kind}/{date.label}/{day.isoformat()}", date.journey_id, 1),
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=date.due_at,
        received_at=date.due_at,
        body=CustomEvent(
            name=DATE_REACHED, properties={"kind": date.kind, "label": date.label, "day": day.isoformat()}
        ),
        profile_id=date.profile_id,
    )
