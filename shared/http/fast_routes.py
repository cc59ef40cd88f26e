"""Answers some addresses before the framework looks for their route.

Finding a route among all, building what its handler depends on and unwinding that again cost a request as much as
folding several events. Handlers that need none of it are found by their address; the framework still has their
routes, which describe them.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Route:
    """What the request's metrics are called by."""

    path: str


class FastRoutes:
    """Around an application: `POST`s to these addresses go to their handlers, which raise nothing they could answer.

    To these handlers, too, the request's `app` is `app`; `others` takes all else.
    """

    def __init__(self, app: ASGIApp, others: ASGIApp, handlers: Mapping[str, Handler]) -> None:
        self._app = app
        self._others = others
        self._handlers = {path: (handler, _Route(path)) for path, handler in handlers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        found = self._handlers.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._others(scope, receive, send)
            return
        handler, scope["route"] = found
        scope["app"] = self._app
        response = await handler(Request(scope, receive, send))
        await response(scope, receive, send)
