"""The example body of each typed route, by its path under `/v1`."""

from typing import Any, Final

from services.ingest.domain.catalogue.registry import TYPED_ROUTES

TYPED: Final[dict[str, dict[str, Any]]] = {path: dict(route.example) for path, route in TYPED_ROUTES.items()}
