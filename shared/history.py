"""The history that profile serves, read over HTTP: what backfills, rebuilds and dry runs begin with.

Guarantee: every event of the partition up to the end that profile stated, in order within each origin and each once,
whatever cuts the connection; or an error. What is read is not held: a part is a page of profile's, 500 events at most.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal
from uuid import UUID

import httpx2
import msgspec

from shared.contracts.changes import ProfileMerged
from shared.contracts.envelope import Event
from shared.contracts.events import Body
from shared.contracts.history import SHORT_NAMES, Position, Progress, position_of, read_line
from shared.contracts.wire import NewerThanCode, Undecodable
from shared.service.logging import get_logger

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 40  # without a byte: longer than profile's own limit of a page
PATIENCE_SECONDS: Final = 60.0  # without any progress
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 5.0
PART_EVENTS: Final = 500
CUT_OFF: Final = "the stream was cut off"

log = get_logger(__name__)


class HistoryAway(Exception):
    """Profile does not serve its history right now; the same may succeed later."""


class HistoryRefused(Exception):
    """Profile refuses to serve its history, or serves what this release can't read: trying again changes nothing."""


@dataclass(frozen=True, slots=True)
class ProfileAddress:
    """Where profile's API is, and the bearer token, with the scope `profile:read`, that opens it."""

    url: str
    token: str


@dataclass(frozen=True, slots=True)
class EventsRead:
    """Some events of one partition, and how far the reader has come with them. `ended`: this is all there was."""

    events: list[Event]
    position: Position
    ended: bool = False


@dataclass(frozen=True, slots=True)
class ProfilesRead:
    """Some merges, or profiles as they stand, and how far the reader has come with them."""

    events: list[Event]
    position: str
    ended: bool = False


