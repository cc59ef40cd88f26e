"""Services inside the test's own process, on real PostgreSQL and a real broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from pydantic import SecretStr

from deploy.local.broker import Broker, EmbeddedBroker
from shared.service import process
from shared.service.settings import Settings

DEADLINE_SECONDS: Final = 30.0
LONGEST_DEADLINES: Final = 20
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
    """A service that runs inside the block and drains at its end. Without the role `api` it opens no port."""
    if "api" not in roles:
        service.health = None
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(process.run(service, stop=stop, roles=roles))
        try:
            yield service
        finally:
            stop.set()


async def eventually(
    ask: Callable[[], Awaitable[_T]],
    accept: Callable[[_T], bool],
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
    working: "asyncio.Future[Any] | None" = None,
) -> _T:
    """Asks until the answer is accepted; fails with the last answer after so many seconds in which it did not change.

    So what goes on slowly, on a busy machine, is waited for, at most `LONGEST_DEADLINES` times as long. While a task
    is `working` towards the answer there is no deadline but that of the task; that it ends without it is a failure.
    """
    loop = asyncio.get_running_loop()
    begun = changed = loop.time()
    last: _T | None = None
    while True:
        over = working is not None and working.done()
        answer = await ask()
        if accept(answer):
            return answer
        now = loop.time()
        if answer != last:
            last, changed = answer, now
        if over or now - begun > deadline_seconds * LONGEST_DEADLINES:
            raise AssertionError(f"after {now - begun:.0f} s the last answer was {answer!r}")
        if working is None and now - changed > deadline_seconds:
            raise AssertionError(f"for {deadline_seconds:.0f} s the answer was {answer!r}")
        await asyncio.sleep(PAUSE_SECONDS)


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment of a process with these settings, secrets in the clear."""
    values = settings.model_dump().items()
    return {name.upper(): str(v.get_secret_value() if isinstance(v, SecretStr) else v) for name, v in values}
