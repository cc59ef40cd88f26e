"""Entering journeys: which changes and events let which customers in, and what they do to runs on their way."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from services.campaign.domain.decision import Decision, Outcome
from services.campaign.domain.journey.definition import AgainAfter, Journey
from services.campaign.domain.journey.entering import Entered, Skipped, again, enter
from services.campaign.domain.journey.events import event_properties
from services.campaign.domain.journey.run import MAX_DATA_BYTES, Cause, End, Run
from services.campaign.domain.journey.triggers import is_by_time, sets_off, words_of
from services.campaign.repository import entries
from services.campaign.repository.entries import StoredEntry
from services.campaign.service import running
from services.campaign.service.published import Definitions
from services.campaign.service.running import Walk
from shared.contracts.envelope import Event, derived_id
from shared.database import aliases
from shared.database.database import Work

_Place = tuple[str, UUID]


class Entry(NamedTuple):
    """An event of a customer, and the journeys that it sets off."""

    profile_id: UUID
    event: Event
    journeys: Sequence[Journey]


async def take_in(
    work: Work, definitions: Definitions, events: Sequence[tuple[UUID, Event]], *, partition_secret: bytes
) -> None:
    """Lets customers in, moves them and takes them out, by events that each stand beside their customer."""
    set_off = [
        Entry(one, event, [journey for journey in definitions.entered if sets_off(journey.trigger, event.body)])
        for one, event in events
    ]
    await let_in(work, definitions, set_off, partition_secret=partition_secret)


async def let_in(
    work: Work, definitions: Definitions, entering: Sequence[Entry], *, partition_secret: bytes
) -> Sequence[Decision]:
    """Lets customers into the journeys that events set off, and moves and takes out those who are in others.

    A batch costs the same few statements whether it enters nobody or everybody: an import brings 100,000 changes. The
    events act one after the other, in their order. Returns what was decided.
    """
    canonical = await aliases.canonical(work, (one.profile_id for one in entering))
    walk = await running.open_walk(work, definitions, canonical.values(), partition_secret=partition_secret)
    known = await _look(work, [one._replace(profile_id=canonical[one.profile_id]) for one in entering])
    for profile_id, event, journeys in entering:
        customer = canonical[profile_id]
        walk.happened(event, customer)
        for journey in journeys:
            verdict = known.judge(journey, customer, event)
            if isinstance(verdict, Entered):
                verdict = _admit(walk, journey, event, customer, verdict, work.now)
            if isinstance(verdict, Entered):
                known.note(journey, customer, event, verdict)
            walk.decisions.append(_decision(journey, event, customer, verdict))
    if known.made:
        await entries.add(work, known.made)
    await walk.save()
    return walk.decisions


class _Entries:
    """What a batch's customers entered for before, and what they enter for in it."""

    def __init__(self, now: datetime, existing: Set[tuple[str, UUID, str]], last: Mapping[_Place, datetime]) -> None:
        self._now = now
        self._existing = set(existing)
        self._last = dict(last)
        self.made: list[StoredEntry] = []

    def judge(self, journey: Journey, customer: UUID, event: Event) -> Entered | Skipped:
        """Returns whether a customer may enter, as far as what they entered for before is concerned."""
        verdict = enter(journey, event, self._now)
        if isinstance(verdict, Entered):
            if (journey.id, customer, verdict.key) in self._existing:
                return Skipped("entered_before")
            return again(journey, self._last.get((journey.id, customer)), self._now) or verdict
        return verdict

    def note(self, journey: Journey, customer: UUID, event: Event, entered: Entered) -> None:
        """Notes that a customer enters."""
        self._existing.add((journey.id, customer, entered.key))
        self._last[journey.id, customer] = self._now
        self.made.append(
            StoredEntry(
                journey_id=journey.id,
                profile_id=customer,
                entry_key=entered.key,
                trigger_id=event.event_id,
                entered_at=self._now,
            )
        )


async def _look(work: Work, entering: Sequence[Entry]) -> _Entries:
    keys: set[tuple[str, UUID, str]] = set()
    places: set[_Place] = set()
    for customer, event, journeys in entering:
        for journey in journeys:
            verdict = enter(journey, event, work.now)
            if isinstance(verdict, Entered):
                keys.add((journey.id, customer, verdict.key))
                if isinstance(journey.again, AgainAfter):
                    places.add((journey.id, customer))
    existing = await entries.existing(work, keys) if keys else set()
    last = await entries.last(work, places) if places else {}
    return _Entries(work.now, existing, last)


def _admit(
    walk: Walk, journey: Journey, event: Event, customer: UUID, entered: Entered, now: datetime
) -> Entered | Skipped:
    """Begins a run, unless the journey wants nobody in who is inside. Returns what became of the entry."""
    inside = walk.inside(journey, customer)
    if inside and journey.inside == "ignore":
        return Skipped("inside")
    if inside and journey.inside == "restart":
        for run in inside:
            walk.end(run, End("restarted"))
    walk.begin(
        journey,
        Run(
            id=run_id(journey, event),
            journey_id=journey.id,
            version=journey.version,
            profile_id=customer,
            entry_key=entered.key,
            trigger_id=str(event.event_id),
            triggered_at=event.occurred_at,
            cause=Cause.of(event, by_time=is_by_time(event)),
            entered_at=now,
            waiting_since=now,
            data={"event": _bounded(event_properties(event.body))},
        ),
    )
    return entered


def run_id(journey: Journey, event: Event) -> UUID:
    """Returns the id of the run that an event begins: one for each journey, whatever its version is."""
    return derived_id(event.event_id, "run", journey.id, 1)


def _bounded(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns as many of the properties, in their order, as a run carries."""
    kept: dict[str, Any] = {}
    size = 2
    for name, value in properties.items():
        size += len(msgspec.json.encode({name: value})) - 1
        if size > MAX_DATA_BYTES:
            break
        kept[name] = value
    return kept


def _decision(journey: Journey, event: Event, customer: UUID, verdict: Entered | Skipped) -> Decision:
    return Decision(
        id=derived_id(event.event_id, "decision", journey.id, journey.version),
        profile_id=customer,
        journey_id=journey.id,
        journey_version=journey.version,
        trigger_id=str(event.event_id),
        outcome=Outcome.ENTERED if isinstance(verdict, Entered) else Outcome.SKIPPED,
        reason=words_of(event.body) if isinstance(verdict, Entered) else verdict.reason,
        cause_occurred_at=event.occurred_at,
    )
