"""The channels that this process has, by the settings: each one's adapter, by the name of its capabilities."""

from collections.abc import Callable, Mapping
from typing import Final

from services.campaign.channels.channel import Channel
from services.campaign.channels.email import EmailChannel
from services.campaign.channels.inbox import Deliver, InboxChannel
from services.campaign.channels.sms import SmsChannel
from services.campaign.channels.webhook import WebhookChannel
from services.campaign.domain.channels.registry import EMAIL, INBOX, SMS, WEBHOOK
from services.campaign.settings import CampaignSettings


def _email(settings: CampaignSettings, _: Deliver) -> Channel:
    return EmailChannel(settings)


def _sms(settings: CampaignSettings, _: Deliver) -> Channel | None:
    if not settings.sms_url:
        return None
    return SmsChannel(
        settings.sms_url,
        settings.sms_token.get_secret_value(),
        seconds=settings.http_handover_seconds,
        concurrency=settings.sender_concurrency,
    )


def _inbox(_: CampaignSettings, deliver: Deliver) -> Channel:
    return InboxChannel(deliver)


def _webhook(settings: CampaignSettings, _: Deliver) -> Channel | None:
    if not settings.webhook_url:
        return None
    return WebhookChannel(
        settings.webhook_url,
        settings.webhook_key,
        allow_private=settings.webhook_allow_private,
        seconds=settings.http_handover_seconds,
        concurrency=settings.sender_concurrency,
    )


ADAPTERS: Final[Mapping[str, Callable[[CampaignSettings, Deliver], Channel | None]]] = {
    EMAIL.name: _email,
    SMS.name: _sms,
    INBOX.name: _inbox,
    WEBHOOK.name: _webhook,
}


def channels(settings: CampaignSettings, *, deliver: Deliver) -> Mapping[str, Channel]:
    """Returns the channels that are set up. `deliver` puts a message into the inbox."""
    made = {name: adapter(settings, deliver) for name, adapter in ADAPTERS.items()}
    return {name: channel for name, channel in made.items() if channel is not None}
