"""What a typed event must be beyond its types: amounts that are amounts, ids that are ids."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from services.ingest.domain.catalogue import trait_set
from services.ingest.domain.catalogue.parts import MAX_ID_LENGTH, MAX_PAYMENT_REFS, MAX_QUANTITY
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values.money import MAX_MINOR
from shared.contracts.events import (
    FACTS,
    SURVEY_SCALES,
    FeedbackSubmitted,
    MessageFact,
    OneProduct,
    OrderPlaced,
    OrderRefunded,
    ProductViewed,
    TraitSet,
)
from shared.contracts.moments import BOUNDS, is_plausible

MAY_BE_EMPTY: Final[Mapping[type, tuple[str, ...]]] = {
    **{body: ("currency",) for body in FACTS if body is ProductViewed or issubclass(body, OneProduct | MessageFact)},
    OrderPlaced: ("payment_id",),
    OrderRefunded: ("payment_id",),
}

_CURRENCY: Final = re.compile(r"[A-Z]{3}")

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def checked(body: _Struct, *, at: str) -> _Struct:
    """Returns the body, if it is valid, its times in UTC. Raises `BadEvent`, naming the field under `at`."""
    for name in body.__struct_fields__:
        value = getattr(body, name)
        if name == "currency" and isinstance(body, OrderRefunded) and body.full:
            continue
        if value != "" or name not in MAY_BE_EMPTY.get(type(body), ()):
            _check(name, value, f"{at}.{name}")
    if isinstance(body, FeedbackSubmitted) and body.rating not in (scale := SURVEY_SCALES[body.survey]):
        text = f"{at}.rating: not on the {body.survey} scale of {scale[0]} to {scale[-1]}"
        raise BadEvent(Reason.RATING, text)
    if isinstance(body, TraitSet):
        trait_set.checked(body.traits, f"{at}.traits")
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    moments = {name: value.astimezone(UTC) for name, value in fields.items() if isinstance(value, datetime)}
    return msgspec.structs.replace(body, **moments) if moments else body


def _check(name: str, value: Any, at: str) -> None:
    if name == "payment_refs":
        if len(value) > MAX_PAYMENT_REFS or not all(0 < len(one) <= MAX_ID_LENGTH for one in value):
            raise BadEvent(
                Reason.TOO_LARGE, f"{at}: send at most {MAX_PAYMENT_REFS}, of 1 to {MAX_ID_LENGTH} characters"
            )
    elif isinstance(value, tuple):
        for n, one in enumerate(value):
            if isinstance(one, msgspec.Struct):
                checked(one, at=f"{at}[{n}]")
    elif value is None:
        return
    elif isinstance(value, datetime):
        if value.tzinfo is None:
            raise BadEvent(Reason.TIME, f"{at}: not a time with a zone; send RFC 3339")
        if not is_plausible(value):
            raise BadEvent(Reason.TIME, f"{at}: year {value.year:04}; send a time {BOUNDS}")
    elif name.endswith("_minor"):
        if not 0 <= value <= MAX_MINOR:
            raise BadEvent(Reason.AMOUNT, f"{at}: {value}; send minor units from 0 to {MAX_MINOR}")
    elif name == "quantity":
        if not 0 <= value <= MAX_QUANTITY:
            raise BadEvent(Reason.AMOUNT, f"{at}: {value}; send a whole number from 0 to {MAX_QUANTITY}")
    elif name == "exact_quantity":
        if not (value.is_finite() and 0 <= value <= MAX_QUANTITY):
            raise BadEvent(Reason.AMOUNT, f"{at}: {value}; send a number from 0 to {MAX_QUANTITY}")
    elif name == "currency":
        if not _CURRENCY.fullmatch(value):
            raise BadEvent(Reason.CURRENCY, f'{at}: not an ISO 4217 code; send three letters such as "EUR"')
    elif (name.endswith("_id") or name in ("sku", "tag")) and not 0 < len(value) <= MAX_ID_LENGTH:
        raise BadEvent(Reason.REQUIRED, f"{at}: {len(value)} characters; send from 1 to {MAX_ID_LENGTH}")
