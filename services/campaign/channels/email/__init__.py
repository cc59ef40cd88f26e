"""Mail by SMTP."""

from services.campaign.channels.email.channel import EmailChannel

__all__ = ["EmailChannel"]
