"""A service's application: its routes, and what the mechanisms add to all of them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from shared.http import middleware, operations, problems
from shared.http.auth import Verifier
from shared.http.fast_routes import FastRoutes, Handler
from shared.http.internal_errors import InternalErrors
from shared.http.openapi import completed
from shared.http.problems import Problem
from shared.http.query import known_query
from shared.http.values import storable_request


class _Application(FastAPI):
    """Counts each request, and answers those in `fast_routes` before the framework and its own middleware do."""

    def __init__(self, fast_routes: Mapping[str, Handler], **settings: Any) -> None:
        super().__init__(**settings)
        self._outermost = operations.MetricsMiddleware(
            InternalErrors(FastRoutes(self, super().__call__, fast_routes), problems.internal_error)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        await self._outermost(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Returns the service's own description, with what the mechanisms answer for every route."""
        if self.openapi_schema is None:
            self.openapi_schema = completed(super().openapi())
        return self.openapi_schema


_completed_routers: Final[dict[int, tuple[APIRouter, APIRouter]]] = {}  # by the first one's id: it has no hash


def _completed(router: APIRouter) -> Sequence[BaseRoute]:
    """Returns a router's routes with what the mechanisms ask of all of them, and say of all of them.

    Made once a process: of each route the framework makes models for every parameter and answer, which takes longer
    than all else that making an application does.
    """
    if id(router) in _completed_routers:
        return _completed_routers[id(router)][1].routes
    completed_router = APIRouter(
        dependencies=[Depends(storable_request), Depends(known_query)],
        responses={"4XX": {"model": Problem, "description": "What was wrong, in application/problem+json"}},
    )
    completed_router.include_router(router)
    _completed_routers[id(router)] = (router, completed_router)
    return completed_router.routes


def create_app(
    *,
    title: str,
    description: str,
    routers: Sequence[APIRouter],
    health: operations.Health,
    verifier: Verifier,
    fast_routes: Mapping[str, Handler] | None = None,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """Returns a service's application.

    Routes reach their dependencies through `app.state`; `fast_routes` is for hot ones.
    """
    app = _Application(
        fast_routes or {},
        title=f"Rapport {title}",
        description=description,
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect would repeat whatever Host the caller named
        openapi_url=None,  # `front` has the document and its page, without files of another origin
    )
    app.state.name = title
    app.state.database = health.database
    app.state.verifier = verifier
    app.state.health = health
    every = (*routers, operations.router, middleware.router)
    app.state.routes = [route for router in every for route in router.routes]
    for router in every:
        app.router.routes.extend(_completed(router))
    problems.add_handlers(app)
    return app
