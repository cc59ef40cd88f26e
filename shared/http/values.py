"""What values may be asked: types for what stands in queries and bodies."""

import re
from typing import Annotated, Final

from fastapi import Request
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, Strict

from shared.contracts import keepable
from shared.errors import Invalid


def storable(text: str) -> str:
    """Returns the text, if PostgreSQL can hold it. Raises ValueError otherwise."""
    if "\x00" in text:
        raise ValueError("must not contain U+0000")
    return text


# A text in a request's body. The description says by a pattern what a JSON Schema has no other word for.
Text = Annotated[str, AfterValidator(storable), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]


def _number(value: object) -> object:
    if isinstance(value, bool | str | bytes):
        raise ValueError("must be a number")
    return value


# Marks a number in a request's body that may be neither a text nor true or false; it stands after the number's bounds,
# which the description would leave out otherwise.
JSON_NUMBER: Final = BeforeValidator(_number)

# Truth in a request's body: neither a text nor a number.
Boolean = Annotated[bool, Strict()]


def _rfc3339(value: object) -> object:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be a time in RFC 3339, such as 2026-03-01T12:00:00Z")
    return value


_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)

# A moment in a query: a number would be taken for seconds.
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]


async def storable_request(request: Request) -> None:  # async: anything else would go through a thread
    """Raises `Invalid` for a request that says what can't be kept."""
    for name, value in (*request.path_params.items(), *request.query_params.multi_items()):
        if "\x00" in f"{name}{value}":
            raise Invalid(f"{name}: must not contain U+0000")
    if getattr(request.scope.get("route"), "body_field", None) is None:
        return  # it has none, or reads it by itself, as it streams in
    if raw := await request.body():
        try:
            keepable.decode(raw)
        except keepable.NotKeepable as error:
            raise Invalid(f"body: {error}") from None
