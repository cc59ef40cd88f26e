"""Definitions as marketers write them: read strictly, and every mistake told with its place."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.journey.nodes.registry import AnyNode
from services.campaign.domain.journey.problems import Problem, nearest

_PLACE: Final = re.compile(r"(?P<message>.*) - at `\$(?P<path>.*)`", re.DOTALL)
_PART: Final = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
KINDS: Final = tuple(sorted(str(one.__struct_config__.tag) for one in AnyNode.__args__))


def read(journey_id: str, version: int, document: Mapping[str, Any]) -> Journey | Sequence[Problem]:
    """Returns the journey that a document defines, or what is wrong with its form.

    `document` is a definition without id and version. Node by node, so that each mistake has its own place.
    """
    found: list[Problem] = []
    nodes = document.get("nodes")
    if isinstance(nodes, Mapping):
        for name, node in nodes.items():
            found += _of_node(f"/nodes/{name.replace('~', '~0').replace('/', '~1')}", node)
    if found:
        return found
    for name in ("id", "version"):
        if name in document:
            return [Problem(f"/{name}", "must be left out: it stands outside the definition")]
    try:
        return msgspec.convert({**document, "id": journey_id, "version": version}, Journey)
    except msgspec.ValidationError as error:
        return [problem_of(error, "")]


def _of_node(pointer: str, node: object) -> Sequence[Problem]:
    kind = node.get("type") if isinstance(node, Mapping) else None
    if isinstance(kind, str) and kind not in KINDS:
        kinds = ", ".join(KINDS)
        return [Problem(f"{pointer}/type", f"there is no kind of node {kind}{nearest(kind, KINDS)}; there are {kinds}")]
    try:
        msgspec.convert(node, AnyNode)
    except msgspec.ValidationError as error:
        return [problem_of(error, pointer)]
    return []


def problem_of(error: msgspec.ValidationError, pointer: str) -> Problem:
    """Returns what a decoder found, with its place below a pointer."""
    found = _PLACE.fullmatch(str(error))
    if found is None:
        return Problem(pointer, str(error))
    parts = (field or index for field, index in _PART.findall(found["path"]))
    return Problem(pointer + "".join(f"/{one}" for one in parts), found["message"])


def written(journey: Journey) -> dict[str, Any]:
    """Returns a definition as a document, without id and version."""
    document: dict[str, Any] = msgspec.to_builtins(journey)
    del document["id"], document["version"]
    return document
