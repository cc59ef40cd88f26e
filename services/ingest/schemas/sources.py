"""Sources, their keys, plans and figures, as the API accepts and returns them."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from services.ingest.domain.definitions import mapping
from services.ingest.domain.definitions.consent import MaySay, Word
from services.ingest.domain.definitions.plan import Planned
from services.ingest.domain.definitions.renaming import Renamed
from services.ingest.domain.definitions.source import MAX_BATCH_BYTES, MAX_EVENT_BYTES, MOST_EVENT_BYTES
from services.ingest.domain.formats.webhooks.registry import FORMATS
from services.ingest.domain.request.body import MAX_BODY_BYTES
from shared.http import JSON_NUMBER, Boolean, Text
from shared.http.openapi import schema_of

Name = Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s\u0000]+$", max_length=300)]
CeSource = Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
IdSpace = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?)?$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}$")]
Secret = Annotated[Text, StringConstraints(min_length=8, max_length=300)]
Kind = Literal["public", "server"]
RenamingIn = Annotated[dict[str, Any], WithJsonSchema(schema_of(dict[str, Renamed]))]
ConsentWordsIn = Annotated[
    Literal["usual"] | dict[str, Any],
    WithJsonSchema({"anyOf": [{"const": "usual"}, schema_of(dict[str, str | Word])]}),
]
MappingIn = Annotated[dict[str, Any], WithJsonSchema(schema_of(mapping.Document))]
PlannedIn = Annotated[dict[str, Any], WithJsonSchema(schema_of(dict[str, Planned]))]

MIN_LIMIT_BYTES = 1_024  # of a limit: no SDK could send anything below it

_RENAMING = {"Purchase": {"event": "Order Completed", "properties": {"order_id": "transaction_id"}}}

_TRIED: dict[str, Any] = {
    "payload": {"card": "42", "receipt": "R-7", "sold": "2026-01-31T12:00:00Z", "sum": "59.90"},
    "mapping": {
        "rules": [
            {
                "event": "Order Completed",
                "fields": {
                    "userId": "card",
                    "timestamp": {"from": "sold", "as": "time"},
                    "properties.order_id": "receipt",
                    "properties.currency": {"value": "EUR"},
                    "properties.total": {"from": "sum", "as": "number"},
                },
            }
        ]
    },
}
_WORDS = {"wants_news": "email:newsletter", "no_mail": {"to": "email", "inverted": True}}


def _is_format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"must be one of {', '.join(FORMATS)}")
    return name


Format = Annotated[str, AfterValidator(_is_format), Field(json_schema_extra={"enum": list(FORMATS)})]


class SourcePatch(BaseModel):
    """What can be changed of a source. An absent field stays as it is; null takes its value away."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"events_per_second": 200}]})

    name: Name | None = None
    kind: Kind | None = None
    allow_orders: Boolean | None = Field(None, description="whether orders from a public key are believed")
    format: Format | None = Field(None, description="the format of its payloads")
    secret: Secret | None = Field(None, description="its webhooks' signing secret; kept encrypted, never shown")
    allowed_origins: list[Origin] | None = Field(None, max_length=100, description="pages that may send; all if empty")
    events_per_second: Annotated[int, Field(ge=1, le=1_000_000), JSON_NUMBER] | None = Field(
        None,
        description="its limit, on average, with a burst of two seconds; counted by each process. Without a limit of "
        "its own a server's source has none, and a public source has that of PUBLIC_EVENTS_PER_SECOND",
    )
    ce_source: CeSource | None = Field(None, description="the CloudEvents `source` of its events on rapport.inbound.v1")
    renaming: RenamingIn | None = Field(
        None, description="its own names of events and properties (JMESPath)", examples=[_RENAMING]
    )
    may_say: list[MaySay] | None = Field(
        None,
        max_length=len(MaySay),
        description="what a public key may say beside behaviour: `consent`, and `addresses` to confirm it at",
    )
    consent_words: ConsentWordsIn | None = Field(
        None, description="the traits that mean consent: `usual`, or its own", examples=["usual", _WORDS]
    )
    country: Country | None = Field(
        None,
        description="by it the national phone numbers of customers without a country are read; ISO 3166-1 alpha-2. "
        "Without it such numbers link nobody",
        examples=["DE"],
    )
    id_space: IdSpace | None = Field(
        None,
        description="the space of its ids of customers and orders: the same id in two spaces is two customers, and two "
        "orders. Sources that name one space share their ids; empty is the common one, which most sources have. A new "
        "source of a shop's webhooks (shopify, woocommerce) that names none gets one of its own. Events that came "
        "before a change keep theirs",
        examples=["shop-a"],
    )
    mapping: MappingIn | None = Field(None, description="how its generic webhooks become events")
    max_batch_bytes: Annotated[int, Field(ge=MIN_LIMIT_BYTES, le=2**31 - 1), JSON_NUMBER] | None = Field(
        None,
        description=f"of one batch, unpacked; {MAX_BATCH_BYTES} by default, and at most BATCH_MEGABYTES. A batch above "
        f"{MAX_BODY_BYTES} has its write key in a header or in the query",
    )
    max_event_bytes: Annotated[int, Field(ge=MIN_LIMIT_BYTES, le=MOST_EVENT_BYTES), JSON_NUMBER] | None = Field(
        None, description=f"of one event by the tracking API or a typed route; {MAX_EVENT_BYTES} by default"
    )


