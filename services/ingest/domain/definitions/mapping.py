"""Declarative mappings: how a payload of any shape becomes messages of the tracking API.

A mapping is a document of rules. Each rule that applies makes one message, or one for each element that `each` finds.
A field is a JMESPath expression (https://jmespath.org) on the payload, or an object that also says how its value is to
be read. Targets are the tracking API's names, with dots for what lies inside: `userId`, `properties.order_id`.

    {"rules": [{
        "when": "kind == 'sale'",
        "type": "track", "event": "Order Completed",
        "fields": {
            "messageId": "receipt",
            "userId": "card.number",
            "timestamp": {"from": "sold", "as": "time", "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
            "properties.order_id": "receipt",
            "properties.currency": {"value": "EUR"},
            "properties.total": {"from": "sum", "as": "number", "decimal": ","},
            "properties.products": {"each": "lines", "fields": {"product_id": "article", "price": "price"}}
        }
    }]}
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from enum import StrEnum
from itertools import islice
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from services.ingest.domain.definitions.budget import Budget
from services.ingest.domain.definitions.expression import Finder, finder
from services.ingest.domain.errors import BadDefinition, BadEvent, Reason
from services.ingest.domain.values import exact
from services.ingest.domain.values import number as numbers
from shared.contracts import wire

MAX_RULES: Final = 50
MAX_FIELDS: Final = 200  # of a rule, nested ones among them
MAX_TIME_LENGTH: Final = 100  # characters of a time; a parser by format tries many readings
MAX_MADE: Final = 2_500  # messages of one payload
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MONEY: Final = frozenset({"total", "subtotal", "revenue", "price", "cost", "amount", "tax", "shipping", "discount"})
TRUE: Final = frozenset({"true", "yes", "y", "1", "on", "t"})
FALSE: Final = frozenset({"false", "no", "n", "0", "off", "f", ""})

Target = Literal["track", "identify", "page", "screen", "group", "alias"]


class Cast(StrEnum):
    """How a value is read."""

    TEXT = "text"
    NUMBER = "number"
    SUM = "sum"
    TIME = "time"
    BOOLEAN = "boolean"


class Field(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from", "as_": "as"}
):
    """One value of a message. One of `from`, `value` and `each` says where it comes from.

    `format` is a time's (strptime, `unix` or `unix_ms`; ISO 8601 if absent), `zone` that of times without one;
    `decimal` is the sign before a number's decimals: a point if absent, and then 1,234 is refused, which may mean two
    things. `places` rounds to so many decimals. With a `default` a file may lack the column.
    """

    from_: str = ""
    value: Any = msgspec.UNSET
    each: str = ""
    fields: "dict[str, str | Field]" = {}
    as_: Cast | None = None
    default: Any = None
    format: str = ""
    zone: str = "UTC"
    decimal: str = ""
    places: int | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one kind of payload becomes a message. `event` is a name, or `{"from": …}`."""

    type: Target = "track"
    event: str | Field = ""
    when: str = ""
    each: str = ""
    fields: dict[str, str | Field]


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping as it is written."""

    rules: list[Rule]


Reader = Callable[[Any, Budget], Any]
Convert = Callable[[Any], Any]
Maker = Callable[[Any, Budget], Iterator[dict[str, Any]]]


class Mapper:
    """A mapping, compiled."""

    def __init__(self, document: Document) -> None:
        """Raises `BadDefinition`, naming the place."""
        if not 0 < len(document.rules) <= MAX_RULES:
            raise BadDefinition(f"rules: {len(document.rules)}; from 1 to {MAX_RULES}")
        self._rules = [_maker(f"rules[{n}]", rule) for n, rule in enumerate(document.rules)]

    def apply(self, payload: Any) -> list[dict[str, Any]]:
        """Returns the messages that a payload makes; none if no rule applies. Raises `BadEvent`."""
        budget = Budget()
        made = list(islice((message for make in self._rules for message in make(payload, budget)), MAX_MADE + 1))
        if len(made) > MAX_MADE:
            raise BadEvent(Reason.TOO_LARGE, f"mapping: makes more than {MAX_MADE} events of one payload")
        return made


def parse(document: bytes) -> Document:
    """Returns a mapping in its bytes. Raises `BadDefinition`."""
    try:
        return msgspec.json.decode(document, type=Document)
    except msgspec.MsgspecError as error:
        raise BadDefinition(f"mapping: {error}") from None


def _maker(at: str, rule: Rule) -> Maker:
    count = _count(rule.fields)
    if count > MAX_FIELDS:
        raise BadDefinition(f"{at}.fields: {count}; at most {MAX_FIELDS}")
    applies = finder(f"{at}.when", rule.when) if rule.when else _always
    elements = finder(f"{at}.each", rule.each) if rule.each else _itself
    event = _reader(f"{at}.event", Field(value=rule.event) if isinstance(rule.event, str) else rule.event)
    read = fields_reader(f"{at}.fields", rule.fields)
    if rule.type == "track" and not rule.event:
        raise BadDefinition(f"{at}.event: required; say the name of what happened")

    def make(payload: Any, budget: Budget) -> Iterator[dict[str, Any]]:
        if not applies(payload, budget):
            return
        found = elements(payload, budget)
        for element in found if isinstance(found, list) else [found]:
            message = read(element, budget)
            message["type"] = rule.type
            if rule.type == "track":
                message["event"] = event(element, budget)
            yield message

    return make


def _always(_: Any, __: Budget) -> bool:
    return True


def _itself(payload: Any, _: Budget) -> Any:
    return [payload]


def _count(fields: Mapping[str, str | Field]) -> int:
    return sum(1 + (_count(one.fields) if isinstance(one, Field) else 0) for one in fields.values())


def fields_reader(at: str, fields: Mapping[str, str | Field]) -> Callable[[Any, Budget], dict[str, Any]]:
    """Returns a reader of objects with these fields; it leaves absent ones out. Raises `BadDefinition`, naming `at`."""
    readers = [
        (target.split("."), _reader(f"{at}.{target}", Field(from_=one) if isinstance(one, str) else one))
        for target, one in fields.items()
    ]
    paths = [path for path, _ in readers]
    if any(one != other and one == other[: len(one)] for one in paths for other in paths):
        raise BadDefinition(f"{at}: a field can't be both a value and what lies in it")

    def read(payload: Any, budget: Budget) -> dict[str, Any]:
        made: dict[str, Any] = {}
        budget.step(1 + len(readers))
        for path, reader in readers:
            value = reader(payload, budget)
            if value is None:
                continue
            inner = made
            for name in path[:-1]:
                inner = inner.setdefault(name, {})
            inner[path[-1]] = value
        return made

    return read


def _reader(at: str, field: Field) -> Reader:
    given = [name for name, text in (("from", field.from_), ("each", field.each)) if text]
    if field.value is not msgspec.UNSET:
        given.append("value")
    if len(given) != 1:
        raise BadDefinition(f"{at}: give one of from, value and each")
    if field.value is not msgspec.UNSET:
        return lambda _, __: field.value
    if field.each:
        return _lines(at, field)
    find, cast = finder(at, field.from_), _caster(at, field)

    def read(payload: Any, budget: Budget) -> Any:
        value = find(payload, budget)
        if value is None or value == "" or (cast is not None and isinstance(value, str) and not value.strip()):
            return field.default
        return value if cast is None else cast(value)

    return read


def _lines(at: str, field: Field) -> Reader:
    elements: Finder = finder(at, field.each)
    read = fields_reader(f"{at}.fields", field.fields)

    def lines(payload: Any, budget: Budget) -> Any:
        found = elements(payload, budget)
        if found is None:
            return None
        return [read(one, budget) for one in (found if isinstance(found, list) else [found])]

    return lines


# Reading values


def _caster(at: str, field: Field) -> Convert | None:
    if field.decimal not in numbers.POINTS:
        raise BadDefinition(f"{at}.decimal: {field.decimal[:MAX_TIME_LENGTH]!r}; give a point or a comma")
    match field.as_:
        case Cast.TEXT:
            return lambda value: _text(value, at)
        case Cast.NUMBER:
            return lambda value: _number(value, at, field)
        case Cast.SUM:
            return lambda value: _sum(value, at, field)
        case Cast.TIME:
            return _timer(at, field)
        case Cast.BOOLEAN:
            return lambda value: _boolean(value, at)
        case _:
            return None


def _text(value: Any, at: str) -> str:
    if isinstance(value, dict | list):
        raise BadEvent(Reason.MAPPING, f"{at}: not a single value")
    if isinstance(value, float):  # data frames keep whole numbers as doubles if one of them is missing
        found = exact.whole(value)
        if found is None and exact.is_id(at.rsplit(".", 1)[-1]):
            raise BadEvent(Reason.MAPPING, f"{at}: {exact.not_whole(value)}")
        return str(value if found is None else found)
    return value.strip() if isinstance(value, str) else str(value)


def _number(value: Any, at: str, field: Field) -> Decimal:
    try:
        if isinstance(value, str):
            number = numbers.number(value, field.decimal, of_money=at.rsplit(".", 1)[-1] in MONEY)
        elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise ValueError("is not a number")
        else:
            number = Decimal(str(value))
        if not number.is_finite():
            raise ValueError("is not a number")
    except ValueError as error:
        raise BadEvent(Reason.MAPPING, f"{at}: {value!r} {error}") from None
    try:
        return number if field.places is None else number.quantize(Decimal(1).scaleb(-field.places), ROUND_HALF_EVEN)
    except InvalidOperation:
        raise BadEvent(Reason.MAPPING, f"{at}: {value!r} is not a number with {field.places} places") from None


def _sum(value: Any, at: str, field: Field) -> Decimal:
    parts = [_number(one, at, field) for one in (value if isinstance(value, list) else [value])]
    try:
        return sum(parts, Decimal(0))
    except ArithmeticError:
        raise BadEvent(Reason.MAPPING, f"{at}: a sum that is too large to be a number") from None


def _boolean(value: Any, at: str) -> bool:
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value).strip().lower()
    if text in TRUE or text in FALSE:
        return text in TRUE
    raise BadEvent(Reason.MAPPING, f"{at}: {value!r} is neither true nor false")


def _timer(at: str, field: Field) -> Convert:
    try:
        zone = ZoneInfo(field.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones, or a name that no file can have
        zone_name = field.zone[:MAX_TIME_LENGTH]
        raise BadDefinition(f"{at}.zone: {zone_name!r} is not a time zone; give one such as Europe/Berlin") from None
    parse_time = _EPOCHS.get(field.format) or (_formatted(field.format) if field.format else _iso)

    def read(value: Any) -> str:
        try:
            text = str(value).strip()
            if len(text) > MAX_TIME_LENGTH:
                raise ValueError
            moment = value if isinstance(value, datetime) else parse_time(text)
            return wire.iso(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone))
        except (ValueError, OverflowError, re.error):  # a format that names one thing twice is not a pattern
            raise BadEvent(
                Reason.TIME, f"{at}: {value!r} is not a time of the form {field.format or 'ISO 8601'}"
            ) from None

    return read


def _iso(value: str) -> datetime:
    return datetime.fromisoformat(value)


def _formatted(form: str) -> Callable[[str], datetime]:
    return lambda value: datetime.strptime(value, form)  # noqa: DTZ007 # the zone is added by the caller


_EPOCHS: Final[Mapping[str, Callable[[str], datetime]]] = {
    "unix": lambda value: EPOCH + timedelta(seconds=float(value)),
    "unix_ms": lambda value: EPOCH + timedelta(milliseconds=float(value)),
}
