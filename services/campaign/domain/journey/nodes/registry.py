"""Every kind of node. The next one is a file beside this one and a line here."""

from services.campaign.domain.journey.nodes.branch import Branch
from services.campaign.domain.journey.nodes.coupon import GiveCoupon
from services.campaign.domain.journey.nodes.exit import Exit
from services.campaign.domain.journey.nodes.go_to import GoTo
from services.campaign.domain.journey.nodes.message import SendMessage
from services.campaign.domain.journey.nodes.split import Split
from services.campaign.domain.journey.nodes.update import Update
from services.campaign.domain.journey.nodes.wait import Wait
from services.campaign.domain.journey.nodes.wait_for_date import WaitForDate
from services.campaign.domain.journey.nodes.wait_for_event import WaitForEvent
from services.campaign.domain.journey.nodes.wait_for_segment import WaitForSegment
from services.campaign.domain.journey.nodes.wait_until import WaitUntil

AnyNode = (
    SendMessage
    | Wait
    | WaitUntil
    | WaitForDate
    | WaitForEvent
    | WaitForSegment
    | Branch
    | Split
    | Update
    | GiveCoupon
    | GoTo
    | Exit
)
