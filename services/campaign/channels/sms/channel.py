"""SMS: a POST with a bearer token, and the message's id as its idempotency key."""

from typing import Final

import msgspec

from services.campaign.channels.http import HttpProvider
from services.campaign.domain.channels.registry import SMS
from services.campaign.domain.delivery import Message, Reply

IDEMPOTENCY_KEY: Final = "Idempotency-Key"  # draft-ietf-httpapi-idempotency-key-header


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    to: str
    text: str
    transactional: bool


class SmsChannel:
    """Hands messages to the provider at `url`."""

    def __init__(self, url: str, token: str, *, seconds: float, concurrency: int) -> None:
        self._url = url
        self._token = token
        self._provider = HttpProvider(may_lose=SMS.may_lose, seconds=seconds, concurrency=concurrency)

    async def send(self, message: Message) -> Reply:
        """Hands one message over. After silence it is `Lost`: a provider may forget the keys that it has seen."""
        request = _Request(
            id=str(message.id), to=message.to, text=message.part("sms"), transactional=message.transactional
        )
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            IDEMPOTENCY_KEY: str(message.id),
            **message.headers,
        }
        return await self._provider.post(self._url, msgspec.json.encode(request), headers, without=message.to)

    async def close(self) -> None:
        """Ends idle connections."""
        await self._provider.close()
