"""The route that erases what was refused of a customer."""

from fastapi import APIRouter

from services.ingest.schemas.erasures import ErasureIn, RefusedErasedOut
from services.ingest.service import erasing
from shared.audit import Actor
from shared.contracts.identity import Identity, Namespace
from shared.http import Caller, Db, requires
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["quarantine"])


@router.post("/erasures", dependencies=[requires("ingest:admin")], summary="Erase what was refused of a customer")
async def erase(database: Db, caller: Caller, body: ErasureIn) -> RefusedErasedOut:
    """Deletes quarantined payloads and rejected rows that name one of these identities, and notes of whose an order is.

    What was taken in is erased at profile: its answer to `DELETE /v1/profiles/{ref}` lists the identities to give here.
    All that is kept is looked through, so this takes a second for some ten thousand payloads.
    """
    identities = [Identity(Namespace(one.namespace), one.value) for one in body.identities]
    return RefusedErasedOut.model_validate(await erasing.erase(database, identities, Actor.of(caller)))
