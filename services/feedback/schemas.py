"""Requests and responses of the feedback API."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.contracts import normal_form
from shared.contracts.identity import Namespace
from shared.http import JSON_NUMBER, Text

Value = Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]


def _normal(namespace: Namespace, problem: str) -> AfterValidator:
    """Returns a validator that gives an identity its normal form. It raises ValueError for what is nobody's."""

    def normal(value: str) -> str:
        found = normal_form.of(namespace, value)
        if found is None:
            raise ValueError(problem)
        return found

    return AfterValidator(normal)


NOBODY: Final = "is a placeholder that systems send for an unknown customer; leave it out"
UserId = Annotated[Value, _normal(Namespace.USER_ID, NOBODY)]
AnonymousId = Annotated[Value, _normal(Namespace.ANONYMOUS_ID, NOBODY)]
Email = Annotated[Value, _normal(Namespace.EMAIL, "is not a valid mail address of a customer")]
Phone = Annotated[
    Value,
    _normal(Namespace.PHONE, "is not one person's valid telephone number; write it with + and the country's code"),
]


class Customer(BaseModel):
    """The customer who responds: a profile id, or at least one identity, in any spelling."""

    model_config = ConfigDict(extra="forbid")

    profile_id: UUID | None = None
    user_id: UserId | None = None
    email: Email | None = None
    phone: Phone | None = None
    anonymous_id: AnonymousId | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("name the customer by profile_id, user_id, email, phone or anonymous_id")
        return self


class FeedbackIn(BaseModel):
    """A response to a survey, about an order if `order_id` is given."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "customer": {"user_id": "42"},
                    "survey": "nps",
                    "rating": 9,
                    "text": "Quick delivery, 谢谢!",
                    "order_id": "A-1001",
                }
            ]
        },
    )

    customer: Customer
    survey: Literal["nps", "csat"] = "nps"
    rating: Annotated[int, JSON_NUMBER] = Field(description="0 to 10 for nps, 1 to 5 for csat")
    text: Text = Field("", max_length=5000)
    order_id: Value | None = None


class FeedbackCreated(BaseModel):
    """The id of the response, which is also the id of its event."""

    id: UUID
    unsolicited: str | None = Field(None, description="why the response counts in no figure; null if it counts")


class ResponseOut(BaseModel):
    """One response."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    survey: str
    rating: int
    text: str
    order_id: str | None
    profile_id: UUID | None
    occurred_at: datetime
    unsolicited: str | None = Field(
        description="why the response counts in no figure and opens no case; null if it counts"
    )


class ResponsesOut(BaseModel):
    """A customer's responses, newest first."""

    responses: list[ResponseOut]


class UnsolicitedOut(ResponseOut):
    """One unsolicited response. `occurred_at` is the sender's word; `received_at` is by this platform's clock."""

    received_at: datetime


class UnsolicitedPage(BaseModel):
    """A page of unsolicited responses. `next` is the cursor of the page after it, or null."""

    responses: list[UnsolicitedOut]
    next: str | None


class FiguresOut(BaseModel):
    """A survey's result: NPS from -100 to 100, CSAT in percent of satisfied responses."""

    model_config = ConfigDict(from_attributes=True)

    survey: str
    responses: int
    positive: int = Field(description="promoters (9, 10), or satisfied (4, 5)")
    neutral: int
    negative: int = Field(description="detractors (0 to 6), or dissatisfied (1, 2)")
    score: float | None
    unsolicited: int = Field(description="unsolicited responses of the period; they are in none of the other numbers")


class CaseOut(BaseModel):
    """A case and the response that opened it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    status: str
    reason: str
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    note: str
    profile_id: UUID | None
    survey: str
    rating: int
    text: str
    order_id: str | None


class CasesOut(BaseModel):
    """A page of cases. `next` is the cursor of the page after it, or null."""

    cases: list[CaseOut]
    next: str | None


class CloseIn(BaseModel):
    """What was done about the case."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"note": "called, and refunded"}]})

    note: Text = Field("", max_length=5000)
