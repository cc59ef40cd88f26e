"""Facts about customers that journeys ask about: they let customers in, move those who wait for them, and take out."""

from collections.abc import Sequence

from services.campaign.domain.journey.events import event_name
from services.campaign.service import entering, published
from shared.contracts.envelope import Event
from shared.database import aliases, erasures
from shared.database.database import Work


async def on_facts(work: Work, events: Sequence[Event], *, partition_secret: bytes) -> None:
    """Takes in the facts of a batch that any definition names; what none names costs no statement but the first."""
    definitions = await published.look(work)
    asked = [
        event for event in events if event.profile_id is not None and event_name(event.body) in definitions.asked_about
    ]
    if not asked:
        return
    await aliases.lock_merges(work, shared=True)
    concerning = [
        (event.profile_id, event) for event in await erasures.without(work, asked) if event.profile_id is not None
    ]
    if concerning:
        await entering.take_in(work, definitions, concerning, partition_secret=partition_secret)
