"""Answers some addresses before the framework looks for their route.

Finding a route among all, building what its handler depends on and unwinding that again cost a request as much as
taking in several events. Handlers that need none of it are found by their address; the framework still has their
routes, which describe them.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Route:
    """What the request's metrics are called by."""

    path: str


class Direct:
    """Middleware: `POST`s to these addresses go to their handlers, which raise nothing that they could answer."""

    def __init__(self, app: ASGIApp, answers: Mapping[str, Answer]) -> None:
        self._app = app
        self._answers = {path: (answer, _Route(path)) for path, answer in answers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        found = self._answers.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        answer, scope["route"] = found
        response = await answer(Request(scope, receive, send))
        await response(scope, receive, send)
