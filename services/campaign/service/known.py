"""What definitions may name: the channels and languages that there are, and the templates that are published."""

from services.campaign import content
from services.campaign.domain.journey.nodes.node import Known
from services.campaign.repository import templates
from shared.database.database import Work


async def look(work: Work) -> Known:
    """Returns what a definition may name now."""
    known = content.known()
    return Known(
        templates={**known.templates, **await templates.languages(work)},
        channels=known.channels,
        languages=known.languages,
    )
