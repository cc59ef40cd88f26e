"""Tags: what they are defined to be, who has them, and setting them by hand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from services.segment.domain.definitions import circle
from services.segment.repository import evaluation
from services.segment.repository import segments as stored
from services.segment.repository import tags as repository
from services.segment.repository.tags import TagRow as TagRow
from services.segment.service.segments import SegmentNotLive, live_needs
from services.segment.service.segments import one as segment
from services.segment.service.standings import UnknownCustomer
from services.segment.service.tag_rules import SOURCE
from shared import audit
from shared.audit import Actor
from shared.contracts import topics
from shared.contracts.envelope import Event, SourceKind, Stamp
from shared.contracts.events import TagCleared, TagSet
from shared.contracts.identity import partition_key
from shared.database import aliases
from shared.database.database import Work
from shared.errors import Conflict, Invalid, NotFound, PreconditionFailed
from shared.service.logging import traceparent

Kind = Literal["manual", "imported", "rule", "journey"]

_stamp: Final = msgspec.json.Decoder(Stamp).decode


class UnknownTag(NotFound):
    """There is no such tag."""


class TagExists(Conflict):
    """There is a tag with this name."""


class TagByRule(Conflict):
    """The members of a segment have the tag, and it can't be set by hand."""


class RuleInCircle(Invalid):
    """The segment of the tag's rule asks about the tag itself."""


class TagDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """What a tag is defined to be. `segment_id` is of the kind `rule`: its members have the tag, and nobody else."""

    kind: Kind
    owner: str = ""
    description: str = ""
    segment_id: str | None = None


class ListedTag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that is defined, or that a customer has, and how many customers have it now."""

    name: str
    customers: int
    definition: TagRow | None


class HeldTag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that a customer has. `kind` is None of a tag that nobody defined."""

    tag: str
    kind: str | None
    since: datetime
    expires_at: datetime | None


async def create(work: Work, name: str, made: TagDefinition, *, by: Actor) -> TagRow:
    """Defines a tag. Raises `TagExists`, or what is wrong with its rule."""
    if made.kind == "rule":
        await _check_rule(work, name, made)
    row = TagRow(
        name=name,
        kind=made.kind,
        owner=made.owner,
        description=made.description,
        segment_id=made.segment_id,
        revision=1,
        changed_at=work.now,
        author=by.subject,
    )
    if not await repository.add(work, row):
        raise TagExists(f"{name}: choose another name, or change that one")
    work.wakes = True
    await audit.record(work, by, "tag.created", "tag", name, msgspec.structs.asdict(made))
    return row


async def change(work: Work, name: str, made: TagDefinition, *, revision: int, by: Actor) -> TagRow:
    """Changes a tag's definition; a rule is followed for all whom it concerns, anew also where it stays the same.

    Raises `UnknownTag`, `PreconditionFailed`, or what is wrong with the rule.
    """
    if made.kind == "rule":
        await _check_rule(work, name, made)
    row = await _locked(work, name, revision)
    row.kind, row.owner, row.description, row.segment_id = made.kind, made.owner, made.description, made.segment_id
    row.revision, row.changed_at, row.author = row.revision + 1, work.now, by.subject
    row.backfilled_to = row.backfilled_at = None
    await repository.save(work, row)
    work.wakes = True
    await audit.record(work, by, "tag.changed", "tag", name, {**msgspec.structs.asdict(made), "revision": row.revision})
    return row


async def delete(work: Work, name: str, *, revision: int, by: Actor) -> None:
    """Deletes a tag's definition. Customers keep the tag, which nobody defines then."""
    await _locked(work, name, revision)
    await repository.remove(work, name)
    await audit.record(work, by, "tag.deleted", "tag", name)


async def one(work: Work, name: str) -> ListedTag:
    """Returns a tag that is defined, or that a customer has. Raises `UnknownTag`."""
    row = await repository.one(work, name)
    customers = (await repository.counts(work, [name])).get(name, 0)
    if row is None and not customers:
        raise UnknownTag(f"nobody defined {name}, and no customer has it")
    return ListedTag(name=name, customers=customers, definition=row)


