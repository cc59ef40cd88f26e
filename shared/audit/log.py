"""SQL on the audit log. Entries are only ever added, in the transaction of the change that they tell of."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.audit.chain import Actor, Break, Entry, Head, breaks, entry_after
from shared.database.database import Work

ENTRIES_AT_ONCE: Final = 1_000

_NO_CHANGE: Final[Mapping[str, Any]] = {}
_COLUMNS: Final = """
    sequence, at, subject, scopes, action, object_kind, object_id, CAST(change AS text) AS change, previous, hash
"""


async def record(
    work: Work, by: Actor, action: str, kind: str, object_id: object, change: Mapping[str, Any] = _NO_CHANGE
) -> None:
    """Adds an entry to the service's chain.

    Guarantee: it is committed with the change, or neither is. The head of the chain is locked from here to the end of
    the transaction, so that entries are in the order of their commits and none is skipped: call it last, and only in
    short transactions. `change` must hold no secret and no personal data.
    """
    head = await _locked_head(work)
    entry = entry_after(head, at=work.now, by=by, action=action, kind=kind, object_id=str(object_id), change=change)
    await work.run(
        """
        INSERT INTO audit_log
            (sequence, at, subject, scopes, action, object_kind, object_id, change, previous, hash)
        VALUES
            (:sequence, :at, :subject, :scopes, :action, :object_kind, :object_id, CAST(CAST(:change AS text) AS json),
             :previous, :hash)
        """,
        **{name: getattr(entry, name) for name in Entry.__struct_fields__},
    )
    await work.run("UPDATE audit_head SET sequence = :sequence, hash = :hash", sequence=entry.sequence, hash=entry.hash)


async def page(work: Work, *, before: int | None, limit: int) -> Sequence[Entry]:
    """Returns entries, newest first, older than a sequence."""
    rows = await work.rows(
        f"""
        SELECT {_COLUMNS} FROM audit_log
        WHERE CAST(:before AS bigint) IS NULL OR sequence < CAST(:before AS bigint)
        ORDER BY sequence DESC LIMIT :limit
        """,
        before=before,
        limit=limit,
    )
    return [_entry(row) for row in rows]


async def verify(work: Work, *, known: Head | None = None) -> tuple[Head, Sequence[Break]]:
    """Reads the whole chain. Returns its head and every place where it does not hold.

    `known` is a head noted before: whoever can write to the database could make the whole chain anew, and only a head
    that is kept elsewhere shows that.
    """
    head, found = Head(), list[Break]()
    while entries := await _after(work, head.sequence):
        if known is not None and (wrong := _unlike(known, entries)):
            found.append(wrong)
        for one in breaks(entries, before=head):
            if isinstance(one, Head):
                head = one
            else:
                found.append(one)
    kept = await _head(work)
    if kept != head:
        found.append(Break(head.sequence, f"is the last one, and the head says {kept}: entries at the end are missing"))
    if known is not None and known.sequence > head.sequence:
        found.append(Break(known.sequence, "was noted as the head, and is missing"))
    return head, found


def _unlike(known: Head, entries: Sequence[Entry]) -> Break | None:
    for entry in entries:
        if entry.sequence == known.sequence and entry.hash != known.hash:
            return Break(entry.sequence, "is not the one whose hash was noted")
    return None


async def _after(work: Work, sequence: int) -> Sequence[Entry]:
    rows = await work.rows(
        f"SELECT {_COLUMNS} FROM audit_log WHERE sequence > :sequence ORDER BY sequence LIMIT :limit",
        sequence=sequence,
        limit=ENTRIES_AT_ONCE,
    )
    return [_entry(row) for row in rows]


async def _locked_head(work: Work) -> Head:
    row = await work.row("SELECT sequence, hash FROM audit_head FOR UPDATE")
    assert row is not None  # written by the migration
    return Head(row.sequence, bytes(row.hash))


async def _head(work: Work) -> Head:
    row = await work.row("SELECT sequence, hash FROM audit_head")
    return Head() if row is None else Head(row.sequence, bytes(row.hash))


def _entry(row: Any) -> Entry:
    columns = dict(row._mapping)
    return Entry(**columns | {"previous": bytes(row.previous), "hash": bytes(row.hash)})
