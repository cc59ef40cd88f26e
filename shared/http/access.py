"""Who calls, and what they may do; the database that routes work on."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.database import aliases
from shared.database.database import Database, Work
from shared.errors import Forbidden, Unauthorized
from shared.http.auth import Principal, Verifier

bearer: Final = HTTPBearer(auto_error=False, description="A JWT with audience `rapport`")


async def principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
) -> Principal:
    """Returns the caller, from the bearer token, which is verified once a request. Raises `Unauthorized`."""
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None:
        return known
    if credentials is None:
        raise Unauthorized("send Authorization: Bearer <token>", challenge="Bearer")
    verifier: Verifier = request.app.state.verifier
    request.state.principal = await verifier.verify(credentials.credentials)
    found: Principal = request.state.principal
    return found


Caller = Annotated[Principal, Depends(principal)]


class RequiredScope:
    """A check that the caller's token has a scope."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    async def __call__(self, caller: Caller) -> Principal:  # async: anything else would go through a thread
        """Returns the caller; raises `Forbidden`."""
        caller.require(self._scope)
        return caller


def requires(scope: str) -> Any:
    """Returns a route dependency: the caller's token must have this scope."""
    return Depends(RequiredScope(scope))


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
    """Returns the service's database, for routes: `async with database.work() as work`."""
    found: Database = request.app.state.database
    return found


Db = Annotated[Database, Depends(database)]
