"""The way in for people: who a service is, its OpenAPI document, and a page to read it and to try it out.

Nothing on these pages comes from another origin, and their Content-Security-Policy allows none: they work where there
is no internet. Swagger UI's files are those of the package `fastapi-swagger`, of which nothing is imported.
"""

from collections.abc import Mapping
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from pydantic import BaseModel

from shared.errors import NotFound

ASSET_SECONDS: Final = 3600  # for which browsers keep a file of the page
PACKAGE: Final = "fastapi_swagger"
OWN: Final = Path(__file__).resolve().parent / "pages"

# Style attributes are Swagger UI's own; images by data: are in its style sheet.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}

# Where to go from here, relative to `/`, so that a proxy may put a prefix before it.
LINKS: Final[Mapping[str, str]] = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "live": "/health/live",
    "ready": "/health/ready",
    "lag": "/health/lag",
    "metrics": "/metrics",
}
ABOUT: Final[Mapping[str, str]] = {
    "docs": "every route, with examples to try out",
    "openapi": "the same for programs (OpenAPI 3.1)",
    "live": "whether every loop of the process turns",
    "ready": "whether the service can do its work now",
    "lag": "what is still to be read and to be published",
    "metrics": "Prometheus' text format",
}


class Asset(NamedTuple):
    """A file of the documentation's page."""

    path: Path
    media_type: str


def _assets() -> Mapping[str, Asset]:
    found = find_spec(PACKAGE)
    assert found is not None
    assert found.submodule_search_locations is not None
    swagger = Path(found.submodule_search_locations[0]) / "resources"
    return {
        "swagger-ui.css": Asset(swagger / "swagger-ui.css", "text/css"),
        "swagger-ui-bundle.js": Asset(swagger / "swagger-ui-bundle.js", "text/javascript"),
        "docs.css": Asset(OWN / "docs.css", "text/css"),
        "docs.js": Asset(OWN / "docs.js", "text/javascript"),
    }


ASSETS: Final = _assets()

router = APIRouter()


class FrontOut(BaseModel):
    """Who answers here, and where its documentation, health and metrics are."""

    service: str
    description: str
    version: str
    links: dict[str, str]


@router.get(
    "/",
    tags=["operations"],
    summary="Read which service this is, and where its documentation, health and metrics are",
    response_model=FrontOut,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
async def front(request: Request) -> Response:
    """JSON, or a page for a browser (`Accept: text/html`)."""
    app = request.app
    if "text/html" in request.headers.get("accept", ""):
        return _page(app.title, _front(app.title, app.description, app.version))
    found = FrontOut(service=app.state.name, description=app.description, version=app.version, links=dict(LINKS))
    return JSONResponse(found.model_dump(), headers={"Vary": "Accept"})


def _front(title: str, description: str, version: str) -> str:
    rows = "".join(f'<li><a href="{link[1:]}">{name}</a>: {ABOUT[name]}</li>' for name, link in LINKS.items())
    about = f"<h1>{escape(title)}</h1><p>{escape(description)}</p><p>API version {escape(version)}</p>"
    return f"<main>{about}<ul>{rows}</ul></main>"


@router.get("/openapi.json", include_in_schema=False)
async def document(request: Request) -> JSONResponse:
    """The OpenAPI document."""
    found: dict[str, Any] = request.app.openapi()
    return JSONResponse(found)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """Swagger UI on the document."""
    body = (
        '<div id="docs"></div><noscript>The documentation needs JavaScript; '
        '<a href="openapi.json">the OpenAPI document</a> does not.</noscript>'
        '<script src="docs/swagger-ui-bundle.js"></script><script src="docs/docs.js"></script>'
    )
    return _page(request.app.title, body, styles=("swagger-ui.css", "docs.css"))


@router.get("/docs/{name}", include_in_schema=False)
async def asset(name: str) -> FileResponse:
    """A file of that page."""
    found = ASSETS.get(name)
    if found is None:
        raise NotFound(f"no file {name} of the documentation")
    kept = {"Cache-Control": f"public, max-age={ASSET_SECONDS}"}
    return FileResponse(found.path, media_type=found.media_type, headers=kept)


def _page(title: str, body: str, *, styles: tuple[str, ...] = ("docs.css",)) -> Response:
    linked = "".join(f'<link rel="stylesheet" href="docs/{name}">' for name in styles)
    # Without an icon of its own a browser would ask for one.
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><link rel="icon" href="data:,">{linked}'
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>',
        headers={**HEADERS, "Vary": "Accept"},
    )
