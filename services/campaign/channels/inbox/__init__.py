"""The inbox in the company's own app: handing over is a row, which the app reads by `GET /v1/inbox`."""

from services.campaign.channels.inbox.channel import Deliver, InboxChannel

__all__ = ["Deliver", "InboxChannel"]
