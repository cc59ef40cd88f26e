"""What sending goes by, beside the journeys themselves."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final, NamedTuple

from services.campaign.content import Templates
from services.campaign.domain.links import Links
from services.campaign.domain.message_definition import Cap
from services.campaign.repository.templates import Cache
from shared.contracts.envelope import service_source

SOURCE: Final = service_source("campaign")


class Rules(NamedTuple):
    """`lease` is longer than any send can take: what is `sending` for so long belonged to a process that died.

    Without `links` mails have none, and nobody is asked to confirm consent. `channels` names those that are set up.
    """

    templates: Templates
    customer_cap: Cap
    unsubscribe: str
    partition_secret: bytes
    lease: timedelta
    links: Links | None = None
    confirmations_per_hour: int = 1_000
    channels: Collection[str] = ("email",)
    template_cache: Cache = Cache()
