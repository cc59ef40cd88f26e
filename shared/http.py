"""What every service's API has: health, metrics, problems, bearer tokens, traces. FastAPI's own edges live here."""

import base64
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Header, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, Strict
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from shared import aliases, operations
from shared.auth import Principal, Verifier
from shared.contracts import keepable
from shared.db import DATABASE_AWAY, Database, Work, is_away, refuses_data
from shared.direct import Answer, Direct
from shared.errors import AppError, Forbidden, Invalid, PreconditionFailed, PreconditionRequired, Unauthorized
from shared.internal_errors import InternalErrors
from shared.logging import get_logger
from shared.openapi import PROBLEM, completed

PROBLEM_BASE: Final = "https://rapport.example/problems/"
RETRY_AFTER_SECONDS: Final = 2
MAX_PAGE: Final = 200
MAX_DETAIL_LENGTH: Final = 4_000  # characters: details repeat what was wrong
MAX_VERSION_DIGITS: Final = 18  # of a version in an ETag; what PostgreSQL counts in has 19
MAX_TOLD: Final = 20  # errors of one request that are listed

log = get_logger(__name__)
bearer: Final = HTTPBearer(auto_error=False, description="A JWT with audience `rapport`")


class Problem(BaseModel):
    """RFC 9457: what went wrong, where, and what to do."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None


def problem(status: int, slug: str, title: str, detail: str, **extra: Any) -> JSONResponse:
    """An answer in `application/problem+json`."""
    headers = extra.pop("headers", None)
    detail = keepable.text(detail, limit=MAX_DETAIL_LENGTH)
    body = {"type": PROBLEM_BASE + slug, "title": title, "status": status, "detail": detail, **extra}
    return JSONResponse(body, status, headers, media_type=PROBLEM)


class _Application(FastAPI):
    """Observes each request, and answers those in `direct` before the framework and its own middleware see them."""

    def __init__(self, direct: Mapping[str, Answer], **settings: Any) -> None:
        super().__init__(**settings)
        self._outermost = operations.Observed(InternalErrors(Direct(self, super().__call__, direct), _internal_error))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        await self._outermost(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The service's own description, with what the mechanisms answer for every route."""
        if self.openapi_schema is None:
            self.openapi_schema = completed(super().openapi())
        return self.openapi_schema


def _internal_error() -> Response:
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal-error",
        "Something went wrong here.",
        "an error of this service, not of the request; it is logged under this answer's Trace-Id",
    )


def create_app(
    *,
    title: str,
    description: str,
    routers: Sequence[APIRouter],
    health: operations.Health,
    verifier: Verifier,
    direct: Mapping[str, Answer] | None = None,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """A service's application. Routes reach their dependencies through `app.state`; `direct` is for hot ones."""
    app = _Application(
        direct or {},
        title=f"Rapport {title}",
        description=description,
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect would repeat whatever Host the caller named
        dependencies=[Depends(_storable)],
        responses={"4XX": {"model": Problem, "description": "What was wrong, in application/problem+json"}},
    )
    app.state.database = health.database
    app.state.verifier = verifier
    app.state.health = health
    app.state.routes = [route for router in (*routers, operations.router) for route in router.routes]
    for router in (*routers, operations.router):
        app.include_router(router)
    app.add_exception_handler(AppError, _on_app_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(DBAPIError, _on_database_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_unexpected)
    for away in DATABASE_AWAY:
        app.add_exception_handler(away, _on_away)
    return app


# Errors


async def _on_app_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    return problem(error.status, error.slug(), error.title(), error.detail, headers=error.headers or None)


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"at": keepable.text("/".join(map(str, one["loc"]))), "message": keepable.text(one["msg"])}
        for one in error.errors()[:MAX_TOLD]
    ]
    where = "; ".join(f"{e['at']}: {e['message']}" for e in errors)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", Invalid.title(), where, errors=errors)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    slug = status.phrase.lower().replace(" ", "-")
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _methods_at(request)
    return problem(status, slug, status.phrase, str(error.detail), headers=headers or None)


def _methods_at(request: Request) -> str:
    """Every method of this address: the framework tells those of its first route only."""
    routes = (route for route in request.app.state.routes if route.matches(request.scope)[0] is not Match.NONE)
    return ", ".join(sorted({method for route in routes for method in route.methods}))


async def _on_unexpected(_: Request, __: Exception) -> Response:
    return _internal_error()  # the framework raises the error again afterwards, and `InternalErrors` logs it


async def _on_database_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    if refuses_data(error):
        return problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", Invalid.title(), "a value can't be stored or compared"
        )
    if not is_away(error):
        raise error  # ours to mend: no client should be told to try again
    return await _on_away(request, error)


async def _on_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody reads it: who sent half a request is no error of ours


async def _on_away(request: Request, error: Exception) -> Response:
    log.warning("http.dependency_away", path=request.url.path, error=repr(error))
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        "The service can't do this right now; try again later.",
        "a dependency does not answer",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


# What may be asked


def storable(text: str) -> str:
    """The text, if PostgreSQL can hold it; raises ValueError otherwise."""
    if "\x00" in text:
        raise ValueError("must not contain U+0000")
    return text


# A text in a request's body.
Text = Annotated[str, AfterValidator(storable)]


def _number(value: object) -> object:
    if isinstance(value, bool | str | bytes):
        raise ValueError("must be a number")
    return value


