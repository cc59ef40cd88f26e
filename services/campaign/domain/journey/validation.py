"""Whether a definition can be published: every way leads somewhere, every node is reached, no circle runs for ever."""

from collections.abc import Iterator, Mapping, Sequence

from services.campaign.domain.journey.definition import AgainAfter, Journey, OnEvent
from services.campaign.domain.journey.events import problems_of_event
from services.campaign.domain.journey.lengths import problems_of_length
from services.campaign.domain.journey.local_time import problems_of_time
from services.campaign.domain.journey.nodes.node import Known, NodeId
from services.campaign.domain.journey.problems import Problem, nearest
from services.campaign.domain.journey.triggers import DateReached, EventHappened


def problems(journey: Journey, known: Known) -> Sequence[Problem]:
    """Returns what is wrong with a definition, and what may be (`warning`); without the former it can be published."""
    found = [*_of_entry(journey)]
    for name, node in journey.nodes.items():
        found += node.problems(known, _pointer(name))
    found += _of_ways(journey)
    if not any(not one.warning for one in found):
        found += _of_graph(journey)
    return found


def _pointer(node: NodeId) -> str:
    return f"/nodes/{node.replace('~', '~0').replace('/', '~1')}"


def _of_entry(journey: Journey) -> Iterator[Problem]:
    yield from problems_of_length(journey.max_age, "/max_age")
    if isinstance(journey.trigger, EventHappened):
        yield from problems_of_event(journey.trigger.event, journey.trigger.where, "/trigger")
    if isinstance(journey.trigger, DateReached):
        yield from problems_of_time(journey.trigger.time, "/trigger/time")
    if isinstance(journey.again, AgainAfter):
        yield from problems_of_length(journey.again.time, "/again/time")
    for n, rule in enumerate(journey.exits):
        if isinstance(rule, OnEvent):
            yield from problems_of_event(rule.event, rule.where, f"/exits/{n}")


def _of_ways(journey: Journey) -> Iterator[Problem]:
    if journey.start not in journey.nodes:
        yield Problem("/start", f"there is no node {journey.start}{nearest(journey.start, journey.nodes)}")
    for name, node in journey.nodes.items():
        for port, target in node.ports().items():
            if target is not None and target not in journey.nodes:
                yield Problem(f"{_pointer(name)}/{port}", f"there is no node {target}{nearest(target, journey.nodes)}")


def _of_graph(journey: Journey) -> Iterator[Problem]:
    ways = {name: [one for one in node.ports().values() if one] for name, node in journey.nodes.items()}
    reached = _reached(ways, journey.start)
    for name in journey.nodes:
        if name not in reached:
            yield Problem(_pointer(name), "no way leads here: lead one here, or leave the node out")
    passing = {
        name: [one for one in targets if not journey.nodes[one].waits()]
        for name, targets in ways.items()
        if not journey.nodes[name].waits()
    }
    for name in passing:
        if any(name in _reached(passing, target) for target in passing[name]):
            yield Problem(_pointer(name), "is in a circle without a wait: a run would go round for ever")


def _reached(ways: Mapping[NodeId, Sequence[NodeId]], start: NodeId) -> set[NodeId]:
    found: set[NodeId] = set()
    rest = [start]
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            rest += ways.get(name, ())
    return found
