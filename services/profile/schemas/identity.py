"""Requests and responses about who is one customer, and why."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.contracts.identity import MAX_VALUE_LENGTH
from shared.http import Text

MAX_SEPARATED = 1_000  # identities in one request


class IdentityDecisionOut(BaseModel):
    """One decision about who is who. For a merge, `profile_id` survived and `other_id` is gone."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    kind: str
    profile_id: UUID
    other_id: UUID | None
    namespace: str | None
    value: str | None
    event_id: UUID
    rule_version: int
    reason: str
    provenance: str | None = Field(
        description="who made the link: public (a public key), server, service, or verified; "
        "null in decisions from before this was kept"
    )
    verified: bool | None = Field(description="of a merge: whether a customer's token for the former id still counts")


class IdentityLogOut(BaseModel):
    """Why a customer is one customer, newest decision first."""

    decisions: list[IdentityDecisionOut]


class NameOut(BaseModel):
    """An identity: its namespace and its value."""

    namespace: str
    value: str


class NameIn(BaseModel):
    """An identity of the customer, as the profile lists it."""

    model_config = ConfigDict(extra="forbid")

    namespace: Annotated[Text, Field(min_length=1, max_length=80, examples=["user_id"])]
    value: Annotated[Text, Field(min_length=1, max_length=MAX_VALUE_LENGTH, examples=["43"])]


class WordsOut(BaseModel):
    """A sentence in English and in Chinese."""

    en: str
    zh: str


class MergeStepOut(BaseModel):
    """A merge: `other_id` is gone, and `profile_id` stands for it. `names` are those by which the event knew each."""

    at: datetime
    profile_id: UUID
    other_id: UUID
    event_id: UUID
    names: list[NameOut] = Field(description="of who stands for both since")
    other_names: list[NameOut]
    words: WordsOut


class ExplanationOut(BaseModel):
    """Why a customer is one: the merges that stand, in the order of their decisions; none of who was always one."""

    profile_id: UUID
    steps: list[MergeStepOut]


class SplitIn(BaseModel):
    """Who is to become a customer of their own: who was merged into this one (`undo`), or some of the identities."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"identities": [{"namespace": "user_id", "value": "43"}], "reason": "two sisters, one phone"},
                {"undo": "019c0000-0000-7000-8000-000000000002"},
            ]
        },
    )

    undo: UUID | None = Field(None, description="the profile id that was merged away, one of `merged_ids`")
    identities: list[NameIn] = Field([], max_length=MAX_SEPARATED)
    reason: Annotated[Text, Field(max_length=500, description="why, for whoever reads the identity log")] = ""

    @model_validator(mode="after")
    def _one_way(self) -> "SplitIn":
        if (self.undo is None) == (not self.identities):
            raise ValueError("give either undo or identities")
        return self


class SplitOut(BaseModel):
    """What became of a customer who was two."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kept: UUID = Field(description="who keeps the profile's id")
    separated: UUID = Field(description="who has the identities below from now on")
    identities: list[NameOut]
    at: datetime


class ErasureOut(BaseModel):
    """An erasure. `ProfileErased` makes every other service delete what it keeps of the customer, too."""

    model_config = ConfigDict(from_attributes=True)

    profile_id: UUID = Field(description="the id that stood for the customer; no customer will have it again")
    erased_at: datetime
    events: int = Field(description="of the customer's timeline, deleted")
    identities: list[NameOut] = Field(
        description="that the customer had: told once, for `POST /v1/erasures` of ingest; nobody keeps them"
    )
