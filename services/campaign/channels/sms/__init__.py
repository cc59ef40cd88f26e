"""SMS by a provider over HTTP. The protocol: docs/campaign-channels.md."""

from services.campaign.channels.sms.channel import SmsChannel

__all__ = ["SmsChannel"]
