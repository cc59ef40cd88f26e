"""Segments for marketers: drafts, versions that go live, previews, members, and why a customer is in one or not."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.segment.domain.conditions.base import Condition, Problem
from services.segment.domain.conditions.customer import Customer
from services.segment.domain.conditions.document import InvalidCondition, nearest, read, written
from services.segment.domain.conditions.program import compiled
from services.segment.domain.conditions.query import Query
from services.segment.domain.definitions import circle, needs_of, segments_in
from services.segment.domain.explaining import Clause, explain
from services.segment.repository import customers, evaluation
from services.segment.repository import memberships as members_rows
from services.segment.repository import segments as repository
from services.segment.repository import tags as tag_rows
from services.segment.repository.memberships import MembershipRow
from services.segment.repository.segments import SegmentRow as SegmentRow
from services.segment.repository.segments import VersionRow
from services.segment.service import checks
from services.segment.service.definitions import LIMITS
from services.segment.service.standings import UnknownCustomer
from shared import audit
from shared.audit import Actor
from shared.database import aliases
from shared.database.database import Work
from shared.database.rows import Json
from shared.errors import Conflict, NotFound, PreconditionFailed

SAMPLE: Final = 10  # customers of a preview
MAX_EVALUATED: Final = 500  # customers a request
MAX_LIVE: Final = 500


class UnknownSegment(NotFound):
    """There is no such segment."""


class SegmentExists(Conflict):
    """There is a segment with this id."""


class SegmentInUse(Conflict):
    """Other segments, which are live, ask about this one, or a tag is by it."""


class SegmentNotLive(Conflict):
    """The segment is not live."""


class TooManyLive(Conflict):
    """So many segments are live that one more may not be."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """How many customers a condition matches now, of how many, and some of them."""

    matches: int
    of: int
    sample: Sequence[UUID]


def condition_of(document: Any) -> Condition:
    """Returns the condition of a document. Raises `InvalidCondition`."""
    return read(document, LIMITS, pointer="")


def meetable(document: Any) -> Condition:
    """Returns the condition of a document. Raises `InvalidCondition`, also where nobody could ever meet it."""
    condition = condition_of(document)
    checks.refuse_impossible(condition)
    return condition


async def warnings(work: Work, document: Any) -> Sequence[Problem]:
    """Returns what is odd about a condition: each a place in it, and a word."""
    return await checks.warnings(work, condition_of(document))


async def create(work: Work, segment_id: str, *, name: str, description: str, document: Any, by: Actor) -> SegmentRow:
    """Creates a segment as a draft. Raises `SegmentExists`, or `InvalidCondition`."""
    condition = meetable(document)
    row = SegmentRow(
        id=segment_id,
        revision=1,
        state="draft",
        name=name,
        description=description,
        draft=_json(condition),
        live_version=None,
        author=by.subject,
        created_at=work.now,
        changed_at=work.now,
    )
    if not await repository.add(work, row):
        raise SegmentExists(f"{segment_id}: choose another id, or change that one")
    await audit.record(work, by, "segment.created", "segment", segment_id, {"name": name})
    return row


async def change(
    work: Work, segment_id: str, *, revision: int, name: str, description: str, document: Any, by: Actor
) -> SegmentRow:
    """Changes a segment's draft; what is live stays until `publish`. Raises `UnknownSegment`, `PreconditionFailed`."""
    condition = meetable(document)
    row = await _locked(work, segment_id, revision)
    row.revision, row.name, row.description, row.draft = row.revision + 1, name, description, _json(condition)
    row.author, row.changed_at = by.subject, work.now
    await repository.save(work, row)
    await audit.record(work, by, "segment.changed", "segment", segment_id, {"revision": row.revision})
    return row