class History:
    """A reader of profile's history."""

    def __init__(self, client: httpx2.AsyncClient, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._client = client
        self._patience_seconds = patience_seconds

    async def events(
        self, partition: int | None, *, after: Position | None = None, types: Collection[type[Body]] | None = None
    ) -> AsyncGenerator[EventsRead, None]:
        """Yields the events of a partition of `profile-events` (None: of all) that follow a position.

        `types` leaves out all other types. Raises `HistoryAway` and `HistoryRefused`.
        """
        position = after or Position()
        asked: dict[str, str] = {} if partition is None else {"partition": str(partition)}
        if types is not None:
            asked["types"] = ",".join(name for name, body in SHORT_NAMES.items() if body in types)

        def parameters() -> Mapping[str, str]:
            return {**asked, "after": str(position)} if str(position) else asked

        async with aclosing(self._read("/v1/timeline/export", parameters)) as read:
            async for events, progress in read:
                for event in events:
                    position = position.past(event)
                if progress is not None:
                    position = _position(progress)
                yield EventsRead(events, position, ended=progress is not None and progress.ended)

    async def profiles(self, *, after: str = "") -> AsyncGenerator[ProfilesRead, None]:
        """Yields all merges, and then all profiles as they stand, that follow a position.

        Raises `HistoryAway` and `HistoryRefused`.
        """
        position = after

        def parameters() -> Mapping[str, str]:
            return {"after": position} if position else {}

        async with aclosing(self._read("/v1/profiles/export", parameters)) as read:
            async for events, progress in read:
                if events:
                    position = _place(events[-1])
                if progress is not None:
                    position = progress.position
                yield ProfilesRead(events, position, ended=progress is not None and progress.ended)

    async def ends(self) -> list[Position]:
        """Returns, for each partition of `profile-events`, the position of a reader who has all of it as of now.

        Raises `HistoryAway` and `HistoryRefused`; does not ask again.
        """
        path = "/v1/timeline/ends"
        with _away(path):
            response = await self._client.get(path)
            if response.status_code != HTTPStatus.OK:
                await _refuse(response)
        try:
            return [position_of(one) for one in msgspec.json.decode(response.content, type=_Ends).ends]
        except (msgspec.MsgspecError, ValueError) as error:
            raise HistoryRefused(f"profile's history, {path}: {error}; upgrade this reader") from None

    async def of_customer(self, profile_id: UUID) -> AsyncGenerator[list[Event], None]:
        """Yields the events that are one customer's now, in any order, some at a time.

        Raises `HistoryAway`, also if the stream is cut off, and `HistoryRefused`; does not ask again.
        """
        path = f"/v1/timeline/export/{profile_id}"
        with _away(path):
            async with aclosing(self._once(path, {})) as parts:
                async for events, progress in parts:
                    yield events
                    if progress is not None and progress.ended:
                        return
            raise _NotNow(CUT_OFF)

    async def _read(
        self, path: str, parameters: Callable[[], Mapping[str, str]]
    ) -> AsyncGenerator[tuple[list[Event], Progress | None], None]:
        """Yields what a stream says, asked for again from where the reader has come until it has ended."""
        now = asyncio.get_running_loop().time
        last_progress, pause = now(), FIRST_PAUSE_SECONDS
        while True:
            try:
                async with aclosing(self._once(path, parameters())) as lines:
                    async for part in lines:
                        yield part
                        last_progress, pause = now(), FIRST_PAUSE_SECONDS
                        if part[1] is not None and part[1].ended:
                            return
                why = CUT_OFF
            except (httpx2.TransportError, _NotNow) as error:
                why = str(error) or type(error).__name__
            if now() - last_progress > self._patience_seconds:
                raise HistoryAway(f"profile's history, {path}: {why}")
            log.warning("history.reads_again", path=path, why=why)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _once(
        self, path: str, parameters: Mapping[str, str]
    ) -> AsyncGenerator[tuple[list[Event], Progress | None], None]:
        async with self._client.stream("GET", path, params=dict(parameters)) as response:
            if response.status_code != HTTPStatus.OK:
                await _refuse(response)
            events: list[Event] = []
            async for line in _lines(response):
                try:
                    found = read_line(line)
                except (Undecodable, NewerThanCode) as error:
                    raise HistoryRefused(f"profile's history, {path}: {error}; upgrade this reader") from None
                if isinstance(found, Progress):
                    yield events, found
                    events = []
                else:
                    events.append(found)
                    if len(events) >= PART_EVENTS:
                        yield events, None
                        events = []
            if events:
                yield events, None


class _Ends(msgspec.Struct, frozen=True):
    ends: list[str]


class _NotNow(Exception):
    """An answer that another may follow."""


@contextmanager
def _away(path: str) -> Iterator[None]:
    """Raises `HistoryAway` where profile gave no answer, or one that another may follow."""
    try:
        yield
    except (httpx2.TransportError, _NotNow) as error:
        raise HistoryAway(f"profile's history, {path}: {str(error) or type(error).__name__}") from None


async def _refuse(response: httpx2.Response) -> None:
    body = await response.aread()
    try:
        detail = str(msgspec.json.decode(body)["detail"])
    except (msgspec.MsgspecError, LookupError, TypeError):
        detail = ""
    words = f"{response.status_code} {detail}".strip()
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status_code in _LATER:
        raise _NotNow(words)
    raise HistoryRefused(f"profile answers {words}; see PROFILE_URL and PROFILE_TOKEN")


_LATER: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)


async def _lines(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The lines of a body that ended with a newline each: the client's own way ends lines at U+2028, too."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line


def _position(progress: Progress) -> Position:
    try:
        return position_of(progress.position)
    except ValueError as error:
        raise HistoryRefused(f"profile's history: its position {error}") from None


def _place(event: Event) -> str:
    kind: Literal["merge", "profile"] = "merge" if isinstance(event.body, ProfileMerged) else "profile"
    named: UUID | None = event.body.loser if isinstance(event.body, ProfileMerged) else event.profile_id
    return f"{kind}:{named}"


@asynccontextmanager
async def reading_history(
    profile: ProfileAddress, *, patience_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[History]:
    """Opens a reader of the history of the profile service at an address."""
    timeout = httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    headers = {"Authorization": f"Bearer {profile.token}"}
    async with httpx2.AsyncClient(base_url=profile.url, headers=headers, timeout=timeout, trust_env=False) as client:
        yield History(client, patience_seconds=patience_seconds)
