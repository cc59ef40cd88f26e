"""What every channel does."""

from typing import Protocol

from services.campaign.domain.delivery import Message, Reply


class Channel(Protocol):
    """A way to a customer."""

    async def send(self, message: Message) -> Reply:
        """Hands one message over. Answers well within the lease, whatever the provider does, and does not raise."""
        ...

    async def close(self) -> None:
        """Ends idle connections."""
        ...