# Marks a number in a request's body that may be neither a text nor true or false; it stands behind the number's bounds,
# which the description would leave out otherwise.
JSON_NUMBER: Final = BeforeValidator(_number)

# Truth in a request's body: neither a text nor a number.
Boolean = Annotated[bool, Strict()]


def _rfc3339(value: object) -> object:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be a moment by RFC 3339, such as 2026-03-01T12:00:00Z")
    return value


_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)

# A moment in a query: a number would be taken for seconds.
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]


async def _storable(request: Request) -> None:  # async: anything else would go through a thread
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


# Who calls


async def principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
) -> Principal:
    """The caller, from the bearer token, which is verified once a request; raises `Unauthorized`."""
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None:
        return known
    if credentials is None:
        raise Unauthorized("send Authorization: Bearer <token>", challenge="Bearer")
    verifier: Verifier = request.app.state.verifier
    request.state.principal = await verifier.verify(credentials.credentials)
    found: Principal = request.state.principal
    return found


Caller = Annotated[Principal, Depends(principal)]


class RequiredScope:
    """A check that the caller's token has a scope."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    async def __call__(self, caller: Caller) -> Principal:  # async: anything else would go through a thread
        """Returns the caller; raises `Forbidden`."""
        caller.require(self._scope)
        return caller


def requires(scope: str) -> Any:
    """A route dependency: the caller's token must have this scope."""
    return Depends(RequiredScope(scope))


async def require_customer_or(scope: str, caller: Principal, work: Work, profile_id: UUID) -> None:
    """Raises `Forbidden` unless the caller has the scope, or is that customer.

    A token that names a former id of the customer counts as far as a trusted source made that id the customer's.
    """
    if caller.scopes:
        caller.require(scope)
        return
    try:
        subject = UUID(caller.subject)
    except ValueError:
        raise Forbidden(f"this needs the scope {scope}") from None
    if not await aliases.opens(work, subject, profile_id):
        raise Forbidden("a customer's token is for that customer only")


def database(request: Request) -> Database:
    """The service's database, for routes: `async with database.work() as work`."""
    found: Database = request.app.state.database
    return found


Db = Annotated[Database, Depends(database)]

# Cursors and pages

PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE)]


def encode_cursor(*position: str | int | float | UUID | datetime) -> str:
    """An opaque cursor that says after which row the next page begins."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(cursor: str, shape: Any) -> Any:
    """The position in a cursor, as a tuple of `shape`; raises `Invalid` if it is not one of ours."""
    try:
        position = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=shape)
        return tuple(utc(part) if isinstance(part, datetime) else part for part in position)
    except (ValueError, RecursionError, msgspec.MsgspecError, Invalid):
        raise Invalid("cursor: not one that this API gave") from None


def utc(moment: datetime) -> datetime:
    """The same moment in UTC; raises `Invalid` for one without a zone, or outside the calendar."""
    if moment.tzinfo is None:
        raise Invalid(f"{moment.isoformat()}: has no time zone; add Z or an offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Invalid(f"{moment.isoformat()}: lies outside the calendar") from None


# Edits


def etag(version: int) -> str:
    """A version as a strong entity tag."""
    return f'"{version}"'


def if_match(
    header: Annotated[str | None, Header(alias="If-Match", description="the ETag that was read")] = None,
) -> int:
    """The version that an edit is of; raises `PreconditionRequired`, or `PreconditionFailed` for no tag of ours."""
    if header is None:
        raise PreconditionRequired("read it first, and send its ETag as If-Match")
    text = header.strip().removeprefix("W/").strip('"')
    if not text.isdecimal() or len(text) > MAX_VERSION_DIGITS:
        raise PreconditionFailed("If-Match: no ETag that this API gave")
    return int(text)


EditOf = Annotated[int, Depends(if_match)]


def scoped_key(caller: Principal, scope: str, key: str | None) -> str | None:
    """Returns an `Idempotency-Key` as `once` keeps it: the caller's own, for one kind of request. None stays None.

    No two of (subject, scope, key) give the same text: slashes inside the parts are written otherwise. `scope` is a
    word of ours, without one.
    """
    return None if key is None else f"{_without_slash(caller.subject)}/{scope}/{_without_slash(key)}"


def _without_slash(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")


async def once(work: Work, key: str | None, fingerprint: str, make: Callable[[], Awaitable[UUID]]) -> tuple[UUID, bool]:
    """Runs `make` once per `Idempotency-Key`, as `scoped_key` gives it; returns its id and whether it was made now.

    The same key with another request raises `Invalid`: it is a mistake of the caller.
    """
    if key is None:
        return await make(), True
    taken = await work.row(
        "INSERT INTO idempotency_keys (key, fingerprint) VALUES (:key, :fingerprint) "
        "ON CONFLICT (key) DO NOTHING RETURNING key",
        key=key,
        fingerprint=fingerprint,
    )
    if taken is None:
        row = await work.row("SELECT fingerprint, result FROM idempotency_keys WHERE key = :key", key=key)
        assert row is not None
        if row.fingerprint != fingerprint:
            raise Invalid("Idempotency-Key: used before for another request")
        return row.result, False
    made = await make()
    await work.run("UPDATE idempotency_keys SET result = :result WHERE key = :key", result=made, key=key)
    return made, True
