"""The page that a link in a mail leads to."""

from collections.abc import Sequence

from services.campaign import content
from services.campaign.domain.links import Link
from services.campaign.service.preferring import Preference
from shared.contracts.consent import pair_of
from shared.contracts.events import MARKETING


def page(link: Link | None, state: str) -> str:
    """Returns the page that a link leads to, in one of its states and in the language of its mail.

    Without a link it is the page that says that the link is invalid.
    """
    if link is None:
        return content.pages().render("", "invalid")
    purpose = pair_of(link.consent_to).purpose
    return content.pages().render(link.language, state, purpose="" if purpose == MARKETING else purpose)


def preferences_page(link: Link | None, state: str, found: Sequence[Preference]) -> str:
    """Returns the page of preferences in one of its states; without a link it says that the link is invalid."""
    if link is None:
        return content.pages().preferences("", "invalid", [])
    shown = [
        {"pair": str(one.pair), "channel": one.pair.channel, "purpose": one.pair.purpose, "granted": one.granted}
        for one in found
    ]
    return content.pages().preferences(link.language, state, shown)
