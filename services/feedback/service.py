"""The use cases of feedback: submit, hear, figures, cases. Nothing here commits."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from services.feedback import domain, repository
from services.feedback.domain import CaseStatus, Figures, Survey
from shared import aliases
from shared.contracts import topics
from shared.contracts.changes import ProfileMerged
from shared.contracts.envelope import Event, SourceKind, service_source
from shared.contracts.events import FeedbackSubmitted
from shared.contracts.identity import Identity, best, partition_key
from shared.db import Work
from shared.errors import Conflict, Invalid, NotFound, Refused
from shared.logging import traceparent

SOURCE = service_source("feedback")


class NotOnTheScale(Invalid):
    """The rating is not on the survey's scale."""


class UnknownCase(NotFound):
    """There is no such case."""


class CaseNotOpen(Conflict):
    """The case is not open."""


async def submit(
    work: Work,
    feedback: FeedbackSubmitted,
    *,
    identities: Sequence[Identity],
    profile_id: UUID | None,
    partition_secret: bytes,
) -> UUID:
    """Stores an answer given here and publishes it as a fact; returns its id."""
    if reason := domain.problem_with(feedback):
        raise NotOnTheScale(reason)
    event = Event(
        event_id=uuid7(),
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=work.now,
        received_at=work.now,
        body=feedback,
        identities=tuple(identities),
        profile_id=profile_id,
        traceparent=traceparent(),
    )
    await _store(work, event, feedback, published_here=True)
    key = str(profile_id) if profile_id else str(best(identities))
    await work.outbox.add(topics.EVENTS, [(partition_key(key, secret=partition_secret), event)])
    return event.event_id


async def hear(work: Work, events: Sequence[Event]) -> None:
    """Takes in answers that a profile owns now: ours learn whose they are, those of others are stored."""
    for event in events:
        body = event.body
        if not isinstance(body, FeedbackSubmitted) or event.profile_id is None:
            raise Refused("feedback without a profile")
        if reason := domain.problem_with(body):
            raise Refused(reason)
        if not await _store(work, event, body, published_here=False):
            await repository.set_profile(work, event.event_id, event.profile_id)


async def follow_merges(work: Work, events: Sequence[Event]) -> None:
    """Notes which profile stands for which; answers are found under every id that a customer ever had."""
    bodies = (event.body for event in events)
    await aliases.lock_merges(work)
    merges = [body for body in bodies if isinstance(body, ProfileMerged)]
    await aliases.note_merges(work, (aliases.Merge(one.loser, one.survivor, one.verified) for one in merges))


async def _store(work: Work, event: Event, feedback: FeedbackSubmitted, *, published_here: bool) -> bool:
    stored = await repository.insert_response(work, event, published_here=published_here)
    if stored and not event.historical and domain.needs_a_person(Survey(feedback.survey), feedback.rating):
        await repository.open_case(work, event.event_id, reason=f"{feedback.survey} {feedback.rating}")
    return stored


async def figures(work: Work, survey: Survey, *, since: datetime, until: datetime) -> Figures:
    """A survey's figures over `[since, until)`."""
    return domain.figures(survey, await repository.answers(work, survey, since=since, until=until))


async def cases(
    work: Work, status: CaseStatus, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """A page of cases, newest first."""
    return await repository.cases(work, status=status, after=after, limit=limit)


async def responses_of(work: Work, profile_id: UUID, *, limit: int) -> Sequence[Mapping[str, Any]]:
    """A customer's answers, newest first; a merged id still answers."""
    return await repository.responses_of(work, await aliases.names(work, profile_id), limit=limit)


async def close_case(work: Work, case_id: UUID, *, closed_by: str, note: str) -> Mapping[str, Any]:
    """Closes a case; raises `UnknownCase` or `CaseNotOpen`."""
    closed = await repository.close_case(work, case_id, closed_by=closed_by, note=note)
    case = await repository.case(work, case_id)
    if case is None:
        raise UnknownCase(f"case {case_id}")
    if not closed:
        raise CaseNotOpen(f"case {case_id} is {case['status']}")
    return case
