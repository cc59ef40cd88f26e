"""Tags by rule: what a rule says of a customer, and how that ranks among other statements on the tag."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from shared.contracts.envelope import MAX_CAUSATION_DEPTH, Event, SourceKind, Stamp, derived_id
from shared.contracts.events import TagCleared, TagSet

LEAST_LATER: Final = timedelta(microseconds=1)  # what a stamp's time is kept to


class RuleState(msgspec.Struct, frozen=True, kw_only=True):
    """A customer and a tag by rule: whether they are a member of its segment, and have it by what was stated last."""

    profile_id: UUID
    tag: str
    segment_id: str
    member: bool
    has: bool = False
    expires_at: datetime | None = None
    stamp: Stamp | None = None


class RuleCause(msgspec.Struct, frozen=True, kw_only=True):
    """Why a rule speaks: an event, or (`by_rule`) the rule itself, which has an id and is no event."""

    event_id: UUID
    occurred_at: datetime
    historical: bool = False
    depth: int = 0
    traceparent: str | None = None
    by_rule: bool = False


def agrees(state: RuleState, now: datetime) -> bool:
    """Returns whether a customer has a tag as its rule says: members for as long as they are, others not at all."""
    if state.member:
        return state.has and state.expires_at is None
    return not state.has or (state.expires_at is not None and state.expires_at <= now)


def answer(found: RuleState, cause: RuleCause, *, source_id: UUID, now: datetime) -> Event | None:
    """Returns the fact by which a rule sets a customer's tag right; None where causes have followed too long.

    Guarantee: it ranks above `found.stamp` whatever happened when, so that the rule's last word counts in any order
    of arrival. It has the time of its cause where that is late enough.
    """
    if cause.depth >= MAX_CAUSATION_DEPTH:
        return None
    at = cause.occurred_at
    if found.stamp is not None:
        at = max(at, found.stamp.occurred_at + LEAST_LATER)
    body = TagSet(tag=found.tag, reason=f"member of {found.segment_id}") if found.member else TagCleared(tag=found.tag)
    return Event(
        event_id=derived_id(cause.event_id, type(body).__name__, f"{found.profile_id}/{found.tag}", 1),
        source_id=str(source_id),
        source_kind=SourceKind.SERVICE,
        occurred_at=at,
        received_at=max(now, at),
        historical=cause.historical,
        profile_id=found.profile_id,
        body=body,
        cause_id=None if cause.by_rule else cause.event_id,
        depth=cause.depth + 1,
        traceparent=cause.traceparent,
    )
