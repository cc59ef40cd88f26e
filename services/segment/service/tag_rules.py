"""Tags by rule: the members of a segment have them, and nobody else, whatever turns and whoever says otherwise."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Final
from uuid import UUID

from services.segment.domain import tags as domain
from services.segment.domain.belongings import rank
from services.segment.domain.tags import RuleCause
from services.segment.repository import belongings, rereads
from services.segment.repository import tags as repository
from services.segment.repository.belongings import TAGS, Statement
from services.segment.service.standing_changes import Cause
from shared.contracts import topics
from shared.contracts.changes import ProfileMerged
from shared.contracts.envelope import Event, derived_id, dominant_cause, service_source
from shared.contracts.events import TagCleared, TagSet
from shared.database import aliases
from shared.database.database import Work
from shared.outbox import NullOutbox
from shared.service.logging import get_logger

log: Final = get_logger(__name__)

SOURCE: Final = service_source("segment")
BACKFILL_BATCH: Final = 1_000  # customers a transaction
TAG_EVENTS: Final = (TagSet, TagCleared)
_CONCERNING: Final = frozenset({*TAG_EVENTS, ProfileMerged})


async def follow(work: Work, causes: Mapping[tuple[UUID, str], RuleCause]) -> int:
    """Sets right the tags of these customers by these segments' rules. Returns how many were wrong.

    What is stated goes to `events`, and counts here at once, so that the next look at the customer knows of it; when it
    comes back through profile it is the same statement. The caller has locked the customers' standings.
    """
    rules = await ruled(work) if causes else ()
    return await follow_ruled(work, {place: cause for place, cause in causes.items() if place[1] in rules})


async def ruled(work: Work) -> Collection[str]:
    """Locks the rules, and returns the segments whose members have tags by them.

    None where nothing is published: what comes from nowhere would stay in a rebuilt table alone.
    """
    if isinstance(work.outbox, NullOutbox):
        return ()
    await repository.lock_rules(work, shared=True)
    return {rule.segment_id for rule in await repository.rules(work)}


async def follow_ruled(work: Work, causes: Mapping[tuple[UUID, str], RuleCause]) -> int:
    """Sets right the tags of these customers by the rules of these segments, which `ruled` returned. As `follow`."""
    if not causes:
        return 0
    stated: list[Event] = []
    for found in await repository.states(work, sorted(causes)):
        if domain.agrees(found, work.now):
            continue
        cause = causes[found.profile_id, found.segment_id]
        event = domain.answer(found, cause, source_id=SOURCE, now=work.now)
        if event is None:
            work.afterwards.append(partial(_tell_too_deep, found.tag, cause.event_id))
        else:
            stated.append(event)
    if stated:
        await belongings.state(work, TAGS, [_statement(event) for event in stated])
        # Keyed by the profile's id as it is, as on the topics of profile: it is no personal datum.
        await work.outbox.add(topics.EVENTS, [(_owner(event).bytes, event) for event in stated])
    return len(stated)


async def follow_events(work: Work, events: Iterable[Event]) -> int:
    """Sets right all tags by rule of those who were merged, or of whom somebody stated a tag. As `follow`."""
    some = [event for event in events if type(event.body) in _CONCERNING]  # few are: every batch asks
    concerned = [(one, event) for event in some if (one := _concerned(event)) is not None]
    if not concerned:
        return 0
    canonical = await aliases.canonical(work, [one for one, _ in concerned])
    waiting = await rereads.among(work, canonical.values())
    causes: dict[UUID, Event] = {}
    for one, event in concerned:
        if canonical[one] in waiting:
            continue  # all is set right once they were read anew
        causes[canonical[one]] = dominant_cause(causes.get(canonical[one]), event)
    return await follow_all(work, causes)


async def follow_all(work: Work, causes: Mapping[UUID, Event | Cause]) -> int:
    """Sets right all tags by rule of these customers, each for a cause. As `follow`."""
    rules = await ruled(work) if causes else ()
    return await follow_ruled(work, {(one, name): caused_by(cause) for one, cause in causes.items() for name in rules})


def caused_by(cause: Event | Cause) -> RuleCause:
    """Returns why a rule speaks, if it does for a cause."""
    return RuleCause(
        event_id=cause.event_id,
        occurred_at=cause.occurred_at,
        historical=cause.historical,
        depth=cause.depth,
        traceparent=cause.traceparent,
    )


async def backfill(work: Work) -> bool:
    """Follows a rule for the next customers whom it concerns. Returns whether there was work.

    What it states is history: customers have been in the segment, and nothing new has happened to them.
    """
    rule = await repository.next_to_follow(work)
    if rule is None or rule.segment_id is None:
        return False
    await aliases.lock_merges(work, shared=True)
    ids = await repository.lock_concerned(work, rule, limit=BACKFILL_BATCH)
    await follow(work, {(one, rule.segment_id): _by_rule(one, rule) for one in ids})
    await repository.advance(work, rule, upto=ids[-1] if ids else None, done=len(ids) < BACKFILL_BATCH)
    return True


def _by_rule(profile_id: UUID, rule: repository.TagRow) -> RuleCause:
    cause = derived_id(profile_id, f"rule/{rule.name}", rule.changed_at.isoformat(), rule.revision)
    return RuleCause(event_id=cause, occurred_at=rule.changed_at, historical=True, by_rule=True)


def _concerned(event: Event) -> UUID | None:
    """Returns the customer whose tags an event may make other than their rules say."""
    if isinstance(event.body, ProfileMerged):
        return event.body.survivor
    return event.profile_id if isinstance(event.body, TAG_EVENTS) and not event.unverified else None


def _owner(event: Event) -> UUID:
    assert event.profile_id is not None
    return event.profile_id


def _statement(event: Event) -> Statement:
    body = event.body
    assert isinstance(body, TAG_EVENTS)
    return Statement(_owner(event), body.tag, isinstance(body, TagSet), None, rank(event))


def _tell_too_deep(tag: str, cause_id: UUID) -> None:
    log.warning("tag.too_deep", tag=tag, cause=str(cause_id))
