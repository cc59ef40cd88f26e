"""The definitions in force: compiled once, found by the facts that touch them, each after those that it depends on."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import Final

import msgspec

from services.segment.domain.conditions.base import Condition
from services.segment.domain.conditions.program import Program, compiled

SEGMENT: Final = "segment:"
TAG: Final = "tag:"
LIST: Final = "list:"
MAX_REMEMBERED: Final = 4_096  # sets of facts, and what they touch


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a segment in force. `backfilling`: the base has not all been looked at by it yet."""

    id: str
    version: int
    name: str
    program: Program
    effective_at: datetime
    backfilling: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Definitions by their places, and what they ask of a customer: parts of what is known, and histories.

    Of those in `details` they ask more than when the events happened.
    """

    places: tuple[int, ...]
    parts: frozenset[str]
    events: frozenset[str]
    details: frozenset[str]


class Definitions(msgspec.Struct, frozen=True, kw_only=True):
    """All definitions in force, in an order in which each comes after those that it depends on."""

    ordered: tuple[Definition, ...] = ()
    by_touch: Mapping[str, tuple[int, ...]] = {}
    asked_before: dict[frozenset[str], "Asked"] = {}
    ids: frozenset[str] = frozenset()

    def asked(self, keys: frozenset[str]) -> "Asked":
        """Returns which definitions these facts touch, and what those ask; the same few kinds of events come again."""
        found = self.asked_before.get(keys)
        if found is None:
            found = self.asking(self.touched(keys))
            if len(self.asked_before) < MAX_REMEMBERED:
                self.asked_before[keys] = found
        return found

    def asking(self, places: Iterable[int]) -> "Asked":
        """Returns what the definitions at these places ask of a customer."""
        several = tuple(places)
        programs = [self.ordered[place].program for place in several]
        return Asked(
            places=several,
            parts=frozenset[str]().union(*(one.parts for one in programs)),
            events=frozenset[str]().union(*(one.events for one in programs)),
            details=frozenset[str]().union(*(one.details for one in programs)),
        )

    def touched(self, keys: Iterable[str]) -> list[int]:
        """Returns the places of the definitions that these facts can change, directly or through others, ascending."""
        found: set[int] = set()
        waiting = [place for key in keys for place in self.by_touch.get(key, ())]
        while waiting:
            place = waiting.pop()
            if place not in found:
                found.add(place)
                waiting += self.by_touch.get(SEGMENT + self.ordered[place].id, ())
        return sorted(found)


def definitions(made: Sequence[Definition]) -> Definitions:
    """Returns definitions made ready. Those that depend on each other in a circle come last, as they are."""
    by_id = {one.id: one for one in made}
    graph = {one.id: _others(one.program, by_id) for one in made}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError:  # none can be stored; a stored one must not end the service
        order = sorted(graph)
    ordered = tuple(by_id[name] for name in order)
    by_touch: dict[str, list[int]] = {}
    for place, one in enumerate(ordered):
        for key in one.program.touches:
            by_touch.setdefault(key, []).append(place)
    touched = {key: tuple(places) for key, places in by_touch.items()}
    return Definitions(ordered=ordered, by_touch=touched, ids=frozenset(by_id))


def circle(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Returns a circle of segments, by id; nothing if there is none. `needs` are the segments that each depends on."""
    graph = {name: list(several) for name, several in needs.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def segments_in(condition: Condition) -> list[str]:
    """Returns the ids of the segments that a condition asks about."""
    return _asked(condition, SEGMENT)


def lists_in(condition: Condition) -> list[str]:
    """Returns the ids of the lists that a condition asks about."""
    return _asked(condition, LIST)


def needs_of(condition: Condition, rules: Mapping[str, str]) -> list[str]:
    """Returns the segments that a condition depends on, directly or by a tag that the members of one have.

    `rules` are the segments of the tags by rule, by tag.
    """
    by_tag = {rules[name] for name in _asked(condition, TAG) if name in rules}
    return sorted({*segments_in(condition), *by_tag})


def _asked(condition: Condition, kind: str) -> list[str]:
    return sorted(key.removeprefix(kind) for key in condition.touches() if key.startswith(kind))


def ready(
    segment_id: str, version: int, name: str, condition: Condition, effective_at: datetime, *, backfilling: bool
) -> Definition:
    """Returns a definition with its condition compiled."""
    return Definition(
        id=segment_id,
        version=version,
        name=name,
        program=compiled(condition),
        effective_at=effective_at,
        backfilling=backfilling,
    )


def _others(program: Program, known: Mapping[str, Definition]) -> list[str]:
    needs = (key.removeprefix(SEGMENT) for key in program.touches if key.startswith(SEGMENT))
    return [name for name in needs if name in known]
