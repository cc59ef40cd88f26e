"""`python -m services.campaign.domain.journey.schema`: prints the JSON Schema of a journey's definition."""

import sys
from typing import Any, Final

import msgspec

from services.campaign.domain.journey.definition import Journey

TITLE: Final = "A journey of Rapport"


def schema() -> dict[str, Any]:
    """Returns the schema of a definition as it is written by API: without id and version."""
    found = msgspec.json.schema(Journey)
    journey = found["$defs"]["Journey"]
    for name in ("id", "version"):
        del journey["properties"][name]
        journey["required"].remove(name)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": TITLE, **found}


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(schema())).decode() + "\n")
