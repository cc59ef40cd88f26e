"""Work grows no faster than what strangers send: every parser of untrusted bytes, driven with nasty shapes."""

import base64
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
import pytest

from services.ingest.api.tracking import _basic_user
from services.ingest.domain import payload
from services.ingest.domain.catalogue.registry import TYPED_ROUTES
from services.ingest.domain.definitions import expression, mapping, plan, renaming, repair, shape
from services.ingest.domain.definitions.budget import Budget
from services.ingest.domain.definitions.mapping import Mapper
from services.ingest.domain.definitions.write_key import without_write_keys
from services.ingest.domain.errors import BadDefinition, BadEvent, BadRequest
from services.ingest.domain.fast_path import reader
from services.ingest.domain.formats import cloudevents, inbound, pixel
from services.ingest.domain.formats.files import FileFormat, Options
from services.ingest.domain.formats.webhooks import registry
from services.ingest.domain.formats.webhooks.delivery import Delivery
from services.ingest.domain.formats.webhooks.signature import BadSignature
from services.ingest.domain.judge import normalise
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.domain.request import body
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.values import identity, message, money, times
from services.ingest.domain.values.context import event_context, utm
from services.ingest.service import files
from shared.contracts import keepable, wire
from shared.contracts.envelope import SourceKind
from shared.contracts.identity import Namespace
from shared.contracts.keepable import NotKeepable
from shared.contracts.placeholders import MEANS_NOBODY
from shared.errors import AppError
from shared.http import decode_cursor
from shared.http.edits import if_match
from tests.support.growth import LINEAR, exponent

NOW: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
REFUSED: Final = (
    *(BadEvent, BadRequest, BadDefinition, BadSignature, NotKeepable, AppError, wire.Undecodable, wire.NewerThanCode),
    *(msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError),
)
MAPPING: Final = {
    "rules": [
        {
            "event": "from a till",
            "each": "batch",
            "fields": {
                "userId": "user.id",
                "timestamp": {"from": "at", "as": "time", "format": "%d.%m.%Y %H:%M"},
                "properties.total": {"from": "sum", "as": "number", "decimal": ","},
                "properties.names": "lines[?price > `1`].name | sort(@) | join(', ', @)",
                "properties.lines": {"each": "lines", "fields": {"sku": "sku"}},
            },
        }
    ]
}
MAPPER: Final = Mapper(mapping.parse(json.dumps(MAPPING).encode()))
RENAMING: Final = renaming.Renaming(
    {"own": renaming.Renamed(event="Own", properties={"a": "batch[*].a", "b": "keys(@)"})}
)
PLAN: Final = plan.Plan(
    plan.PlanDocument(
        events={"own": plan.Planned(properties={"properties": {"a": {"type": "string", "pattern": "^(a|b)*$"}}})}
    )
)
REPAIR: Final = repair.Repair(b'{"set": {"a.b": "batch[*].a"}, "remove": ["context.page"]}')
LARGE: Final = 1_000_000  # bytes of an event, here: what is bounded is to be linear below the bound, too


def request_context(**said: Any) -> RequestContext:
    return RequestContext(
        source_id=UUID(int=7),
        source_kind=SourceKind.SERVER,
        allow_orders=False,
        received_at=NOW,
        new_message_id=lambda: "made",
        max_event_bytes=LARGE,
        **said,
    )


def words(raw: bytes) -> str:
    return raw.decode("latin-1")


def event(**said: Any) -> bytes:
    return json.dumps({"type": "track", "event": "own", "userId": "u", "messageId": "m", **said}).encode()


def unpack(raw: bytes) -> None:
    read = body.BodyReader(limit_bytes=LARGE)
    read.feed(raw)
    read.finish()


def taken(way: IngestMethod, raw: bytes, form: str = "json", **around: Any) -> None:
    found = payload.meaning(Payload(way=way, raw=raw, around=around), request_context(), form, MAPPER)
    for one in found.messages:
        normalise(one, request_context())


def rows(raw: bytes, file_format: FileFormat, path: Path = Path("/dev/shm") / "rapport-rows") -> None:  # noqa: S108
    path.write_bytes(raw)
    options = Options(format=file_format, preset="tracking", group=("batch",), encoding="latin-1")
    for _ in files.payloads(path, options, start=0):
        pass


