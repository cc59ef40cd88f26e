"""Services inside the test's own process, on real PostgreSQL and a real broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from pydantic import SecretStr

from deploy.local.broker import Broker, EmbeddedBroker
from shared import process
from shared.settings import Settings

DEADLINE_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 0.05
SESSION_MILLISECONDS: Final = 1_500
KAFKA_SESSION_MILLISECONDS: Final = 3_000  # half of what services have: killed and left members are waited for

_T = TypeVar("_T")


def session_milliseconds(broker: Broker) -> int:
    """How long a consumer may be silent. The embedded broker lets a group form after half of it."""
    return SESSION_MILLISECONDS if isinstance(broker, EmbeddedBroker) else KAFKA_SESSION_MILLISECONDS


@asynccontextmanager
async def running(
    service: process.Service, roles: Sequence[str] = ("consumer", "relay")
) -> AsyncIterator[process.Service]:
    """A service that runs inside the block and drains at its end."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(process.run(service, stop=stop, roles=roles))
        try:
            yield service
        finally:
            stop.set()


async def eventually(
    ask: Callable[[], Awaitable[_T]], accept: Callable[[_T], bool], *, deadline_seconds: float = DEADLINE_SECONDS
) -> _T:
    """Asks until the answer is accepted; fails with the last answer when the deadline passes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_seconds
    while True:
        answer = await ask()
        if accept(answer):
            return answer
        if loop.time() > end:
            raise AssertionError(f"after {deadline_seconds:.0f} s the last answer was {answer!r}")
        await asyncio.sleep(PAUSE_SECONDS)


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment of a process with these settings, secrets in the clear."""
    values = settings.model_dump().items()
    return {name.upper(): str(v.get_secret_value() if isinstance(v, SecretStr) else v) for name, v in values}