async def page(work: Work, *, after: str | None, limit: int) -> Sequence[ListedTag]:
    """Returns a page of tags that are defined or that a customer has, by name."""
    names = await repository.page_of_names(work, after=after, limit=limit)
    known, counts = await repository.named(work, names), await repository.counts(work, names)
    return [ListedTag(name=name, customers=counts.get(name, 0), definition=known.get(name)) for name in names]


async def of_customer(work: Work, profile_id: UUID) -> Sequence[HeldTag]:
    """Returns the tags that a customer has, by name; a merged id still works. Raises `UnknownCustomer`."""
    root = await _customer(work, profile_id)
    return [
        HeldTag(tag=row.tag, kind=row.kind, since=_stamp(row.stamp).occurred_at, expires_at=row.expires_at)
        for row in await repository.of_customer(work, root)
    ]


async def set_by_hand(
    work: Work,
    profile_id: UUID,
    name: str,
    *,
    reason: str,
    expires_at: datetime | None,
    by: Actor,
    partition_secret: bytes,
) -> UUID:
    """Publishes that a customer has a tag, which counts once it comes back through profile. Returns the fact's id.

    Raises `UnknownCustomer`, or `TagByRule`.
    """
    if expires_at is not None and expires_at <= work.now:
        raise Invalid(f"expires_at: {expires_at.isoformat()} is over; give a later time, or clear the tag")
    body = TagSet(tag=name, reason=reason, expires_at=expires_at, extra={"by": by.subject})
    return await _state_by_hand(work, profile_id, body, partition_secret=partition_secret)


async def clear_by_hand(work: Work, profile_id: UUID, name: str, *, by: Actor, partition_secret: bytes) -> UUID:
    """Publishes that a customer has a tag no more. As `set_by_hand`."""
    body = TagCleared(tag=name, extra={"by": by.subject})
    return await _state_by_hand(work, profile_id, body, partition_secret=partition_secret)


async def _state_by_hand(work: Work, profile_id: UUID, body: TagSet | TagCleared, *, partition_secret: bytes) -> UUID:
    root = await _customer(work, profile_id)
    known = await repository.one(work, body.tag)
    if known is not None and known.kind == "rule":
        raise TagByRule(f"the members of {known.segment_id} have {body.tag}: change the segment, or the tag's rule")
    event = Event(
        event_id=uuid7(),
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=work.now,
        received_at=work.now,
        profile_id=root,
        body=body,
        traceparent=traceparent(),
    )
    await work.outbox.add(topics.EVENTS, [(partition_key(str(root), secret=partition_secret), event)])
    return event.event_id


async def _customer(work: Work, profile_id: UUID) -> UUID:
    root = (await aliases.canonical(work, [profile_id]))[profile_id]
    if not await evaluation.exists(work, root):
        raise UnknownCustomer(f"no customer {profile_id}")
    return root


async def _check_rule(work: Work, name: str, made: TagDefinition) -> None:
    """Raises what is wrong with a rule. Nobody follows rules from here to the end of the transaction."""
    await repository.lock_rules(work)
    if made.segment_id is None:
        raise Invalid("segment_id: a tag of the kind rule needs the segment whose members have it")
    await segment(work, made.segment_id)
    locked = await stored.one(work, made.segment_id, lock=True)
    if locked is None or locked.state != "live":
        raise SegmentNotLive(f"segment_id: {made.segment_id} is not live; publish it first")
    rules = {rule.name: rule.segment_id for rule in await repository.rules(work)} | {name: made.segment_id}
    found = circle(await live_needs(work, rules))
    if found:
        raise RuleInCircle(f"segment_id: {made.segment_id} would depend on itself: {' asks about '.join(found)}")


async def _locked(work: Work, name: str, revision: int) -> TagRow:
    await repository.lock_rules(work)
    row = await repository.one(work, name, lock=True)
    if row is None:
        raise UnknownTag(f"nobody defined {name}")
    if row.revision != revision:
        raise PreconditionFailed(f"{name} was changed since it was read: it is at {row.revision}")
    return row
