"""Routes that look at the caller's token before anything else that the caller sent.

FastAPI reads and parses a request's body before it asks the first dependency, so a stranger would be told what is
wrong with a body, and have it read, before being told to go away.
"""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.responses import Response
from fastapi.routing import APIRoute

from shared.http.access import RequiredScope, bearer, principal


class GuardedRoute(APIRoute):
    """A route whose token, if it takes one, and whose scopes are checked before path, query and body are."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns the framework's handler, which runs after the check."""
        handle = super().get_route_handler()
        calls = [*_calls(self.dependant)]
        if principal not in calls:
            return handle
        scopes = [call for call in calls if isinstance(call, RequiredScope)]

        async def guarded(request: Request) -> Response:
            caller = await principal(request, await bearer(request))
            for one in scopes:
                await one(caller)
            return await handle(request)

        return guarded


def _calls(dependant: Dependant) -> Iterator[Any]:
    """Everything that is called for a route."""
    for one in dependant.dependencies:
        yield one.call
        yield from _calls(one)
