"""Changes of standing: which of them let their customer enter a journey."""

from collections.abc import Sequence
from uuid import UUID

from services.campaign.domain.decision import Decision, Outcome
from services.campaign.domain.journey import Entered, Journey, Skipped, enter, sets_off
from services.campaign.repository import contacts, entries, journeys, messages
from services.campaign.repository.entries import StoredEntry
from services.campaign.repository.messages import New
from services.campaign.service.recording import record
from shared.contracts.changes import StageChanged, TierChanged
from shared.contracts.envelope import Event, derived_id
from shared.database import aliases
from shared.database.database import Work

Change = TierChanged | StageChanged
Verdict = tuple[Journey, Event, Change, Entered | Skipped]


async def on_standing_changed(work: Work, events: Sequence[Event]) -> None:
    """Decides on each new change, for each running journey that it sets off.

    A batch costs the same few statements whether it enters nobody or everybody: an import brings 100,000 changes.
    """
    fresh = await _fresh(work, events)
    running = await _running(work)
    verdicts = [
        (journey, event, change, enter(journey, event, work.now))
        for event, change in fresh
        for journey in running
        if sets_off(journey.trigger, change)
    ]
    made: list[Decision] = []
    entered: list[New] = []
    for journey, event, change, verdict in await _once_an_order(work, verdicts):
        made.append(_decision(journey, event, change, verdict))
        if isinstance(verdict, Entered):
            message_id = derived_id(event.event_id, "message", journey.id, journey.version)
            entered.append(New(message_id, journey, change.profile_id, change.current, event))
    await record(work, made)
    if entered:
        await messages.insert(work, entered)
        work.wakes = True


async def _once_an_order(work: Work, verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    """The verdicts, but one order lets its customer into a journey once, however often it is stated."""
    wanted = [
        StoredEntry(
            journey_id=journey.id,
            profile_id=change.profile_id,
            order_id=change.order_id,
            trigger_id=event.event_id,
            entered_at=work.now,
        )
        for journey, event, change, verdict in verdicts
        if change.order_id is not None and isinstance(verdict, Entered)
    ]
    if not wanted:
        return verdicts
    new = await entries.add(work, wanted)
    repeated = {(one.journey_id, one.trigger_id) for one in wanted} - new
    return [
        (
            journey,
            event,
            change,
            Skipped("order_entered_before") if (journey.id, event.event_id) in repeated else verdict,
        )
        for journey, event, change, verdict in verdicts
    ]


async def note(work: Work, events: Sequence[Event]) -> None:
    """Keeps the newest standings, and decides nothing: for a rebuild, which sets no journey off."""
    await _fresh(work, events)


def _decision(journey: Journey, event: Event, change: Change, verdict: Entered | Skipped) -> Decision:
    return Decision(
        id=derived_id(event.event_id, "decision", journey.id, journey.version),
        profile_id=change.profile_id,
        journey_id=journey.id,
        journey_version=journey.version,
        trigger_id=str(event.event_id),
        outcome=Outcome.ENTERED if isinstance(verdict, Entered) else Outcome.SKIPPED,
        reason=change.reason if isinstance(verdict, Entered) else verdict.reason,
        cause_occurred_at=event.occurred_at,
    )


async def _fresh(work: Work, events: Sequence[Event]) -> Sequence[tuple[Event, Change]]:
    """The changes above the standing that is known: the others came before, or came too late to matter."""
    changes = [(event, event.body) for event in events if isinstance(event.body, TierChanged | StageChanged)]
    await aliases.lock_merges(work, shared=True)  # or the standings of a profile merged just now would come back
    known = await contacts.standings(work, (change.profile_id for _, change in changes))
    fresh: list[tuple[Event, Change]] = []
    moved: dict[tuple[UUID, str], tuple[int, str]] = {}
    for event, change in changes:
        place = (change.profile_id, _kind(change))
        if place not in known or change.version > known[place][0]:
            known[place] = moved[place] = (change.version, change.current)
            fresh.append((event, change))
    if moved:
        await contacts.upsert_standings(work, moved)
    return fresh


def _kind(change: Change) -> str:
    """What of a customer's standing a change is about: each programme's tier is a thing of its own."""
    if isinstance(change, StageChanged):
        return "stage"
    return "tier" if change.programme == "default" else f"tier:{change.programme}"


async def _running(work: Work) -> Sequence[Journey]:
    newest: dict[str, Journey] = {}
    for one in await journeys.published(work):
        if one.active:
            newest.setdefault(one.journey.id, one.journey)
    return list(newest.values())
