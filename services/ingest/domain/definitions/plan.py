"""Tracking plans: which events a source should send, with which properties, and what follows when it does not.

A plan is a document: JSON Schemas by event name, each with a mode, and a mode for events that it does not name.
*observe* counts, *warn* also keeps what was wrong, *enforce* also refuses the event. An event is judged by itself,
whatever other events there are.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import jsonschema_rs
import msgspec

from services.ingest.domain.errors import BadDefinition

MAX_EVENTS: Final = 500
MAX_SCHEMA_BYTES: Final = 65_536
MAX_VIOLATIONS: Final = 5  # reported of one event
MAX_TEXT: Final = 300  # characters of one violation
UNPLANNED: Final = "unplanned"

_decode: Final = msgspec.json.Decoder().decode


class Mode(StrEnum):
    """What follows from a violation, mildest first."""

    OBSERVE = "observe"
    WARN = "warn"
    ENFORCE = "enforce"


class Planned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is planned for one event: a JSON Schema (draft 2020-12) of its properties, or of an identify's traits."""

    properties: dict[str, Any] = {}
    mode: Mode = Mode.WARN
    description: str = ""


class PlanDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan as it is written. `unplanned` is what follows for an event that `events` does not name."""

    events: dict[str, Planned] = {}
    unplanned: Mode = Mode.OBSERVE


class Violation(msgspec.Struct, frozen=True):
    """What was wrong with one event, and what follows from it.

    `rule` names the first thing that was wrong, without its value, so that violations of one kind can be counted.
    """

    event: str
    mode: Mode
    rule: str
    text: str


class Plan:
    """A plan, compiled. An empty one finds no violations."""

    def __init__(self, document: PlanDocument | None, version: int = 0) -> None:
        """Raises `BadDefinition`, naming the place."""
        self.version = version
        self.document = document
        events = document.events if document else {}
        if len(events) > MAX_EVENTS:
            raise BadDefinition(f"events: {len(events)}; at most {MAX_EVENTS}")
        self._unplanned = document.unplanned if document else None
        self._rules = {name: (one.mode, _validator(name, one.properties)) for name, one in events.items()}

    def judge(self, event: str, properties: bytes) -> Violation | None:
        """Returns what is wrong with an event; None if nothing is. `properties` is a JSON object."""
        return self.judge_read(event, _decode(properties) if event in self._rules else {})

    def judge_read(self, event: str, properties: Mapping[str, Any]) -> Violation | None:
        """Does what `judge` does, with properties that are decoded already."""
        planned = self._rules.get(event)
        if planned is None:
            if self._unplanned is None:
                return None
            return Violation(event, self._unplanned, UNPLANNED, f"event {event!r}: not in the plan")
        mode, validator = planned
        if validator.is_valid(properties):
            return None
        rule, text = _explained(validator, properties)
        return Violation(event, mode, rule, text)

    def __bool__(self) -> bool:
        return self.document is not None


NO_PLAN: Final = Plan(None)


def _validator(event: str, schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    if len(msgspec.json.encode(schema)) > MAX_SCHEMA_BYTES:
        raise BadDefinition(f"events.{event}.properties: larger than {MAX_SCHEMA_BYTES} bytes")
    try:
        # References to elsewhere are not followed: a plan says everything itself.
        return jsonschema_rs.Draft202012Validator(dict(schema), retriever=_no_reference)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise BadDefinition(f"events.{event}.properties: not a JSON Schema: {error}") from None


def _no_reference(uri: str) -> Any:
    raise ValueError(f"{uri}: only references within the schema are followed")


def _explained(validator: jsonschema_rs.Validator, properties: Any) -> tuple[str, str]:
    found: list[str] = []
    rule = ""
    for error in validator.iter_errors(properties):
        at = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
        found.append(f"properties{at}: {error.message}"[:MAX_TEXT])
        rule = rule or "/".join(map(str, error.schema_path))[:MAX_TEXT]
        if len(found) == MAX_VIOLATIONS:
            break
    return rule, "; ".join(found)
