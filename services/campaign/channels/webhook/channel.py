"""Webhooks: a signed POST to the company's own endpoint, which brings the message to the customer by its own means."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from services.campaign.channels.http import HttpProvider
from services.campaign.channels.webhook.destination import ForbiddenDestination, destination_of
from services.campaign.channels.webhook.signing import signed_headers
from services.campaign.domain.channels.registry import WEBHOOK
from services.campaign.domain.delivery import Deferred, Message, Reply
from services.campaign.domain.http_replies import untrusted

TYPE: Final = "message.requested"


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    message_id: str
    profile_id: str
    parts: Mapping[str, str]
    transactional: bool
    context: Mapping[str, str]
    unsubscribe_url: str


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    timestamp: datetime
    data: _Data


class WebhookChannel:
    """Hands messages to the endpoint at `url`, signed with `key`."""

    def __init__(self, url: str, key: bytes, *, allow_private: bool, seconds: float, concurrency: int) -> None:
        self._url = url
        self._key = key
        self._allow_private = allow_private
        self._provider = HttpProvider(may_lose=WEBHOOK.may_lose, seconds=seconds, concurrency=concurrency)

    async def send(self, message: Message) -> Reply:
        """Hands one message over. After silence it is tried again under the same id, which its receiver tells apart."""
        try:
            to = await destination_of(self._url, allow_private=self._allow_private)
        except ForbiddenDestination as error:
            return untrusted(str(error))
        except OSError as error:
            return Deferred(f"provider: {error}", counted=False)
        content = msgspec.json.encode(_payload(message))
        headers = {
            "Content-Type": "application/json",
            "Host": to.host,
            **signed_headers(self._key, message.id, message.at, content),
        }
        return await self._provider.post(to.url, content, headers, extensions={"sni_hostname": to.server_name})

    async def close(self) -> None:
        """Ends idle connections."""
        await self._provider.close()


def _payload(message: Message) -> _Payload:
    return _Payload(
        type=TYPE,
        timestamp=message.at,
        data=_Data(
            message_id=str(message.id),
            profile_id=message.to,
            parts=message.parts,
            transactional=message.transactional,
            context={name.removeprefix("X-Rapport-").lower(): value for name, value in message.headers.items()},
            unsubscribe_url=message.unsubscribe_url,
        ),
    )
