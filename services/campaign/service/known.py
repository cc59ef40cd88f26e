"""What definitions may name: the channels and languages that there are, and the templates that are published."""

from collections.abc import Collection

from services.campaign import content
from services.campaign.domain.journey.nodes.node import Known
from services.campaign.repository import templates
from shared.database.database import Work


async def look(work: Work, channels: Collection[str]) -> Known:
    """Returns what a definition may name now, where these channels are set up."""
    known = content.known(channels)
    return Known(
        templates={**known.templates, **await templates.languages(work)},
        channels=known.channels,
        languages=known.languages,
    )
