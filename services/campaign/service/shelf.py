"""The shelf: journeys that come ready, with their templates, and do nothing until somebody takes and publishes one."""

from collections.abc import Collection, Sequence

from services.campaign import content
from services.campaign.content import OnShelf
from services.campaign.domain.journey.problems import Problem
from services.campaign.service import journeys, known, templates
from services.campaign.service.journeys import Shown
from shared.audit import Actor
from shared.database.database import Work
from shared.errors import NotFound


class NotOnTheShelf(NotFound):
    """There is no such journey on the shelf."""


def every() -> Sequence[OnShelf]:
    """Returns what stands on the shelf, by id."""
    return content.shelf()


async def take(work: Work, journey_id: str, channels: Collection[str], *, by: Actor) -> tuple[Shown, Sequence[Problem]]:
    """Makes a draft of a journey on the shelf, and publishes those of its templates that there are not yet.

    Raises `NotOnTheShelf`, or `JourneyExists` if it was taken before.
    """
    found = next((one for one in content.shelf() if one.id == journey_id), None)
    if found is None:
        raise NotOnTheShelf(f"journey {journey_id}")
    there = {one.template_id for one in await templates.every(work)}
    for name, document in found.templates.items():
        if name not in there:
            made, _ = await templates.create(work, name, document, by=by)
            await templates.publish(work, name, revision=made.revision, by=by)
    return await journeys.create(work, journey_id, found.journey, await known.look(work, channels), by=by)
