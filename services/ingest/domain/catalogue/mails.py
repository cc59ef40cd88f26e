"""What became of a mail that another system sent: `Email Delivered`, `Email Opened`, `Email Link Clicked`, …

Source of names and properties: Segment's specification of email events.
"""

from typing import Final

from services.ingest.domain.catalogue.simple import Texts, simple
from shared.contracts.events import (
    MessageBounced,
    MessageClicked,
    MessageDelivered,
    MessageFailed,
    MessageMarkedSpam,
    MessageOpened,
)

_TEXTS: Final[Texts] = {
    "message_id": ("message_id", "email_id"),
    "definition_id": ("definition_id", "campaign_id"),
    "step": "step",
    "subject": ("subject", "email_subject"),
    "purpose": "purpose",
}
_LINK: Final[Texts] = {"link_id": "link_id", "url": ("link_url", "url")}
_NEEDED: Final = ("message_id",)

ENTRIES: Final = (
    simple(MessageDelivered, "email delivered", texts=_TEXTS, required=_NEEDED),
    simple(MessageOpened, "email opened", texts=_TEXTS, required=_NEEDED, flags=("automated",)),
    simple(MessageClicked, "email link clicked", texts={**_TEXTS, **_LINK}, required=_NEEDED, flags=("automated",)),
    simple(
        MessageBounced, "email bounced", texts={**_TEXTS, "reason": "reason"}, required=_NEEDED, flags=("permanent",)
    ),
    simple(MessageFailed, "email failed", texts={**_TEXTS, "reason": "reason"}, required=_NEEDED),
    simple(MessageMarkedSpam, "email marked as spam", texts=_TEXTS, required=_NEEDED),
)
