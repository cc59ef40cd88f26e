"""The topics as an AsyncAPI 3.0 document: `python -m shared.contracts.asyncapi > docs/asyncapi.json`."""

import json
from typing import Any, Final

import msgspec

from shared.contracts import topics
from shared.contracts.changes import (
    CHANGES,
    ConfirmationRequested,
    OrderReassigned,
    ProfileChanged,
    ProfileErased,
    ProfileMerged,
    ProfileSplit,
    SegmentEntered,
    SegmentExited,
    StageChanged,
    TierChanged,
)
from shared.contracts.context import Context
from shared.contracts.events import FACTS, Body
from shared.contracts.reference import RatesPublished
from shared.contracts.wire import TYPE_NAMES

CARRIED: Final[dict[str, tuple[type[Body], ...]]] = {
    topics.EVENTS: tuple(FACTS),
    topics.PROFILE_EVENTS: (*FACTS, OrderReassigned),
    topics.PROFILES: (ProfileChanged, ProfileMerged, ProfileSplit, ProfileErased, ConfirmationRequested),
    topics.SEGMENTS: (TierChanged, StageChanged, SegmentEntered, SegmentExited),
    topics.REFERENCE: (RatesPublished,),
}

# CloudEvents attributes, as headers. Those after ce_sourcekind are left out if they are empty or false.
HEADERS: Final = {
    "ce_specversion": "1.0",
    "ce_id": "the event's id: uuid5(source id, messageId)",
    "ce_source": "/rapport/sources/<source id>",
    "ce_type": "the type and its version",
    "ce_time": "when it happened (RFC 3339, UTC), never later than ce_receivedat",
    "ce_receivedat": "when Rapport accepted it (RFC 3339, UTC)",
    "ce_sourcekind": "public, server or service",
    "ce_historical": "true on an import or a replay: updates state and sends nothing",
    "ce_unverified": "true on what the source is not believed for: kept, and counted nowhere",
    "ce_merges": "true on an explicit merge: all whom the event names are one customer",
    "ce_profileid": "the profile that owns the event",
    "ce_origin": "with ce_sequence: the lane by which a reader skips repeats",
    "ce_sequence": "grows within (partition, origin)",
    "ce_causeid": "the event that caused this one",
    "ce_depth": "how many causes lie behind it, at most 8",
    "traceparent": "W3C trace context",
}


def document() -> dict[str, Any]:
    """Returns the whole document."""
    _, schemas = msgspec.json.schema_components([*TYPE_NAMES, Context], ref_template="#/components/schemas/{name}")
    for body in (*FACTS, *CHANGES):
        schemas[body.__name__].setdefault("description", (body.__doc__ or "").strip())
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Rapport", "version": "1", "description": "CloudEvents 1.0 in Kafka's binary mode."},
        "defaultContentType": "application/json",
        "channels": {
            name: {
                "address": name,
                "messages": {body.__name__: {"$ref": f"#/components/messages/{body.__name__}"} for body in carried},
            }
            for name, carried in CARRIED.items()
        },
        "components": {
            "messages": {
                body.__name__: {
                    "name": type_name,
                    "title": body.__name__,
                    "headers": {"$ref": "#/components/schemas/Headers"},
                    "payload": {
                        "type": "object",
                        "required": ["data"],
                        "properties": {
                            "data": {"$ref": f"#/components/schemas/{body.__name__}"},
                            "identities": {
                                "type": "array",
                                "description": "[namespace, value] pairs: who the event says it is about",
                                "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
                            },
                            "stated_at": {
                                "type": "string",
                                "format": "date-time",
                                "description": "when it happened by the sender's clock, before that was corrected",
                            },
                            "context": {"$ref": "#/components/schemas/Context"},
                        },
                    },
                }
                for body, type_name in TYPE_NAMES.items()
            },
            "schemas": {
                "Headers": {
                    "type": "object",
                    "properties": {
                        name: {"type": "string", "description": meaning} for name, meaning in HEADERS.items()
                    },
                },
                **schemas,
            },
        },
    }


if __name__ == "__main__":
    print(json.dumps(document(), indent=2, ensure_ascii=False))
