"""What a process without an API answers: its health and its metrics, and nothing else."""

from typing import Final

from fastapi import FastAPI

from shared import operations
from shared.auth import Verifier
from shared.http import create_app

_PATHS: Final = frozenset(getattr(route, "path", "") for route in operations.router.routes)


def probes(name: str, health: operations.Health) -> FastAPI:
    """Returns an application of the operations' routes alone, for the roles `consumer` and `relay`."""
    nobody = Verifier(public_key="", jwks_url="", algorithm="EdDSA", issuer="")
    app = create_app(title=name, description="", routers=[], health=health, verifier=nobody)
    app.router.routes = [route for route in app.router.routes if getattr(route, "path", "") in _PATHS]
    return app
