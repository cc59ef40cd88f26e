"""The page that a link in a mail leads to."""

from services.campaign import content
from services.campaign.domain.links import Link
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
