"""Lists: what they are, uploads of members, and who is on them."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from services.segment.domain.definitions import lists_in
from services.segment.domain.uploads import BadRow, Entry
from services.segment.repository import lists as repository
from services.segment.repository.lists import ListMemberRow as ListMemberRow
from services.segment.repository.lists import ListRow as ListRow
from services.segment.service.segments import live_conditions
from services.segment.service.tag_rules import SOURCE
from shared import audit
from shared.audit import Actor
from shared.contracts import topics
from shared.contracts.envelope import Event, SourceKind, derived_id
from shared.contracts.events import ListMemberAdded, ListMemberRemoved
from shared.contracts.identity import partition_key
from shared.database.database import Work
from shared.errors import Conflict, NotFound, PreconditionFailed
from shared.service.logging import traceparent

ROWS_AT_ONCE: Final = 1_000  # of an upload, a transaction
NO_CUSTOMER: Final = "ref: there is no customer with this profile id"


class UnknownList(NotFound):
    """There is no such list."""


class ListExists(Conflict):
    """There is, or was, a list with this id."""


class ListInUse(Conflict):
    """Live segments ask about the list."""


async def create(work: Work, list_id: str, *, name: str, description: str, by: Actor) -> ListRow:
    """Creates an empty list. Raises `ListExists`, also for the id of one that was deleted: its facts are on record."""
    row = ListRow(id=list_id, name=name, description=description, revision=1, changed_at=work.now, author=by.subject)
    if not await repository.add(work, row):
        known = await repository.one(work, list_id)
        deleted = known is not None and known.deleted_at is not None
        raise ListExists(f"{list_id}: {'it was deleted; ' if deleted else ''}choose another id")
    await audit.record(work, by, "list.created", "list", list_id, {"name": name})
    return row


async def change(work: Work, list_id: str, *, revision: int, name: str, description: str, by: Actor) -> ListRow:
    """Changes what a list is called. Raises `UnknownList`, `PreconditionFailed`."""
    row = await _locked(work, list_id, revision)
    row.name, row.description, row.revision = name, description, row.revision + 1
    row.author, row.changed_at = by.subject, work.now
    await repository.save(work, row)
    await audit.record(work, by, "list.changed", "list", list_id, {"name": name, "revision": row.revision})
    return row


async def delete(work: Work, list_id: str, *, revision: int, by: Actor) -> None:
    """Deletes a list; its id is not given again. Raises `UnknownList`, `PreconditionFailed`, or `ListInUse`."""
    row = await _locked(work, list_id, revision)
    users = [name for name, condition in (await live_conditions(work)).items() if list_id in lists_in(condition)]
    if users:
        raise ListInUse(f"{', '.join(users)} ask about it: change them first")
    row.deleted_at, row.changed_at, row.author, row.revision = work.now, work.now, by.subject, row.revision + 1
    await repository.save(work, row)
    await audit.record(work, by, "list.deleted", "list", list_id)


async def one(work: Work, list_id: str) -> ListRow:
    """Returns a list. Raises `UnknownList`."""
    row = await repository.one(work, list_id)
    if row is None or row.deleted_at is not None:
        raise UnknownList(f"no list {list_id}")
    return row


async def page(work: Work, *, after: str | None, limit: int) -> Sequence[ListRow]:
    """Returns a page of lists by id."""
    return await repository.page(work, after=after, limit=limit)


async def sizes(work: Work, rows: Sequence[ListRow]) -> Mapping[str, int]:
    """Returns how many customers are on each of these lists now."""
    found = await repository.sizes(work, [row.id for row in rows])
    return {row.id: found.get(row.id, 0) for row in rows}


async def members(work: Work, list_id: str, *, after: UUID | None, limit: int) -> Sequence[ListMemberRow]:
    """Returns a page of the customers who are on a list now, by id. Raises `UnknownList`."""
    await one(work, list_id)
    return await repository.members(work, list_id, after=after, limit=limit)


async def note_upload(work: Work, list_id: str, upload_id: UUID, *, adds: bool, rows: int, by: Actor) -> None:
    """Notes in the audit log that somebody sends members of a list. Raises `UnknownList`."""
    await one(work, list_id)
    action = "list.members_added" if adds else "list.members_removed"
    await audit.record(work, by, action, "list", list_id, {"upload": str(upload_id), "rows": rows})


async def publish(
    work: Work, list_id: str, upload_id: UUID, entries: Sequence[Entry], *, adds: bool, partition_secret: bytes
) -> list[BadRow]:
    """Publishes rows of an upload as facts, which count once they come back through profile.

    Returns those that name no customer. Guarantee: rows that are published again have the same ids, and count once.
    """
    ids = [entry.profile_id for entry in entries if entry.profile_id is not None]
    known = await repository.known_customers(work, ids) if ids else set()
    bad: list[BadRow] = []
    keyed: list[tuple[bytes, Event]] = []
    for entry in entries:
        if entry.profile_id is not None and entry.profile_id not in known:
            bad.append(BadRow(row=entry.row, reason=NO_CUSTOMER))
            continue
        key = partition_key(str(entry.profile_id or entry.identity), secret=partition_secret)
        keyed.append((key, _fact(work, list_id, upload_id, entry, adds=adds)))
    await work.outbox.add(topics.EVENTS, keyed)
    return bad


def _fact(work: Work, list_id: str, upload_id: UUID, entry: Entry, *, adds: bool) -> Event:
    body = ListMemberAdded(list_id=list_id, expires_at=entry.expires_at) if adds else ListMemberRemoved(list_id=list_id)
    return Event(
        event_id=derived_id(upload_id, type(body).__name__, list_id, entry.row),
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=work.now,
        received_at=work.now,
        profile_id=entry.profile_id,
        identities=() if entry.identity is None else (entry.identity,),
        body=body,
        source_version=entry.row,  # of two rows about one customer the later counts
        traceparent=traceparent(),
    )


async def _locked(work: Work, list_id: str, revision: int) -> ListRow:
    row = await repository.one(work, list_id, lock=True)
    if row is None or row.deleted_at is not None:
        raise UnknownList(f"no list {list_id}")
    if row.revision != revision:
        raise PreconditionFailed(f"{list_id} was changed since it was read: it is at {row.revision}")
    return row
