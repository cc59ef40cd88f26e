"""Query parameters that a route does not know are refused: a misspelt filter would answer with everybody.

Routes of senders whose software adds parameters of its own say `shared.http.openapi.TOLERANT` in their `openapi_extra`:
there what is not known is ignored, and the route's description says so.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError

from shared.http.access import bearer, principal
from shared.http.openapi import QUERY_SCHEMES, UNKNOWN


async def known_query(request: Request) -> None:  # async: anything else would go through a thread
    """Raises a validation error that names each query parameter which the route does not know, and the nearest known.

    A route that needs a token answers 401 first.
    """
    if not request.scope["query_string"]:
        return
    route: Any = request.scope["route"]
    operation = route.openapi_extra or {}
    if UNKNOWN in operation:
        return
    known = sorted({*_declared(route.dependant), *_described(operation)})
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if not unknown:
        return
    if any(one.call is principal for one in _all(route.dependant)):
        await principal(request, await bearer(request))
    raise RequestValidationError([_error(name, known) for name in unknown])


def _error(name: str, known: list[str]) -> dict[str, Any]:
    near = get_close_matches(name, known, 1)
    if near:
        hint = f"did you mean {near[0]}?"
    else:
        hint = f"this route knows {', '.join(known)}" if known else "this route has none"
    return {"type": "extra_forbidden", "loc": ("query", name), "msg": f"unknown query parameter; {hint}"}


def _all(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for one in dependant.dependencies:
        yield from _all(one)


def _declared(dependant: Dependant) -> Iterator[str]:
    """The parameters that a handler and what it depends on take."""
    return (field.alias for one in _all(dependant) for field in one.query_params)


def _described(operation: Mapping[str, Any]) -> Iterator[str]:
    """Those that a handler reads from the request by itself, as its operation in OpenAPI says."""
    yield from (one["name"] for one in operation.get("parameters", ()) if one["in"] == "query")
    for alternative in operation.get("security", ()):
        yield from (QUERY_SCHEMES[scheme] for scheme in alternative if scheme in QUERY_SCHEMES)
