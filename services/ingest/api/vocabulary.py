"""The vocabulary, for those who send events: which names mean something, and what."""

from fastapi import APIRouter

from services.ingest.domain.catalogue.vocabulary import VOCABULARY
from services.ingest.schemas.vocabulary import KnownEvent, VocabularyOut
from shared.http import requires
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1/vocabulary", tags=["sources"])


@router.get("", dependencies=[requires("ingest:read")], summary="Every event name that is understood")
async def vocabulary() -> VocabularyOut:
    """Returns the names of `track` calls that are more than a custom event, with their properties and what becomes of
    them. They are the same for all sources; a source's `renaming` comes before them.
    """
    events = [
        KnownEvent(
            name=one.name,
            type=one.type,
            becomes=one.becomes,
            properties=[list(names) for names in one.properties],
            route=one.route,
        )
        for one in VOCABULARY
    ]
    return VocabularyOut(events=events)
