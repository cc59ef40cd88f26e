"""An error that nothing else answers: the caller is told, and the operator reads it in the log."""

from collections.abc import Callable
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.service.logging import get_logger

log: Final = get_logger(__name__)


class InternalErrors:
    """Around an application: an error that nothing else answers is logged, and answered with status 500.

    Guarantee: after the answer the connection can be used again. Where an answer had begun when the error came, the
    error is raised, and the server ends the connection, so that nobody takes the part for the whole.
    """

    def __init__(self, app: ASGIApp, answer: Callable[[], Response]) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        begun = ended = False

        async def watch(message: Message) -> None:
            nonlocal begun, ended
            begun = True
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            if scope["type"] != "http" or (begun and not ended):
                raise
            log.exception("http.unexpected", method=scope["method"], route=getattr(scope.get("route"), "path", "other"))
            if not begun:
                await self._answer()(scope, receive, send)
