"""The OpenAPI documents say what the services do: every status, its content type, and how callers authenticate.

FastAPI describes what handlers declare. What the mechanisms answer for all of them (problems, 401, 403, 422, 503) is
added here, once.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

PROBLEM: Final = "application/problem+json"
_JSON: Final = "application/json"
_PROBLEM_REF: Final = "#/components/schemas/Problem"
_FASTAPIS_OWN: Final = ("HTTPValidationError", "ValidationError")  # which nothing here answers with

# How writers authenticate, for `security` in the descriptions of their routes: one of these.
WRITE_KEY: Final[list[dict[str, list[str]]]] = [{"writeKey": []}, {"writeKeyInQuery": []}]
_SCHEMES: Final[Mapping[str, Any]] = {
    "writeKey": {
        "type": "http",
        "scheme": "basic",
        "description": "a source's write key as user name, with an empty password",
    },
    "writeKeyInQuery": {
        "type": "apiKey",
        "in": "query",
        "name": "writeKey",
        "description": "a source's write key in the URL, which logs and histories keep: for public keys only",
    },
}
# The query parameter of each scheme that has one.
QUERY_SCHEMES: Final[Mapping[str, str]] = {
    name: scheme["name"] for name, scheme in _SCHEMES.items() if scheme.get("in") == "query"
}

# For the `openapi_extra` of routes that ignore query parameters which they do not know; all others refuse them.
UNKNOWN: Final = "x-unknown-query-parameters"
TOLERANT: Final[Mapping[str, str]] = {UNKNOWN: "ignored"}
_STRICT: Final = (
    "Query parameters that a route does not know are refused with 422, which names the nearest known one; routes with "
    f"`{UNKNOWN}: ignored` ignore them."
)

_CHALLENGE: Final = {"WWW-Authenticate": {"description": "how to authenticate", "schema": {"type": "string"}}}
_RETRY: Final = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
_UNAUTHORIZED: Final = "The request carries no valid credential"
_FORBIDDEN: Final = "The credential does not allow this"
_INVALID: Final = "The request is not valid; the problem says what is wrong, and where"
_AWAY: Final = "A dependency is away; send it again later"
_OUTDATED: Final = "The resource has changed since it was read"
_UNVERSIONED: Final = "The edit does not name the version that it changes"


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """Returns the document with the responses of every route, whatever its handler does."""
    components = document.setdefault("components", {})
    document["info"]["description"] = f"{document['info'].get('description', '')}\n\n{_STRICT}".strip()
    for name in _FASTAPIS_OWN:
        components.get("schemas", {}).pop(name, None)
    used: set[str] = set()
    for operations in document["paths"].values():
        for operation in operations.values():
            _complete(operation)
            _exemplify(operation, components.get("schemas", {}))
            used.update(name for one in operation.get("security", ()) for name in one)
    schemes = {name: scheme for name, scheme in _SCHEMES.items() if name in used}
    components["securitySchemes"] = {**components.get("securitySchemes", {}), **schemes}
    return document


def _complete(operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    if _schema_of(responses.get("422", {})).endswith(_FASTAPIS_OWN):
        del responses["422"]
    if _schema_of(responses.get("4XX", {})) != _PROBLEM_REF:
        return  # errors in a shape of its own, which its route declares
    parameters = operation.get("parameters", [])
    if operation.get("security"):
        _declare_problem(responses, "401", _UNAUTHORIZED, _CHALLENGE)
        _declare_problem(responses, "403", _FORBIDDEN)
    if parameters or "requestBody" in operation or UNKNOWN not in operation:
        _declare_problem(responses, "422", _INVALID)
    for parameter in parameters:
        if parameter["name"] == "If-Match":
            schema = {"type": "string", "pattern": r'^"[0-9]{1,9}"$'}
            parameter.update(required=True, schema=schema, example='"1"')
            _declare_problem(responses, "412", _OUTDATED)
            _declare_problem(responses, "428", _UNVERSIONED)
    _declare_problem(responses, "503", _AWAY, _RETRY)
    for response in responses.values():
        if _schema_of(response) == _PROBLEM_REF:
            response["content"] = {PROBLEM: response["content"][_JSON]}


def _exemplify(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """Gives each body its schema's own example, where its route has none: tools send what stands beside the body."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        if "example" not in media and (examples := _examples_of(media["schema"], schemas)):
            media["example"] = examples[0]


def _examples_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[Any]:
    for one in (schema, *schema.get("anyOf", ())):
        found = schemas.get(one.get("$ref", "").rpartition("/")[2], one)
        if "examples" in found:
            return list(found["examples"])
    return []


def _declare_problem(
    responses: dict[str, Any], status: str, text: str, headers: Mapping[str, Any] | None = None
) -> None:
    """Declares a problem with this status, unless its route says more of it."""
    response = responses.setdefault(status, {"description": text})
    response.setdefault("content", {_JSON: {"schema": {"$ref": _PROBLEM_REF}}})
    if headers:
        response.setdefault("headers", {}).update(headers)


def _schema_of(response: Mapping[str, Any]) -> str:
    found: str = response.get("content", {}).get(_JSON, {}).get("schema", {}).get("$ref", "")
    return found


def schema_of(type_: Any) -> dict[str, Any]:
    """Returns the JSON Schema of what msgspec decodes; it says everything itself, without references.

    Of what may hold itself, what lies inside is told as an object only.
    """
    schema = msgspec.json.schema(type_)
    inlined: dict[str, Any] = _inlined(schema, schema.pop("$defs", {}), frozenset())
    return inlined


def _inlined(schema: Any, definitions: Mapping[str, Any], inside: frozenset[str]) -> Any:
    if isinstance(schema, list):
        return [_inlined(one, definitions, inside) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "decimal":  # msgspec reads one from a number, too, and does not tell
        return {**schema, "type": ["string", "number"]}
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"type": "object"} if name in inside else _inlined(definitions[name], definitions, inside | {name})
    return {name: _inlined(one, definitions, inside) for name, one in schema.items()}
