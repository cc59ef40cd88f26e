"""What is told of a condition before it goes live: what can't be is refused, what is odd is a warning."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from services.segment.domain.conditions.base import Condition, Problem
from services.segment.domain.conditions.customer import ORDERS
from services.segment.domain.conditions.document import InvalidCondition
from services.segment.domain.conditions.satisfiability import contradictions, remarks
from services.segment.domain.history import type_name
from services.segment.domain.mentions import Kind, Mention, Seen, mentions, unseen
from services.segment.domain.standing import Stage
from services.segment.repository import names
from services.segment.repository.programmes import versions
from shared.contracts.events import FACTS
from shared.database.database import Work

_COLUMNS: Final[Mapping[Kind, str]] = {"trait": "traits", "date": "dates", "identity": "identities"}
_CATALOGUE: Final = sorted({ORDERS, *map(type_name, FACTS)})


def refuse_impossible(condition: Condition) -> None:
    """Raises `InvalidCondition`, with the parts that contradict each other, for a condition that nobody can meet."""
    found = contradictions(condition)
    if found:
        raise InvalidCondition(found)


async def warnings(work: Work, condition: Condition) -> Sequence[Problem]:
    """Returns what is odd about a condition: what is true of everybody, and names that nobody has seen yet."""
    asked = list(mentions(condition))
    return [*remarks(condition), *unseen(asked, await _seen(work, asked))]


async def _seen(work: Work, asked: Sequence[Mention]) -> Seen:
    by_kind: dict[Kind, set[str]] = {}
    for one in asked:
        by_kind.setdefault(one.kind, set()).add(one.name)
    found: dict[Kind, Collection[str]] = {"stage": [stage.value for stage in Stage]}
    if "event" in by_kind:
        found["event"] = await names.events(work, by_kind["event"])
    if "tag" in by_kind:
        found["tag"] = await names.tags(work, by_kind["tag"])
    if "list" in by_kind:
        found["list"] = await names.lists(work, by_kind["list"])
    if "tier" in by_kind:
        programmes = await versions.in_force(work, since=work.now)
        found["tier"] = [tier.name for tier in programmes.default(work.now).tiers]
    columns = [column for kind, column in _COLUMNS.items() if kind in by_kind]
    if columns:
        sampled = await names.of_customers(work, columns)
        found.update({kind: sampled[column] for kind, column in _COLUMNS.items() if column in sampled})
    events = {one.event for one in asked if one.kind == "property"}
    properties = await names.properties(work, events) if events else {}
    return Seen(names=found, properties=properties, hints={"event": _CATALOGUE})
