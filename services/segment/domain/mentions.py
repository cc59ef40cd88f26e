"""The names that a condition asks about, and which of them nobody has seen yet: often they are misspelt."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from services.segment.domain.conditions.base import Condition, Problem
from services.segment.domain.conditions.document import nearest
from services.segment.domain.conditions.kinds.absence import Absence
from services.segment.domain.conditions.kinds.belonging import Listed, Tagged
from services.segment.domain.conditions.kinds.dates import Age, Anniversary, OnDay
from services.segment.domain.conditions.kinds.did import Did
from services.segment.domain.conditions.kinds.known import Known
from services.segment.domain.conditions.kinds.measure import Measure
from services.segment.domain.conditions.kinds.occurrence import Happened
from services.segment.domain.conditions.kinds.sequence import Sequence
from services.segment.domain.conditions.kinds.standing import InStage, InTier
from services.segment.domain.conditions.kinds.trait import Trait
from services.segment.domain.conditions.satisfiability import places
from shared.contracts.property_filter import PropertyFilter

Kind = Literal["event", "property", "trait", "date", "identity", "tag", "list", "tier", "stage"]


class Mention(msgspec.Struct, frozen=True):
    """A name that a condition asks about, where it does (a JSON pointer), and of a property the event that has it."""

    kind: Kind
    name: str
    pointer: str
    event: str = ""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The names that were seen, by kind, and the properties of events. What is missing here is not known.

    `hints` are names that may be meant beside those.
    """

    names: Mapping[Kind, Collection[str]] = {}
    properties: Mapping[str, Collection[str]] = {}
    hints: Mapping[Kind, Collection[str]] = {}


def mentions(condition: Condition, pointer: str = "") -> Iterator[Mention]:
    """Yields the names that a condition asks about. Of a property that is a path it is the first name."""
    of = _NAMES.get(type(condition))
    if of is not None:
        yield from of(condition, pointer)
    for part, place in places(condition, pointer):
        yield from mentions(part, place)


def unseen(asked: Iterable[Mention], seen: Seen) -> list[Problem]:
    """Returns which of these names nobody has seen, with the most like each that somebody has."""
    return [problem for one in asked if (problem := _unseen(one, seen)) is not None]


def _unseen(one: Mention, seen: Seen) -> Problem | None:
    known = seen.properties.get(one.event) if one.kind == "property" else seen.names.get(one.kind)
    if known is None or one.name in known or (one.kind == "property" and not known):
        return None  # of an event without any property in sight there is a word already, or nothing to say
    others = sorted({*known, *seen.hints.get(one.kind, ())} - {one.name})
    return Problem(one.pointer, _SAYS[one.kind].format(one.name, one.event) + nearest(one.name, others))


_SAYS: Final[Mapping[Kind, str]] = {
    "event": "no customer has done {} in the time that histories go back",
    "property": "none of the last events {1} has a property {0}",
    "trait": "none of the customers who were looked at has a trait {}",
    "date": "none of the customers who were looked at has a date {}",
    "identity": "none of the customers who were looked at has an identity {}",
    "tag": "nobody has the tag {}",
    "list": "there is no list {}",
    "tier": "there is no tier {}",
    "stage": "there is no lifecycle stage {}",
}


def _event(condition: Any, pointer: str) -> Iterator[Mention]:
    yield Mention("event", condition.event, f"{pointer}/event")
    window = getattr(condition, "window", None)
    if window is not None and window.after:
        yield Mention("event", window.after, f"{pointer}/window/after")
    yield from _filters(condition.event, getattr(condition, "where", ()), f"{pointer}/where")


def _filters(event: str, where: Iterable[PropertyFilter], pointer: str) -> Iterator[Mention]:
    for n, one in enumerate(where):
        yield Mention("property", one.property.partition(".")[0], f"{pointer}/{n}/property", event)


def _measure(condition: Any, pointer: str) -> Iterator[Mention]:
    yield from _event(condition, pointer)
    yield Mention("property", condition.of.partition(".")[0], f"{pointer}/of", condition.event)


def _steps(condition: Any, pointer: str) -> Iterator[Mention]:
    for name in ("first", "then", "without"):
        step = getattr(condition, name, None)
        if step is not None:
            yield from _event(step, f"{pointer}/{name}")


def _among(kind: Kind, condition: Any, pointer: str) -> Iterator[Mention]:
    for n, name in enumerate(condition.among):
        yield Mention(kind, name, f"{pointer}/among/{n}")


def _date(condition: Any, pointer: str) -> Iterator[Mention]:
    yield Mention("date", condition.of, f"{pointer}/of")


_NAMES: Final[Mapping[type[Condition], Any]] = {
    Did: _event,
    Happened: _event,
    Measure: _measure,
    Sequence: _steps,
    Absence: _steps,
    Trait: lambda one, pointer: [Mention("trait", one.name, f"{pointer}/name")],
    Known: lambda one, pointer: [Mention("identity", one.namespace, f"{pointer}/namespace")],
    Tagged: lambda one, pointer: [Mention("tag", one.name, f"{pointer}/name")],
    Listed: lambda one, pointer: [Mention("list", one.id, f"{pointer}/id")],
    InTier: lambda one, pointer: _among("tier", one, pointer),
    InStage: lambda one, pointer: _among("stage", one, pointer),
    Anniversary: _date,
    Age: _date,
    OnDay: _date,
}
