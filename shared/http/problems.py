"""Problems (RFC 9457): what a caller is told of each error that may come out of a route."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from shared.contracts import keepable
from shared.database.database import DATABASE_AWAY, is_away, refuses_data
from shared.errors import AppError, Invalid
from shared.http.openapi import PROBLEM
from shared.service.logging import get_logger

PROBLEM_BASE: Final = "https://rapport.example/problems/"
RETRY_AFTER_SECONDS: Final = 2
MAX_DETAIL_LENGTH: Final = 4_000  # characters: details repeat what was wrong
MAX_TOLD: Final = 20  # errors of one request that are listed

log = get_logger(__name__)


class Problem(BaseModel):
    """RFC 9457: what went wrong, where, and what to do."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None


def problem(status: int, slug: str, title: str, detail: str, **extra: Any) -> JSONResponse:
    """Returns a response in `application/problem+json`."""
    headers = extra.pop("headers", None)
    detail = keepable.text(detail, limit=MAX_DETAIL_LENGTH)
    body = {"type": PROBLEM_BASE + slug, "title": title, "status": status, "detail": detail, **extra}
    return JSONResponse(body, status, headers, media_type=PROBLEM)


def add_handlers(app: FastAPI) -> None:
    """Makes an application answer each error with a problem."""
    app.add_exception_handler(AppError, _on_app_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(DBAPIError, _on_database_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_unexpected)
    for away in DATABASE_AWAY:
        app.add_exception_handler(away, _on_away)


def internal_error() -> Response:
    """Returns the problem of a defect of ours, which is logged."""
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal-error",
        "Something went wrong here.",
        "an error of this service, not of the request; it is logged under this answer's Trace-Id",
    )


async def _on_app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("http.internal_error", path=request.url.path, error=repr(error))
    told = {"errors": list(error.errors)} if error.errors else {}
    return problem(error.status, error.slug(), error.title(), error.detail, headers=error.headers or None, **told)


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
    return internal_error()  # the framework raises the error again afterwards, and `InternalErrors` logs it


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
