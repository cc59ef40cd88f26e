"""The JSON Schema of conditions: `docs/conditions.schema.json`, which

    python -m services.segment.domain.conditions.schema > docs/conditions.schema.json

writes. It says what a document may have; what makes sense beside that, `document.read` tells with the place.
"""

import inspect
import json
import sys
from typing import Any

import msgspec

from services.segment.domain.conditions.base import Condition
from services.segment.domain.conditions.registry import KINDS
from services.segment.domain.conditions.tree import MAX_PARTS, AllOf, AnyOf, Not

_REFERENCE = {"$ref": "#/$defs/Condition"}


def schema() -> dict[str, Any]:
    """Returns the JSON Schema (draft 2020-12) of a condition."""
    leaves = [kind for kind in KINDS.values() if kind not in (AllOf, AnyOf, Not)]
    _, definitions = msgspec.json.schema_components(leaves, ref_template="#/$defs/{name}")
    several = {"type": "array", "items": _REFERENCE, "minItems": 1, "maxItems": MAX_PARTS}
    for kind in (AllOf, AnyOf):
        definitions[kind.__name__] = _joined(kind, several)
    definitions[Not.__name__] = _joined(Not, _REFERENCE)
    definitions["Condition"] = {"oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in KINDS.values()]}
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A condition on a customer",
        "$ref": "#/$defs/Condition",
        "$defs": definitions,
    }


def _joined(kind: type[Condition], of: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": kind.__name__,
        "description": kind.__doc__ or "",
        "type": "object",
        "properties": {"kind": {"enum": [kind.__struct_config__.tag]}, "of": of},
        "required": ["kind", "of"],
        "additionalProperties": False,
    }


def page() -> str:
    """Returns the schema as the documentation has it."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