async def publish(work: Work, segment_id: str, *, revision: int, by: Actor) -> SegmentRow:
    """Makes the draft a version, in force from now on everywhere; the base is looked at by it afterwards.

    Raises `InvalidCondition` for a definition that would depend on itself, or on a segment that is not live.
    """
    row = await _locked(work, segment_id, revision)
    condition = condition_of(msgspec.json.decode(row.draft))
    live = await repository.in_force(work)
    _check_others(segment_id, condition, live, await _rules(work))
    if row.state != "live" and len(live) >= MAX_LIVE:
        raise TooManyLive(f"{MAX_LIVE} are live: archive one first")
    known = await repository.versions(work, segment_id)
    version = known[0].version + 1 if known else 1
    await repository.publish(
        work,
        VersionRow(
            segment_id=segment_id,
            version=version,
            name=row.name,
            condition=row.draft,
            author=by.subject,
            effective_at=work.now,
            backfilled_to=None,
            backfilled_at=None,
            looked_at=0,
        ),
    )
    row.state, row.live_version, row.revision, row.changed_at = "live", version, row.revision + 1, work.now
    await repository.save(work, row)
    await repository.revise(work)
    work.wakes = True
    await audit.record(work, by, "segment.published", "segment", segment_id, {"version": version})
    return row


async def archive(work: Work, segment_id: str, *, revision: int, by: Actor) -> SegmentRow:
    """Ends a live segment: nobody is in it any more.

    Raises `SegmentInUse` where another that is live asks about it, or where its members have a tag.
    """
    row = await _locked(work, segment_id, revision)
    users = [one.segment_id for one in await repository.in_force(work) if segment_id in _needs(one, {})]
    if users:
        raise SegmentInUse(f"{', '.join(users)} ask about it: change them first")
    tags = [name for name, by in (await _rules(work)).items() if by == segment_id]
    if tags:
        raise SegmentInUse(f"its members have the tags {', '.join(tags)}: change their rules first")
    row.state, row.revision, row.changed_at = "archived", row.revision + 1, work.now
    await repository.save(work, row)
    await repository.revise(work)
    await audit.record(work, by, "segment.archived", "segment", segment_id)
    return row


async def one(work: Work, segment_id: str) -> SegmentRow:
    """Returns a segment. Raises `UnknownSegment`, with the nearest id."""
    found = await repository.one(work, segment_id)
    if found is None:
        raise await _unknown(work, segment_id)
    return found


async def versions(work: Work, segment_id: str) -> Sequence[VersionRow]:
    """Returns the versions of a segment, newest first. Raises `UnknownSegment`."""
    await one(work, segment_id)
    return await repository.versions(work, segment_id)


async def every(work: Work, *, state: str | None, after: str | None, limit: int) -> Sequence[SegmentRow]:
    """Returns a page of segments by id."""
    return await repository.every(work, state=state, after=after, limit=limit)


async def sizes(work: Work) -> Mapping[str, int]:
    """Returns how many customers are in each segment that has any."""
    return {row.segment_id: row.members for row in await members_rows.sizes(work)}


async def members(work: Work, segment_id: str, *, after: UUID | None, limit: int) -> Sequence[MembershipRow]:
    """Returns a page of the customers in a live segment. Raises `UnknownSegment`, or `SegmentNotLive`."""
    row = await one(work, segment_id)
    if row.state != "live":
        raise SegmentNotLive(f"{segment_id} is {row.state}")
    return await members_rows.members(work, segment_id, after=after, limit=limit)


async def overlap(work: Work, segment_id: str, other: str) -> int:
    """Returns how many customers are in both segments. Raises `UnknownSegment`."""
    await one(work, segment_id)
    await one(work, other)
    return await members_rows.overlap(work, segment_id, other)


async def of_customer(work: Work, profile_id: UUID) -> Sequence[MembershipRow]:
    """Returns the live segments that a customer is in, by id; a merged id still works."""
    root = (await aliases.canonical(work, [profile_id]))[profile_id]
    live = {row.segment_id for row in await repository.in_force(work)}
    found = (await members_rows.of(work, [root])).get(root, {})
    return [members_rows.row_of(root, name, one) for name, one in sorted(found.items()) if one.member and name in live]


async def preview(work: Work, document: Any) -> Preview:
    """Returns how many customers a condition matches now, exactly. Raises `InvalidCondition`."""
    query = Query(work.now)
    verdict = meetable(document).sql(query)
    found = await evaluation.preview(work, query, verdict, sample=SAMPLE)
    return Preview(matches=found.matches, of=found.customers, sample=found.sample)


