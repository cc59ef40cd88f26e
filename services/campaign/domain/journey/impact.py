"""Whom a new version of a journey concerns: the runs before, at and past each node that it changes."""

from collections.abc import Iterable, Mapping

import msgspec

from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.journey.nodes.node import NodeId


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs stand at a changed node, and how many where a way leads to it (`before`) or from it (`past`)."""

    node: NodeId
    change: str
    before: int
    at: int
    past: int


def impacts(old: Journey, new: Journey, standing: Mapping[NodeId, int]) -> list[Impact]:
    """Returns the impact of each node that is added, removed or changed; `standing` says how many runs stand where."""
    found = []
    for node in [*old.nodes, *(name for name in new.nodes if name not in old.nodes)]:
        change = _change(old, new, node)
        if change is None:
            continue
        graph = old if node in old.nodes else new
        past = _reached(graph, [target for target in graph.nodes[node].ports().values() if target])
        before = {name for name in graph.nodes if name != node and node in _reached(graph, [name])}
        found.append(
            Impact(
                node=node,
                change=change,
                before=_sum(standing, before - past - {node}),
                at=standing.get(node, 0),
                past=_sum(standing, past - {node}),
            )
        )
    return found


def _change(old: Journey, new: Journey, node: NodeId) -> str | None:
    if node not in new.nodes:
        return "removed"
    if node not in old.nodes:
        return "added"
    return None if old.nodes[node] == new.nodes[node] else "changed"


def _sum(standing: Mapping[NodeId, int], nodes: Iterable[NodeId]) -> int:
    return sum(standing.get(node, 0) for node in nodes)


def _reached(journey: Journey, starts: Iterable[NodeId]) -> set[NodeId]:
    found: set[NodeId] = set()
    rest = list(starts)
    while rest:
        name = rest.pop()
        if name not in found and name in journey.nodes:
            found.add(name)
            rest += [target for target in journey.nodes[name].ports().values() if target]
    return found