def bodies() -> Iterator[tuple[str, Callable[[bytes], object]]]:
    """Every parser of bytes that are JSON, or should be."""
    yield "a body that streams in", unpack
    yield "a packed body", lambda raw: unpack(gzip.compress(raw, 1))
    yield "an envelope", body.parse
    yield "a batch's context", lambda raw: body.context_of(body.Envelope(context=msgspec.Raw(raw)))
    yield "a message's id", message.message_id_in
    yield "a message without its key", lambda raw: without_write_keys(b'{"writeKey":' + raw)
    yield "an event", lambda raw: normalise(raw, request_context())
    yield "an event, plainly", lambda raw: reader(request_context(), partition_secret=b"secret")(raw, 0)
    yield "properties", lambda raw: normalise(event(properties={})[:-3] + raw + b"}", request_context())
    yield (
        "properties, plainly",
        lambda raw: reader(request_context(), partition_secret=b"s")(event()[:-1] + b"," + raw, 0),
    )
    yield "properties, renamed", lambda raw: RENAMING.apply("own", raw)
    yield "properties, planned", lambda raw: PLAN.judge("own", raw)
    yield "an event's shape", lambda raw: shape.shape_of(msgspec.json.decode(raw))
    yield "a CloudEvent", lambda raw: cloudevents.understand(raw, request_context())
    yield "a CloudEvent's data", lambda raw: cloudevents.structured({"id": "1"}, "application/json", raw)
    yield "a CloudEvent's other data", lambda raw: cloudevents.structured({"id": "1"}, "text/plain", raw)
    yield "an upstream record", lambda raw: inbound.decode([("ce_id", raw), (words(raw), b"x")], raw)
    for kind in TYPED_ROUTES:
        yield f"a body of /v1/{kind}", lambda raw, kind=kind: taken(IngestMethod.TYPED, raw, kind=kind)  # type: ignore[misc]
    for form in ("shopify", "woocommerce", "stripe", "json"):
        yield (
            f"a webhook of {form}",
            lambda raw, form=form: taken(  # type: ignore[misc]
                IngestMethod.WEBHOOK,
                raw,
                form,
                headers={"x-shopify-topic": "orders/create", "x-wc-webhook-topic": "order.created"},
            ),
        )
    yield "a row", lambda raw: taken(IngestMethod.FILE, raw, file="f", row=1)
    yield "a mapping's payload", lambda raw: MAPPER.apply(msgspec.json.decode(raw))
    yield "a mapping", lambda raw: Mapper(mapping.parse(raw))
    yield "a repair", REPAIR.apply
    yield "a CSV file", lambda raw: rows(raw, FileFormat.CSV)
    yield "an NDJSON file", lambda raw: rows(raw, FileFormat.NDJSON)
    yield "a body of any other route", keepable.decode
    yield "JSON to be kept", keepable.check
    yield "a record of the bus", lambda raw: wire.decode([("ce_type", b"rapport.custom_event.v1"), ("ce_id", raw)], raw)


def texts() -> Iterator[tuple[str, Callable[[str], object]]]:
    """Every parser of texts: headers, parameters, and values that mean more than themselves."""
    yield "a Basic credential", lambda text: _basic_user(f"Basic {text}")
    for form in ("shopify", "woocommerce", "stripe", "standard-webhooks", "json"):
        yield f"a signature of {form}", lambda text, form=form: signed(form, text)  # type: ignore[misc]
    yield "an ETag", lambda text: if_match(f'"{text}"')
    yield "a cursor", lambda text: decode_cursor(text, tuple[datetime, UUID])
    yield (
        "a cursor of numbers",
        lambda text: decode_cursor(base64.b64encode(text.encode()).decode(), tuple[int]),
    )
    yield "a pixel's address", lambda text: pixel.message(parse_qsl(text), referrer=text)
    yield "a campaign in an address", lambda text: utm(f"utm_source={text}"[:2_000])
    yield (
        "a page and a user agent",
        lambda text: event_context(
            message.context_in(json.dumps({"userAgent": text, "page": {"url": text, "search": text}}).encode()),
            address=text,
            user_agent=text,
            locate=lambda _: None,
        ),
    )
    yield "a mail address", lambda text: normalise(event(type="identify", traits={"email": text}), request_context())
    yield (
        "a telephone number",
        lambda text: normalise(event(type="identify", traits={"phone": text}), request_context()),
    )
    yield "an id", lambda text: identity.named(Namespace.USER_ID, text, at="userId")
    for namespace, means_nobody in MEANS_NOBODY.items():
        yield f"an {namespace} that may mean nobody", means_nobody
    yield "a time", times.moment
    yield "an amount", lambda text: money.plain(text, "EUR") or money.minor(Decimal(text), "EUR", at="total")
    yield "a currency", lambda text: money.currency(text)
    yield "a reason to be kept", keepable.text
    yield "an expression", lambda text: expression.finder("at", text[: expression.MAX_EXPRESSION])
    yield "what an expression finds", lambda text: FIND({"a": text, "b": [text]}, Budget())
    yield "a time in a file", lambda text: MAPPER.apply({"batch": [{"at": text}]})


FIND: Final = expression.finder("at", "[a, b[?contains(@, 'x')], join(a, b), to_string(@)]")


def signed(form: str, text: str) -> None:
    headers = dict.fromkeys(
        ("x-shopify-hmac-sha256", "x-wc-webhook-signature", "stripe-signature", "webhook-signature"), text
    )
    stamp = {"webhook-id": text, "webhook-timestamp": str(int(NOW.timestamp())), "x-hub-signature-256": text}
    registry.verify(form, b"secret of some", Delivery(raw=text.encode(), headers={**headers, **stamp}), now=NOW)


