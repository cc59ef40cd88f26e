"""What a process without an API answers: its health and its metrics, and nothing else."""

from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http import operations
from shared.http.app import create_app
from shared.http.auth import Verifier
from shared.http.problems import problem

_PATHS: Final = frozenset(getattr(route, "path", "") for route in operations.router.routes)


class Probes:
    """The operations' routes of an application; any other path is 404, its documents' too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] in _PATHS:
            await self._app(scope, receive, send)
            return
        nothing = "this process has no API: it answers /health/live, /health/ready, /health/lag and /metrics"
        await problem(HTTPStatus.NOT_FOUND, "not-found", "There is nothing here.", nothing)(scope, receive, send)


def probes(name: str, health: operations.Health) -> ASGIApp:
    """Returns an application for the roles `consumer` and `relay`."""
    nobody = Verifier(public_key="", jwks_url="", algorithm="EdDSA", issuer="")
    return Probes(create_app(title=name, description="", routers=[], health=health, verifier=nobody))
