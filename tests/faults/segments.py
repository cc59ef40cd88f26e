"""Segments that are live in every run: on events in windows, on their absence, on traits, tiers and other segments."""

from collections.abc import Mapping
from typing import Any, Final

from tests.faults.load import SILENT_DAYS
from tests.faults.world import World

LONG: Final = (
    f"P{SILENT_DAYS}D"  # customers who fall silent during a run leave such a window, or fill it, at that moment
)
ORDERED: Final = {"kind": "did", "event": "order_placed", "window": {"within": LONG}}
SPENT: Final = {
    "kind": "measure",
    "event": "order_placed",
    "by": "sum",
    "of": "total_minor",
    "op": "ge",
    "value": 300_00,
    "where": [{"property": "currency", "value": "USD"}],
    "window": {"within": LONG},
}
SEGMENTS: Final[Mapping[str, Any]] = {
    "buyers": ORDERED,
    "non-buyers": {"kind": "not", "of": ORDERED},
    "one-time": {
        "kind": "absence",
        "first": {"event": "order_placed"},
        "without": {"event": "order_placed"},
        "within": LONG,
        "window": {"within": "P365D"},
    },
    "viewed": {"kind": "did", "event": "product_viewed", "times": 2, "window": {"within": "P1D"}},
    "plan-a": {"kind": "trait", "name": "plan", "op": "eq", "value": "a"},
    "gold": {"kind": "tier", "among": ["gold", "diamond"]},
    "gold-a": {"kind": "all", "of": [{"kind": "segment", "id": "gold"}, {"kind": "segment", "id": "plan-a"}]},
}
"""Live from the beginning."""


async def define(world: World) -> None:
    """Publishes the segments, where there are none yet; the running service looks at its base by them."""
    if "segment" not in world.running or (await world.get("segment", "/v1/segments"))["segments"]:
        return
    for name, condition in SEGMENTS.items():
        body = {"id": name, "name": name, "description": "", "condition": condition}
        await _publish(world, name, (await world.ask("POST", "segment", "/v1/segments", json=body)).raise_for_status())


async def redefine(world: World, name: str, condition: Any) -> None:
    """Gives a segment another condition, in force at once."""
    read = (await world.ask("GET", "segment", f"/v1/segments/{name}")).raise_for_status()
    body = {"name": name, "description": "", "condition": condition}
    headers = {"If-Match": read.headers["ETag"]}
    changed = await world.ask("PUT", "segment", f"/v1/segments/{name}", json=body, headers=headers)
    await _publish(world, name, changed.raise_for_status())


async def _publish(world: World, name: str, response: Any) -> None:
    headers = {"If-Match": response.headers["ETag"]}
    (await world.ask("POST", "segment", f"/v1/segments/{name}/publish", headers=headers)).raise_for_status()