async def evaluate(work: Work, document: Any, profile_ids: Sequence[UUID]) -> Mapping[UUID, bool | None]:
    """Returns what is true of each of these customers now; None where nobody can say. Raises `InvalidCondition`."""
    condition = condition_of(document)
    canonical = await aliases.canonical(work, profile_ids)
    loaded = await customers.load(work, canonical.values(), events=condition.events())
    check = condition.compiled()
    return {one: check(loaded[canonical[one]], work.now) for one in profile_ids}


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """Why a customer is in a segment or not: the verdict, each clause's, and when passing time turns it."""

    profile_id: UUID
    member: bool
    since: datetime | None
    turns_at: datetime | None
    clause: Clause


async def explained(work: Work, segment_id: str, profile_id: UUID) -> Explained:
    """Returns why a customer is in a live segment or not.

    Raises `UnknownSegment`, `SegmentNotLive`, or `UnknownCustomer`.
    """
    row = await one(work, segment_id)
    if row.state != "live":
        raise SegmentNotLive(f"{segment_id} is {row.state}")
    version = next(one for one in await repository.versions(work, segment_id) if one.version == row.live_version)
    condition = condition_of(msgspec.json.decode(version.condition))
    customer = await _customer(work, profile_id, condition)
    stored = (await members_rows.of(work, [customer.profile_id])).get(customer.profile_id, {}).get(segment_id)
    program = compiled(condition)
    return Explained(
        profile_id=customer.profile_id,
        member=program.holds(customer, work.now),
        since=stored.since if stored is not None else None,
        turns_at=program.next_flip(customer, work.now),
        clause=explain(condition, customer, work.now),
    )


async def _customer(work: Work, profile_id: UUID, condition: Condition) -> Customer:
    root = (await aliases.canonical(work, [profile_id]))[profile_id]
    if not await evaluation.exists(work, root):
        raise UnknownCustomer(f"no customer {profile_id}")
    return (await customers.load(work, [root], events=condition.events()))[root]


async def _locked(work: Work, segment_id: str, revision: int) -> SegmentRow:
    row = await repository.one(work, segment_id, lock=True)
    if row is None:
        raise await _unknown(work, segment_id)
    if row.revision != revision:
        raise PreconditionFailed(f"{segment_id} was changed since it was read: it is at {row.revision}")
    return row


async def _unknown(work: Work, segment_id: str) -> UnknownSegment:
    names = [row.id for row in await repository.every(work)]
    return UnknownSegment(f"no segment {segment_id}{nearest(segment_id, names)}")


def _check_others(segment_id: str, condition: Condition, live: Sequence[VersionRow], rules: Mapping[str, str]) -> None:
    """Raises `InvalidCondition` where a definition asks about itself, through others and tags, or what is not live."""
    names = [one.segment_id for one in live]
    missing = [name for name in segments_in(condition) if name not in names and name != segment_id]
    if missing:
        hints = "; ".join(f"{name} is not a live segment{nearest(name, names)}" for name in missing)
        raise InvalidCondition([Problem("", hints)])
    found = circle({**{one.segment_id: _needs(one, rules) for one in live}, segment_id: needs_of(condition, rules)})
    if found:
        raise InvalidCondition([Problem("", f"it would depend on itself: {' asks about '.join(found)}")])


async def live_needs(work: Work, rules: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """Returns the segments that each live segment depends on; `rules` are the segments of tags by rule, by tag."""
    return {one.segment_id: _needs(one, rules) for one in await repository.in_force(work)}


async def live_conditions(work: Work) -> Mapping[str, Condition]:
    """Returns the conditions in force, by segment."""
    return {one.segment_id: _condition(one) for one in await repository.in_force(work)}


async def _rules(work: Work) -> Mapping[str, str]:
    return {rule.name: rule.segment_id for rule in await tag_rows.rules(work)}


def _needs(row: VersionRow, rules: Mapping[str, str]) -> list[str]:
    return needs_of(_condition(row), rules)


def _condition(row: VersionRow) -> Condition:
    return read(msgspec.json.decode(row.condition), LIMITS)


def _json(condition: Condition) -> Json:
    return Json(msgspec.json.encode(written(condition)).decode())
