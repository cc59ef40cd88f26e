"""The use cases of feedback: submit, on_feedback_submitted, figures, cases. Nothing here commits."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from services.feedback import domain, repository
from services.feedback.domain import CaseStatus, Figures, Survey
from services.feedback.repository import StoredCase, StoredResponse, UnsolicitedResponse
from shared import audit
from shared.audit import Actor
from shared.contracts import topics
from shared.contracts.changes import ProfileMerged, ProfileSplit
from shared.contracts.envelope import Event, SourceKind, service_source
from shared.contracts.events import FeedbackSubmitted, OrderPlaced
from shared.contracts.identity import Identity, best, partition_key
from shared.database import aliases, erasures
from shared.database.database import Work
from shared.errors import Conflict, Invalid, NotFound, Refused
from shared.service.logging import get_logger, traceparent

log: Final = get_logger(__name__)

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
    by_customer: bool = False,
    partition_secret: bytes,
) -> UUID:
    """Stores a response given here and publishes it as a fact. Returns its id.

    A customer's own response (`by_customer`) counts once for an occasion; beyond that it is published as unverified.
    """
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
    reason = await _responded_before(work, event, feedback, profile_id) if by_customer and profile_id else None
    event = msgspec.structs.replace(event, unverified=reason is not None)
    await _store(work, event, feedback, published_here=True, unsolicited=reason)
    key = str(profile_id) if profile_id else str(best(identities))
    await work.outbox.add(topics.EVENTS, [(partition_key(key, secret=partition_secret), event)])
    return event.event_id


async def on_feedback_submitted(work: Work, events: Sequence[Event]) -> None:
    """Takes in responses that a profile owns now: ours learn whose they are, those of others are stored."""
    for event in await erasures.without(work, events):
        body = event.body
        if not isinstance(body, FeedbackSubmitted) or event.profile_id is None:
            raise Refused("feedback without a profile")
        if reason := domain.problem_with(body):
            raise Refused(reason)
        reason = await _why_unsolicited(work, event, body, event.profile_id)
        if not await _store(work, event, body, published_here=False, unsolicited=reason):
            await repository.set_profile(work, event.event_id, event.profile_id)
        if reason is None and event.source_kind is not SourceKind.PUBLIC:
            canonical = await aliases.canonical(work, [event.profile_id])
            occasion = domain.told_occasion(body, canonical[event.profile_id], event.occurred_at)
            await repository.correct(work, occasion, event.event_id, reason=domain.CORRECTED)


async def follow_merges(work: Work, events: Sequence[Event]) -> None:
    """Notes which profile stands for which; responses are found under every id that a customer ever had."""
    await aliases.lock_merges(work)
    merges = [one.body for one in await erasures.without(work, events) if isinstance(one.body, ProfileMerged)]
    await aliases.note_merges(work, (aliases.Merge(one.loser, one.survivor, one.verified) for one in merges))


async def follow_splits(work: Work, events: Sequence[Event]) -> None:
    """Makes who was separated stand for themselves again; what came under their own id is theirs."""
    await aliases.lock_merges(work)
    await aliases.forget(work, (one.body.separated for one in events if isinstance(one.body, ProfileSplit)))


async def erase(work: Work, events: Sequence[Event]) -> None:
    """Deletes all that is kept of customers, under every id that they ever had, and remembers that they are erased.

    Their ratings stay, as nobody's, so that no figure of the past changes; what they wrote does not.
    """
    await aliases.lock_merges(work, shared=True)
    ids = await erasures.named(work, events)
    await erasures.note(work, ids)
    await repository.erase(work, ids)


async def note_orders(work: Work, events: Sequence[Event]) -> None:
    """Notes whose orders are: a response about one's own order counts. What is only claimed is nobody's."""
    await repository.note_orders(
        work,
        (
            (event.body.order_id, event.profile_id)
            for event in await erasures.without(work, events)
            if isinstance(event.body, OrderPlaced) and event.profile_id is not None and not event.unverified
        ),
    )


async def _why_unsolicited(work: Work, event: Event, feedback: FeedbackSubmitted, profile_id: UUID) -> str | None:
    """Why a response from elsewhere counts in nothing, if so. What a server or a service says is believed."""
    if reason := domain.in_anothers_name(event):
        return reason
    if event.unverified:
        return domain.A_CLAIM
    if event.source_kind is not SourceKind.PUBLIC:
        return None
    return await _responded_before(work, event, feedback, profile_id)


async def _responded_before(work: Work, event: Event, feedback: FeedbackSubmitted, profile_id: UUID) -> str | None:
    names = await aliases.names(work, profile_id)
    if feedback.order_id is not None and await repository.has_order(work, names, feedback.order_id):
        occasion = domain.order_occasion(feedback.survey, feedback.order_id)
    else:
        occasion = domain.day_occasion(feedback.survey, best(event.identities) or names[0], event.received_at)
    return None if await repository.claim_occasion(work, occasion, event.event_id) else domain.RESPONDED


async def _store(
    work: Work, event: Event, feedback: FeedbackSubmitted, *, published_here: bool, unsolicited: str | None
) -> bool:
    stored = await repository.insert_response(work, event, published_here=published_here, unsolicited=unsolicited)
    counts = unsolicited is None and not event.historical
    urgent = stored and counts and domain.needs_a_person(Survey(feedback.survey), feedback.rating)
    if urgent and await repository.open_case(work, event.event_id, reason=f"{feedback.survey} {feedback.rating}"):
        work.afterwards.append(partial(_tell, "case.opened", event.event_id))
    return stored


async def figures(work: Work, survey: Survey, *, since: datetime, until: datetime) -> Figures:
    """Returns a survey's figures over `[since, until)`."""
    ratings = await repository.ratings(work, survey, since=since, until=until)
    unsolicited = await repository.unsolicited_responses(work, survey, since=since, until=until)
    return domain.figures(survey, ratings, unsolicited=unsolicited)


async def unsolicited(work: Work, response_id: UUID) -> str | None:
    """Returns why a response counts in nothing; None if it counts."""
    return await repository.unsolicited(work, response_id)


async def cases(
    work: Work, status: CaseStatus, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[StoredCase]:
    """Returns a page of cases, newest first."""
    return await repository.cases(work, status=status, after=after, limit=limit)


async def responses_of(
    work: Work, profile_id: UUID, *, unsolicited: bool | None = None, limit: int
) -> Sequence[StoredResponse]:
    """Returns a customer's responses, newest first: all, or those that count in nothing, or do."""
    names = await aliases.names(work, profile_id)
    return await repository.responses_of(work, names, unsolicited=unsolicited, limit=limit)


async def unsolicited_page(
    work: Work, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[UnsolicitedResponse]:
    """Returns a page of responses that count in nothing, newest first."""
    return await repository.unsolicited_page(work, after=after, limit=limit)


async def close_case(work: Work, case_id: UUID, *, by: Actor, note: str) -> StoredCase:
    """Closes a case, and returns it. Raises `UnknownCase` or `CaseNotOpen`."""
    closed = await repository.close_case(work, case_id, closed_by=by.subject, note=note)
    case = await repository.case(work, case_id)
    if case is None:
        raise UnknownCase(f"case {case_id}")
    if not closed:
        raise CaseNotOpen(f"case {case_id} is {case.status}")
    await audit.record(work, by, "case.closed", "case", case_id)
    work.afterwards.append(partial(_tell, "case.closed", case_id))
    return case


def _tell(event: str, case_id: UUID) -> None:
    log.info(event, case=str(case_id))