# Each makes bytes of about that size.
SHAPES: Final[Mapping[str, Callable[[int], bytes]]] = {
    "quotes in a string that never closes": lambda n: b'{"batch":["' + b'\\"' * (n // 2),
    "quotes, and half an escape": lambda n: b'{"batch":["' + b'\\"' * (n // 2) + b"\\",
    "strings that never close": lambda n: b'{"batch":[' + b'"a\\' * (n // 3),
    "quotes alone": lambda n: b'"' * n,
    "backslashes": lambda n: b'["' + b"\\" * n,
    "U+0000 that is none": lambda n: b'["' + b"\\\\u0000" * (n // 7) + b'"]',
    "U+0000": lambda n: b'["' + b"\\u0000" * (n // 6) + b'"]',
    "halves of emoji": lambda n: b'{"batch":["' + b"\\ud83d" * (n // 6) + b'"]}',
    "numbers that are none": lambda n: b'{"batch":[' + b"NaN," * (n // 4) + b"-Infinity]}",
    "signs": lambda n: b"-" * n,
    "deep arrays": lambda n: b"[" * (n // 2) + b"]" * (n // 2),
    "deep objects": lambda n: b'{"a":' * (n // 5),
    "many small arrays": lambda n: b'{"batch":[' + b"[[]]," * (n // 5) + b"0]}",
    "many numbers": lambda n: b'{"batch":[' + b"1," * (n // 2) + b"1]}",
    "one long number": lambda n: b"1" * n,
    "one long fraction": lambda n: b"0." + b"1" * n,
    "many long numbers": lambda n: b'{"batch":[' + (b"9" * 900 + b",") * (n // 900) + b"1]}",
    "a large exponent": lambda n: b"1e" + b"9" * n,
    "whitespace": lambda n: b'{"batch":' + b" \n\t" * (n // 3),
    "many names": lambda n: b"{" + b",".join(b'"n%d":{}' % one for one in range(n // 10)) + b"}",
    "one name again and again": lambda n: b"{" + b",".join([b'"a":[]'] * (n // 7)) + b"}",
    "one long name": lambda n: b'{"' + b"n" * n + b'":1}',
    "one long text": lambda n: b'{"batch":"' + b"x" * n + b'"}',
    "objects of many names": lambda n: (
        b'{"batch":[' + b",".join(b'{"a%d":{"b%d":{"a":1}}}' % (one % 90, one) for one in range(n // 24)) + b"]}"
    ),
    "many events": lambda n: b'{"batch":[' + b",".join([event(properties={"a": [1]})] * (n // 100)) + b"]}",
    "many lines": lambda n: (
        b'{"batch":[{"lines":[' + b",".join([b'{"sku":"s","price":2,"name":"n"}'] * (n // 32)) + b"]}]}"
    ),
    "empty packed streams": lambda n: gzip.compress(b"") * (n // 20),
    "many columns, and short rows": lambda n: b"c," * (n // 4) + b"\n" + b"1\n" * (n // 4),
    "words with dots": lambda n: b"a." * (n // 2),
    "words with an at": lambda n: b"a@" * (n // 2),
    "commas": lambda n: b"v1,v1=t," * (n // 8),
    "parameters": lambda n: b"utm_a=1&" * (n // 8),
    "brackets of an expression": lambda n: b"[" * (n // 2) + b"@" + b"]" * (n // 2),
    "not ASCII": lambda n: "ä̈".encode() * (n // 4),
}


@cache
def made(shape_name: str, size: int) -> bytes:
    return SHAPES[shape_name](size)


PARSERS: Final[Mapping[str, Callable[[bytes], object]]] = {
    **dict(bodies()),
    **{name: lambda raw, parse=parse: parse(words(raw)) for name, parse in texts()},  # type: ignore[misc]
}


@pytest.mark.parametrize("name", PARSERS)
def test_no_shape_takes_a_parser_more_than_linear_work(name: str) -> None:
    parse = PARSERS[name]

    def refusing(raw: bytes) -> None:
        with suppress(*REFUSED):
            parse(raw)

    grown = {shape_name: exponent(refusing, partial(made, shape_name)) for shape_name in SHAPES}
    assert {shape_name: found for shape_name, found in grown.items() if found > LINEAR} == {}


def test_quadratic_work_is_seen() -> None:
    def quadratic(raw: bytes) -> int:
        return sum(raw.count(b"x") for _ in range(len(raw) // 100))

    assert exponent(quadratic, lambda n: b"y" * n) > LINEAR


def test_the_largest_body_of_the_worst_shapes_is_read_at_once() -> None:
    for name in ("quotes in a string that never closes", "halves of emoji", "deep arrays", "quotes alone"):
        assert exponent(lambda raw: _parse(raw), SHAPES[name], sizes=(64_000, 128_000, 256_000, 500_000)) <= LINEAR


def _parse(raw: bytes) -> None:
    try:
        body.parse(raw)
    except BadRequest:
        keepable.is_too_deep(raw)
