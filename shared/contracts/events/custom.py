"""Anything that has no type of its own."""

from typing import Any, ClassVar

from shared.contracts.events.body import Body


class CustomEvent(Body, frozen=True):
    """Anything that has no type of its own."""

    TYPE: ClassVar = "rapport.custom.v1"
    PUBLIC: ClassVar = True

    name: str
    properties: dict[str, Any] = {}
