"""Answers some addresses before the framework looks for their route.

Finding a route among all, building what its handler depends on and unwinding that again cost a request as much as
acquirer in several events. Handlers that need none of it are found by their address; the framework still has their
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


class FastRoutes:
    """Around an application: `POST`s to these addresses go to their handlers, which raise nothing they could answer.

    To these handlers, too, the request's `app` is `app`; `others` takes all else.
    """

    def __init__(self, app: ASGIApp, others: ASGIApp, answers: Mapping[str, Answer]) -> None:
        self._app = app
        self._others = others
        self._answers = {path: (answer, _Route(path)) for path, answer in answers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        found = self._answers.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._others(scope, receive, send)
            return
        answer, scope["route"] = found
        scope["app"] = self._app
        response = await answer(Request(scope, receive, send))
        await response(scope, receive, send)
