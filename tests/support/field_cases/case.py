"""What a case of the field is: what is sent, and what a careful user expects of it.

Every case has customers, orders and sources of its own, so all of them can be played on one stack at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from shared.service.clock import SystemClock

START: Final = SystemClock().now().replace(microsecond=0)
OK: Final[Mapping[str, Any]] = {"status": 200}
ACCEPTED: Final[Mapping[str, Any]] = {"status": 202}


def ago(**much: float) -> datetime:
    """Returns a moment of the recent past, by the second."""
    return START - timedelta(**much)


def iso(**much: float) -> str:
    """Returns such a moment in ISO 8601, in UTC."""
    return f"{ago(**much):%Y-%m-%dT%H:%M:%SZ}"


def seconds(**much: float) -> int:
    """Returns such a moment in Unix seconds."""
    return int(ago(**much).timestamp())


@dataclass(frozen=True, kw_only=True)
class Step:
    """One request. `source` names the case's source; `answer` is part of what comes back, beside the HTTP `status`."""

    source: str = "server"
    answer: Mapping[str, Any] = field(default_factory=lambda: OK)


@dataclass(frozen=True, kw_only=True)
class Post(Step):
    """A request with a write key, of a source of this kind."""

    path: str
    body: Any
    kind: str = "server"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Delivery(Step):
    """A vendor's signed webhook."""

    form: str
    body: Mapping[str, Any]
    topic: str = ""


@dataclass(frozen=True, kw_only=True)
class Upload(Step):
    """A file, imported as history. `answer` is part of the import as it ended."""

    source: str = "files"
    options: Mapping[str, Any]
    content: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Requests, and what is known once the stack has settled. What is not named here is not looked at.

    `later` is sent after the stack has settled on `steps`. Of a profile and a standing parts are named; `None` is a
    customer whom nobody knows. `quarantine` has, by source, the codes of all that was refused and waits: none, unless
    it is named. `conflicts` counts, by source, the dead letters that have the id of another event. `decisions` has the
    outcomes and reasons of a customer's messages, oldest first; `mails` the subjects by address.
    """

    sentence: str
    steps: Sequence[Step]
    later: Sequence[Step] = ()
    profiles: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    standings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quarantine: Mapping[str, Sequence[str]] = field(default_factory=dict)
    conflicts: Mapping[str, int] = field(default_factory=dict)
    decisions: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    mails: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def sources(self) -> set[str]:
        """The case's sources."""
        return {one.source for one in (*self.steps, *self.later)}


def figures(*, orders: int, refunded: Mapping[str, int] | None = None, **spend: int) -> dict[str, Any]:
    """Returns part of a profile: its orders, and by currency what is left of them and what went back, in minor units.

    Nothing went back, unless it is said.
    """
    went_back = dict.fromkeys(spend, 0) if refunded is None else dict(refunded)
    return {"orders": orders, "spend_minor": spend, "refunded_minor": went_back}