class SourceIn(SourcePatch):
    """A sender of events. A `public` key may stand in a page. A `server` key is a secret: all it says is believed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "web shop", "kind": "public", "country": "DE"}]}
    )

    name: Name
    kind: Kind = "server"


class KeyMade(BaseModel):
    """A write key, which is shown only here: the service keeps its hash alone."""

    write_key: str


class KeyIn(BaseModel):
    """How long the earlier keys go on working."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"grace_hours": 24}]})

    grace_hours: Annotated[float, Field(ge=0, le=720), JSON_NUMBER] = 24


class SourceCreated(BaseModel):
    """The new source. Its write key is shown only here. It is null when an `Idempotency-Key` is used again."""

    id: UUID
    write_key: str | None


class KeyOut(BaseModel):
    """A key that works."""

    model_config = ConfigDict(from_attributes=True)

    created_at: datetime
    expires_at: datetime | None


class SourceOut(BaseModel):
    """One source."""

    id: UUID
    name: str
    kind: str
    format: Format
    allow_orders: bool
    has_secret: bool
    allowed_origins: list[str]
    events_per_second: int | None
    ce_source: str | None
    renaming: dict[str, Any] | None
    mapping: dict[str, Any] | None
    may_say: list[MaySay]
    consent_words: Literal["usual"] | dict[str, Any] | None
    country: str | None
    id_space: str
    max_batch_bytes: int | None
    max_event_bytes: int | None
    plan_version: int | None
    version: int
    keys: list[KeyOut] = []
    created_at: datetime
    disabled_at: datetime | None
    missing_topics: list[str] = Field(
        description="topics that a shop of its format has to subscribe, and that never came; a few seconds old"
    )
    last_seen_at: datetime | None = Field(description="when it last sent; this is a few seconds old")


class SourcesOut(BaseModel):
    """Every source, by name."""

    sources: list[SourceOut]


class FigureOut(BaseModel):
    """What became of a source's events on one day (UTC)."""

    model_config = ConfigDict(from_attributes=True)

    day: date
    outcome: Literal[
        "accepted", "duplicate", "quarantined", "ignored", "limited", "warning", "placeholder", "unread_phone", "topic"
    ] = Field(
        description="placeholder and unread_phone count values that link nobody, in events that are counted elsewhere: "
        "a placeholder means nobody (`null`, `{{user.id}}`); an unread_phone is not one person's valid number. topic "
        "counts deliveries of the topics that a shop has to subscribe"
    )
    reason: str = Field(
        description="the reason code of quarantined events; what ignored events were; which limit was met; a warning "
        "of accepted events, such as a name that is almost one of the vocabulary; the namespace of placeholders; "
        "the topic"
    )
    events: int


class FiguresOut(BaseModel):
    """Figures, newest day first. Duplicates are events that came again soon and to the same process."""

    figures: list[FigureOut]


class MappingTried(BaseModel):
    """A mapping and a payload to try it on; by default the source's own mapping."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_TRIED]})

    payload: Any
    mapping: MappingIn | None = None


class EventMade(BaseModel):
    """An event as it would go to the bus."""

    event_id: UUID
    type: str
    occurred_at: datetime
    identities: list[str]
    body: dict[str, Any]


class MappingResult(BaseModel):
    """What a mapping makes of a payload: messages of the tracking API, and the events that these become."""

    messages: list[dict[str, Any]]
    events: list[EventMade]
    refused: list[str] = Field(description="what is wrong with the other messages")


class PlanOut(BaseModel):
    """A version of a tracking plan."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    document: dict[str, Any]
    created_at: datetime
    created_by: str


class PlanVersionOut(BaseModel):
    """When a version was written, and by whom."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    created_at: datetime
    created_by: str


class PlanVersionsOut(BaseModel):
    """Every version, newest first, and the one in force."""

    in_force: int | None
    versions: list[PlanVersionOut]


class PlanMade(BaseModel):
    """The version that a plan was stored as; it is in force."""

    version: int


class InForce(BaseModel):
    """The version to put in force; null for none."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": 1}]})

    version: Annotated[int, Field(ge=1, le=2**31 - 1), JSON_NUMBER] | None


class PlanIn(BaseModel):
    """A tracking plan: JSON Schemas (draft 2020-12) of properties by event name, each with its mode."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "events": {
                        "Order Completed": {
                            "mode": "enforce",
                            "properties": {"required": ["order_id", "total", "currency"]},
                        },
                        "Wishlist Shared": {"properties": {"properties": {"items": {"type": "integer"}}}},
                    },
                    "unplanned": "warn",
                }
            ]
        },
    )

    events: PlannedIn = {}
    unplanned: Literal["observe", "warn", "enforce"] = "observe"


class ViolationOut(BaseModel):
    """What was wrong with some events. `rule` is the place in the schema, `said` the text on the last of them."""

    model_config = ConfigDict(from_attributes=True)

    event: str
    rule: str
    mode: str
    events: int
    last_at: datetime
    said: str


class ViolationsOut(BaseModel):
    """Violations, most frequent first."""

    violations: list[ViolationOut]
