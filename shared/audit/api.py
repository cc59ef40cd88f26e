"""`GET /v1/audit`, in every service."""

from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel

from shared.audit import log
from shared.audit.chain import Entry
from shared.http import Db, PageSize, decode_cursor, encode_cursor, requires
from shared.http.guarded import GuardedRoute


class EntryOut(BaseModel):
    """One change of a definition."""

    sequence: int
    at: datetime
    subject: str
    scopes: list[str]
    action: str
    object_kind: str
    object_id: str
    change: dict[str, Any]
    previous: str
    hash: str

    @classmethod
    def of(cls, entry: Entry) -> "EntryOut":
        """Returns the entry, with its hashes in hexadecimal."""
        return cls(
            sequence=entry.sequence,
            at=entry.at,
            subject=entry.subject,
            scopes=entry.scopes.split(),
            action=entry.action,
            object_kind=entry.object_kind,
            object_id=entry.object_id,
            change=msgspec.json.decode(entry.change),
            previous=entry.previous.hex(),
            hash=entry.hash.hex(),
        )


class AuditOut(BaseModel):
    """Changes, newest first."""

    entries: list[EntryOut]
    next: str | None


@cache
def router_of(service: str) -> APIRouter:
    """Returns the route, under the service's admin scope."""
    router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["operations"])

    @router.get("/audit", dependencies=[requires(f"{service}:admin")], summary="List who changed what, newest first")
    async def audit(database: Db, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50) -> AuditOut:
        """Returns one page of the audit log. Pass `next` as `cursor` to get the page after it.

        Each entry's hash covers its content and the hash before it; `python -m services.<name> audit verify` checks it.
        """
        _, before = decode_cursor(cursor, tuple[Literal["audit"], int]) if cursor else ("", None)
        async with database.work() as work:
            entries = await log.page(work, before=before, limit=limit)
        last = entries[-1] if len(entries) == limit else None
        return AuditOut(
            entries=[EntryOut.of(entry) for entry in entries],
            next=encode_cursor("audit", last.sequence) if last else None,
        )

    return router
