"""Who calls, and what they may do; the database that routes work on."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared import aliases
from shared.auth import Principal, Verifier
from shared.db import Database, Work
from shared.errors import Forbidden, Unauthorized

bearer: Final = HTTPBearer(auto_error=False, description="A JWT with audience `rapport`")


async def principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
) -> Principal:
    """The caller, from the bearer token; raises `Unauthorized`."""
    if credentials is None:
        raise Unauthorized("send Authorization: Bearer <token>", challenge="Bearer")
    verifier: Verifier = request.app.state.verifier
    return await verifier.verify(credentials.credentials)


Caller = Annotated[Principal, Depends(principal)]


def requires(scope: str) -> Any:
    """A route dependency: the caller's token must have this scope."""

    def check(caller: Caller) -> Principal:
        caller.require(scope)
        return caller

    return Depends(check)


async def require_customer_or(scope: str, caller: Principal, work: Work, profile_id: UUID) -> None:
    """Raises `Forbidden` unless the caller has the scope, or is that customer.

    A token that names a former id of the customer counts as far as a trusted source made that id the customer's.
    """
    if caller.scopes:
        caller.require(scope)
        return
    try:
        subject = UUID(caller.subject)
    except ValueError:
        raise Forbidden(f"this needs the scope {scope}") from None
    if not await aliases.opens(work, subject, profile_id):
        raise Forbidden("a customer's token is for that customer only")


def database(request: Request) -> Database:
    """The service's database, for routes: `async with database.work() as work`."""
    found: Database = request.app.state.database
    return found


Db = Annotated[Database, Depends(database)]
