"""Bodies that are nearly right: a good one of each route, with something unfit at each place.

A good body is made from the OpenAPI document: its example, or else the least that its schema asks for. What is put in
is small: what is shown is that it is refused, or taken, and never that a service can't answer.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

DEPTH: Final = 600  # levels: beyond what any reader here takes

Path = tuple[str | int, ...]

# Raw JSON, so that what no encoder writes can be said, too.
UNFIT: Final[Mapping[str, str]] = {
    "null": "null",
    "true": "true",
    "a number": "1",
    "a negative number": "-1",
    "a fraction": "0.1",
    "beyond 32 bits": str(2**31),
    "beyond 64 bits": str(2**64),
    "beyond doubles": "1e400",
    "minus beyond doubles": "-1e400",
    "below doubles": "1e-400",
    "400 digits": "9" * 400,
    "5,000 digits": "9" * 5_000,
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus zero": "-0.0",
    "an empty text": '""',
    "a text": '"x"',
    "a long text": json.dumps("x" * 6_000),
    "NUL": '"a\\u0000b"',
    "half a surrogate pair": '"a\\ud800b"',
    "the other half": '"\\udc00"',
    "a whole pair": '"\\ud83c\\udf75"',
    "a control character": '"a\u0001b"',
    "right to left": '"\u202eab"',
    "U+FFFF": '"\uffff"',
    "a moment of the year 1": '"0001-01-01T00:00:00Z"',
    "a moment before the year 1": '"0001-01-01T00:00:00+14:00"',
    "a moment after the year 9999": '"9999-12-31T23:59:59-14:00"',
    "a moment without a zone": '"2026-03-01T12:00:00"',
    "a nil id": '"00000000-0000-0000-0000-000000000000"',
    "an empty list": "[]",
    "a list": '["x", null, 1]',
    "an empty object": "{}",
    "an object": '{"x": {"y": [1]}}',
    "NUL in a name": '{"a\\u0000b": 1}',
    "half a pair in a name": '{"\\ud800": 1}',
    "an empty name": '{"": 1}',
    "a name twice": '{"x": 1, "x": 2}',
    "deep lists": "[" * DEPTH + "]" * DEPTH,
    "deep objects": '{"x":' * DEPTH + "1" + "}" * DEPTH,
}

# What is no JSON at all, or no text.
BROKEN: Final[Mapping[str, bytes]] = {
    "nothing": b"",
    "blanks": b" \n",
    "a bracket": b"{",
    "many brackets": b"[" * 5_000,
    "an open text": b'{"a": "',
    "a trailing comma": b'{"a": 1,}',
    "two values": b"{} {}",
    "no UTF-8": b'{"a": "\xff\xfe"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "an overlong NUL": b'{"a": "\xc0\x80"}',
    "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "gzip that is cut off": b"\x1f\x8b\x08\x00",
    "gzip of nothing": bytes.fromhex("1f8b08000000000000ff03000000000000000000"),
    "a NUL byte": b'{"a": "\x00"}',
}


def mutations(good: Any) -> Iterator[tuple[str, bytes]]:
    """Yields what is unfit and where, and the body: each unfit value at each place, beside it, and under its name."""
    for path in places(good):
        where = "/".join(map(str, path)) or "(whole)"
        for what, raw in UNFIT.items():
            yield f"{what} at {where}", written(good, path, raw).encode()
        if path and isinstance(path[-1], str):
            yield f"{where} twice", _twice(good, path).encode()
            yield f"{where} left out", written(good, path, None).encode()
            yield f"NUL behind the name {where}", _renamed(good, path, path[-1] + "\x00").encode()
            yield f"{where} under a foreign name", _renamed(good, path, "x-" + path[-1]).encode()


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yields every place of a value, the whole first."""
    yield path
    if isinstance(value, dict):
        for name, one in value.items():
            yield from places(one, (*path, name))
    elif isinstance(value, list):
        for n, one in enumerate(value):
            yield from places(one, (*path, n))


def written(value: Any, path: Path, raw: str | None) -> str:
    """The value as JSON with raw text at a place; None leaves the place out."""
    if not path:
        return raw or ""
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(name)}: {written(one, rest, raw) if name == head else json.dumps(one)}"
            for name, one in value.items()
            if not (name == head and not rest and raw is None)
        ]
        return "{" + ", ".join(parts) + "}"
    return (
        "[" + ", ".join(written(one, rest, raw) if n == head else json.dumps(one) for n, one in enumerate(value)) + "]"
    )


def _twice(good: Any, path: Path) -> str:
    """The body with a name given twice, the second time with another value."""
    parent = _at(good, path[:-1])
    inner = json.dumps(parent)[:-1] + f', {json.dumps(path[-1])}: "again"' + "}"
    return written(good, path[:-1], inner)


def _renamed(good: Any, path: Path, name: str) -> str:
    parent = {name if old == path[-1] else old: one for old, one in _at(good, path[:-1]).items()}
    return written(good, path[:-1], json.dumps(parent))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


# Good bodies, from the document


def good_body(operation: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Returns the content type and a good body of an operation; None if it takes no JSON."""
    content: Mapping[str, Any] = operation.get("requestBody", {}).get("content", {})
    for media, described in content.items():
        if "json" in media:
            return media, described.get("example", example(described.get("schema", {}), document))
    return None


def example(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    """Returns an example of a schema: its own, or one with every property that it names."""
    if "$ref" in schema:
        return example(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    if schema.get("examples"):
        own = schema["examples"][0]
        return {**_properties(schema, document), **own} if isinstance(own, dict) else own
    for one in ("default", "const"):
        if schema.get(one) is not None:
            return schema[one]
    if "enum" in schema:
        return schema["enum"][0]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return example(next(one for one in schema[several] if one.get("type") != "null"), document)
    return _of_type(schema, document)


def _of_type(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "object":
            return _properties(schema, document)
        case "array":
            return [example(schema.get("items", {}), document)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string":
            return _text(schema)
        case _:
            return {}


def _text(schema: Mapping[str, Any]) -> str:
    by_format = {"uuid": "00000000-0000-4000-8000-00000000002a", "date-time": "2026-03-01T12:00:00Z"}
    return by_format.get(schema.get("format", ""), "https://shop.example" if "pattern" in schema else "x" * 8)


def _properties(schema: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: example(one, document) for name, one in schema.get("properties", {}).items()}


def spread(cases: Sequence[tuple[str, bytes]], most: int) -> Sequence[tuple[str, bytes]]:
    """Returns at most so many of the cases, evenly over all of them."""
    if len(cases) <= most:
        return cases
    return [cases[n * len(cases) // most] for n in range(most)]
