"""A signed webhook to the company's own endpoint, by Standard Webhooks 1.0."""

from services.campaign.channels.webhook.channel import WebhookChannel

__all__ = ["WebhookChannel"]
