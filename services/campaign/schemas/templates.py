"""Requests and responses about templates."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.campaign.domain.journey.problems import Problem
from shared.contracts.events import MARKETING
from shared.http import Text

DOCUMENT: dict[str, Any] = {
    "default_language": "en",
    "languages": {
        "en": {
            "subject": "{{ first_name | default: 'Hello' }}, your parcel is late",
            "text": "We are sorry: order {{ event.order_id | default: '' }} comes later than we said.",
            "html": "<p>We are sorry: order {{ event.order_id | default: '' }} comes later than we said.</p>",
        },
        "zh": {
            "subject": "{{ first_name | default: '您好' }}，您的包裹会晚到",
            "text": "很抱歉：订单 {{ event.order_id | default: '' }} 会晚到。",
            "html": "<p>很抱歉：订单 {{ event.order_id | default: '' }} 会晚到。</p>",
            "sms": "很抱歉：订单会晚到。",
        },
    },
}
DOCUMENT["languages"]["en"]["sms"] = "We are sorry: your parcel comes later than we said."
ID = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class TemplateWarningOut(BaseModel):
    """What may be wrong with a template, and where: a JSON pointer, and a line of the text that is there."""

    at: str
    line: int
    message: str

    @classmethod
    def all_of(cls, problems: Sequence[Problem]) -> list[Self]:
        """Returns the warnings among problems."""
        return [cls(at=one.at, line=one.line, message=one.message) for one in problems if one.warning]


class TemplateIn(BaseModel):
    """A template to create. `docs/campaign-templates.md` has the form of a document, and what it may use."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"id": "parcel-late", "document": DOCUMENT}]}
    )

    id: str = Field(pattern=ID, max_length=80)
    document: dict[str, Any] = Field(description="texts by language, and the default language")


class TemplateChange(BaseModel):
    """A new text of the template."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"document": DOCUMENT}]})

    document: dict[str, Any] = Field(description="texts by language, and the default language")


class TemplateOut(BaseModel):
    """A template as it is being written. `version` is the newest that is published, or null."""

    id: str
    revision: int = Field(description="0 for one that came with the service and that nobody has changed")
    version: int | None
    document: dict[str, Any]
    updated_at: datetime | None = Field(description="when somebody changed it last")
    updated_by: str | None


class TemplateSaved(TemplateOut):
    """A template that was written, and what may be wrong with it."""

    warnings: list[TemplateWarningOut]


class TemplatesOut(BaseModel):
    """Every template."""

    templates: list[TemplateOut]


class TemplateVersionOut(BaseModel):
    """A version that is published, for ever."""

    version: int
    published_at: datetime
    published_by: str = Field(description="empty for one that came with the service")
    document: dict[str, Any]


class TemplateVersionsOut(BaseModel):
    """All versions of a template, the newest first."""

    versions: list[TemplateVersionOut]


class PreviewIn(BaseModel):
    """A customer to whom a template might go."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"profile_id": "019c0000-0000-7000-8000-000000000001", "properties": {"order_id": "1001"}},
            ]
        },
    )

    profile_id: UUID
    channel: str = Field("email", pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)
    purpose: str = Field(MARKETING, pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)
    properties: dict[str, Any] = Field(default_factory=dict, description="what stands in `event`")


class RenderedOut(BaseModel):
    """A template filled in. What its channel has no part for is empty."""

    model_config = ConfigDict(from_attributes=True)

    subject: str
    text: str
    html: str
    sms: str


class PreviewOut(BaseModel):
    """What a customer would get."""

    would_leave: bool = Field(description="whether the gate would let it leave now")
    reason: str = Field(description="of the gate, why it would not; empty if it would")
    language: str
    missing: list[str] = Field(description="fields that the template names and that are empty or not there")
    rendered: RenderedOut = Field(description="with nothing in the place of what is missing")


class TestSendIn(BaseModel):
    """Who gets a test: somebody of the staff."""

    __test__ = False  # no class of tests, whatever its name begins with

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"to": "marketing@shop.example", "language": "zh"}]}
    )

    to: Text = Field(min_length=3, max_length=320, description="an address")
    language: str = Field("", max_length=35, description="empty: the template's default")
    properties: dict[str, Any] = Field(default_factory=dict, description="what stands in `event`")


class TestSendOut(BaseModel):
    """What the provider answered."""

    __test__ = False

    result: str = Field(description="accepted, address, account, message, later, away or unknown")
    detail: str = Field(description="the provider's reply, if it did not take the mail")
    language: str
    missing: list[str] = Field(description="fields that the template names and that are empty or not there")
