"""What lies at the provider: which messages it kept, and which sends were under way when their sender went away."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

Triple = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Kept:
    """One message at the provider. A header that it does not have is empty here."""

    profile: str
    journey: str
    trigger: str
    message_id: str
    at: datetime
    to: str = ""

    @property
    def triple(self) -> Triple:
        """What must never be sent twice."""
        return self.profile, self.journey, self.trigger


class Step(msgspec.Struct, frozen=True):
    """One line of the provider's log of its connections."""

    at: datetime
    connection: str
    event: Literal["connected", "recipient", "kept", "answered", "lost"]
    to: str = ""
    id: int = 0


class _Line(msgspec.Struct, frozen=True):
    received_at: datetime
    message_id: str
    rapport: dict[str, str]
    rcpt: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderLog:
    """Everything that the provider wrote down, oldest first."""

    messages: tuple[Kept, ...]
    steps: tuple[Step, ...]

    @property
    def duplicates(self) -> dict[Triple, int]:
        """The (journey, customer, trigger) that came more than once, and how often."""
        counted = Counter(kept.triple for kept in self.messages if all(kept.triple))
        return {triple: count for triple, count in counted.items() if count > 1}

    def in_flight_between(self, start: datetime, end: datetime) -> int:
        """How many sends had their recipient accepted, and lost their connection in that time without an answer.

        A send whose answer was handed over, and was never read, is not among them: see `answered_between`.
        """
        return self._count("lost", start, end)

    def answered_between(self, start: datetime, end: datetime) -> int:
        """How many sends were answered in that time: a sender that died within it may not have noted the answer."""
        return self._count("answered", start, end)

    @property
    def unfinished(self) -> int:
        """Sends whose end the provider did not see: they are under way, or it died itself."""
        under_way: dict[str, bool] = {}
        for step in self.steps:
            under_way[step.connection] = step.event in ("recipient", "kept")
        return sum(under_way.values())

    def _count(self, event: str, start: datetime, end: datetime) -> int:
        return sum(step.event == event and start <= step.at <= end for step in self.steps)


def read(data: Path) -> ProviderLog:
    """What the provider whose directory this is has written so far; a line that is being written is left out."""
    kept = [_kept(line) for line in _lines(data / "index.ndjson", _Line)]
    return ProviderLog(tuple(kept), tuple(_lines(data / "sessions.ndjson", Step)))


def _kept(line: _Line) -> Kept:
    profile, journey, trigger = (
        line.rapport.get(f"x-rapport-{name}", "") for name in ("profile", "journey", "trigger")
    )
    return Kept(profile, journey, trigger, line.message_id, line.received_at.astimezone(UTC), "".join(line.rcpt[:1]))


T = TypeVar("T")


def _lines(path: Path, shape: type[T]) -> list[T]:
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [msgspec.json.decode(line, type=shape) for line in whole.splitlines()]
