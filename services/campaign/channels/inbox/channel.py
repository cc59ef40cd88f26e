"""The inbox: a message is handed over once its row is committed."""

from collections.abc import Awaitable, Callable

from services.campaign.domain.delivery import Message, Reply

Deliver = Callable[[Message], Awaitable[Reply]]


class InboxChannel:
    """Puts messages into the inbox, by the use case that it is given."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver

    async def send(self, message: Message) -> Reply:
        """Hands one message over. Without an answer of PostgreSQL it is tried again: its id makes it one row."""
        return await self._deliver(message)

    async def close(self) -> None:
        """Does nothing: the database is the service's."""
