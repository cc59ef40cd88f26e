"""Erasing what was refused of a customer, as the API accepts and answers it."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.contracts.identity import MAX_VALUE_LENGTH, Namespace
from shared.http import Text

MAX_IDENTITIES = 1_000  # of one customer in one request

# Told, and not enforced: what is wrong is told in more words.
NAMESPACE: Final = rf"^({'|'.join(Namespace)}|user_id@[a-z0-9]([a-z0-9-]{{0,38}}[a-z0-9])?)$"


def _namespace(value: str) -> str:
    try:
        return Namespace(value).value
    except ValueError:
        allowed = ", ".join(Namespace)
        raise ValueError(f"is no namespace; the namespaces are {allowed}, and user_id@ with a space") from None


class ErasedIdentityIn(BaseModel):
    """An identity of the customer, as profile lists it."""

    model_config = ConfigDict(extra="forbid")

    namespace: Annotated[
        Text,
        AfterValidator(_namespace),
        Field(max_length=80, examples=["email"], json_schema_extra={"pattern": NAMESPACE}),
    ]
    value: Annotated[Text, Field(min_length=1, max_length=MAX_VALUE_LENGTH, examples=["ann@example.com"])]


class ErasureIn(BaseModel):
    """Whose refused payloads are to be deleted."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"identities": [{"namespace": "user_id", "value": "42"}]}]}
    )

    identities: list[ErasedIdentityIn] = Field(min_length=1, max_length=MAX_IDENTITIES)


class RefusedErasedOut(BaseModel):
    """What was deleted."""

    model_config = ConfigDict(from_attributes=True)

    quarantined: int = Field(description="payloads of the quarantine")
    rejected: int = Field(description="rows of imports that were refused")
    orders: int = Field(description="orders whose customer was kept to know whose their refunds are")
