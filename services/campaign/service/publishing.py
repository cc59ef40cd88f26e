"""The journeys and templates that come with the service: published at its start, each version once and for ever."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.template.document import Template
from services.campaign.repository import journeys as repository
from services.campaign.repository import templates as template_rows
from shared.database.database import Work
from shared.errors import Conflict
from shared.service.logging import get_logger

log: Final = get_logger(__name__)


class Changed(Conflict):
    """A version that is published is another one here: decisions name it, so it stays what it was."""


async def publish(work: Work, journeys: Sequence[Journey]) -> None:
    """Publishes what is not published yet; several processes may do so at once. Raises `Changed`.

    A journey of which somebody here has published a version is the shop's own from then on, and stays as it is.
    """
    for journey_id, version in await repository.publish(work, journeys):
        work.afterwards.append(partial(log.info, "journey.published", journey=journey_id, version=version))
    known = {
        (one.journey.id, one.journey.version): one.journey
        for one in await repository.published(work)
        if not one.published_by
    }
    for one in journeys:
        if known.get((one.id, one.version), one) != one:
            raise Changed(
                f"journey {one.id}: version {one.version} was published with other content; raise its version"
            )


async def publish_templates(work: Work, templates: Mapping[str, Template]) -> None:
    """Publishes what is not published yet; several processes may do so at once.

    What a release changes becomes the next version. A template of which somebody here has published a version is the
    shop's own from then on, and stays as it is.
    """
    for template_id, version in await template_rows.ship(work, templates):
        work.afterwards.append(partial(log.info, "template.published", template=template_id, version=version))
