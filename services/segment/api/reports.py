"""Reports about all customers: as JSON, or as a picture in English or Chinese."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, StringConstraints

from services.segment.domain.charts.formats import Language
from services.segment.schemas.reports import AbcReportOut, GroupsReportOut, RfmReportOut, SizesReportOut
from services.segment.service import reports
from services.segment.service.png import PngRenderer
from services.segment.service.reports import Report
from shared.http import Db, requires
from shared.http.guarded import GuardedRoute
from shared.http.problems import Problem

Format = Literal["json", "svg", "png"]

MAX_DAYS: Final = 366
SVG: Final = "image/svg+xml"
PNG: Final = "image/png"
_MEDIA: Final[dict[str, Format]] = {
    "application/json": "json",
    "application/*": "json",
    "*/*": "json",
    SVG: "svg",
    "image/*": "svg",
    PNG: "png",
}
# Nothing in a picture runs or loads anything.
_PICTURE: Final = {"Content-Security-Policy": "default-src 'none'"}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "the report, in the format that was asked for",
        "content": {
            SVG: {"schema": {"type": "string"}},
            PNG: {"schema": {"type": "string", "format": "binary"}},
        },
    },
    501: {"model": Problem, "description": "PNG is not drawn by this installation; the problem says how to get it"},
}

router = APIRouter(
    route_class=GuardedRoute,
    prefix="/v1/reports",
    tags=["reports"],
    dependencies=[requires("segment:read")],
    responses=_RESPONSES,
)


def accepted(header: str) -> Format:
    """Returns the format that an `Accept` header prefers; JSON where it names none that there is."""
    best: tuple[float, Format] = (0.0, "json")
    for part in header.split(","):
        media, *parameters = (one.strip().lower() for one in part.split(";"))
        found = _MEDIA.get(media)
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        try:
            quality = float(weight)
        except ValueError:
            continue
        if found is not None and quality > best[0]:
            best = (quality, found)
    return best[1]


class Presentation:
    """How the report of one request is shown."""

    def __init__(self, request: Request, format_: Format, language: Language) -> None:
        self._renderer: PngRenderer = request.app.state.png
        self._format = format_
        self._language = language

    async def of(self, report: Report, out: type[BaseModel]) -> BaseModel | Response:
        """Returns the report as its document, or as its picture."""
        if self._format == "json":
            return out.model_validate(report, from_attributes=True)
        svg = reports.svg(report, self._language)
        headers = {**_PICTURE, "Vary": "Accept", "Content-Language": self._language}
        if self._format == "svg":
            return Response(svg, media_type=SVG, headers=headers)
        return Response(await self._renderer.png(svg), media_type=PNG, headers=headers)


async def presentation(  # async: anything else would go through a thread
    request: Request,
    response: Response,
    format_: Annotated[
        Format | None,
        Query(alias="format", description="instead of the header `Accept`; a picture is 720 wide", examples=["svg"]),
    ] = None,
    language: Annotated[Language, Query(description="of a picture", examples=["zh"])] = "en",
) -> Presentation:
    """Reads how a report is to be shown."""
    response.headers["Vary"] = "Accept"
    return Presentation(request, format_ or accepted(request.headers.get("accept", "")), language)


Shown = Annotated[Presentation, Depends(presentation)]
SegmentId = Annotated[str, StringConstraints(min_length=1, max_length=200)]


@router.get("/tiers", response_model=GroupsReportOut, summary="Report customers by tier")
async def tiers(database: Db, shown: Shown) -> Any:
    """Returns how many customers have each tier, the highest first: a document, or bars."""
    async with database.work() as work:
        report = await reports.tiers(work)
    return await shown.of(report, GroupsReportOut)


@router.get("/stages", response_model=GroupsReportOut, summary="Report customers by lifecycle stage")
async def stages(database: Db, shown: Shown) -> Any:
    """Returns how many customers are in each stage of their life: a document, or bars."""
    async with database.work() as work:
        report = await reports.stages(work)
    return await shown.of(report, GroupsReportOut)


@router.get("/rfm", response_model=RfmReportOut, summary="Report customers by recency and frequency")
async def rfm(database: Db, shown: Shown) -> Any:
    """Returns the customers who have scores by recency and frequency, with what they spent: a document, or a grid."""
    async with database.work() as work:
        report = await reports.rfm(work)
    return await shown.of(report, RfmReportOut)


@router.get("/abc", response_model=AbcReportOut, summary="Report how revenue is spread over customers")
async def abc(database: Db, shown: Shown) -> Any:
    """Returns the classes A, B and C of customers by their share of revenue: a document, or a curve.

    Revenue is that of all orders that count, in the policy's currency, less refunds.
    """
    async with database.work() as work:
        report = await reports.abc(work)
    return await shown.of(report, AbcReportOut)


@router.get("/sizes", response_model=SizesReportOut, summary="Report the sizes of segments over time")
async def sizes(
    database: Db,
    shown: Shown,
    segment: Annotated[
        list[SegmentId] | None,
        Query(max_length=reports.MAX_SEGMENTS, description="ids of segments, one each; without it, the largest ones"),
    ] = None,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS, description="until now")] = 30,
) -> Any:
    """Returns how many members segments had over the last days: a document, or lines of steps.

    The picture of a single segment also shows how many entered and exited, where that was noted.
    """
    async with database.work() as work:
        report = await reports.sizes(work, segment or (), days=days)
    return await shown.of(report, SizesReportOut)


@router.get("/{name}", include_in_schema=False)
async def other(name: str) -> None:
    """Tells who asks for a report that does not exist which ones do."""
    raise reports.unknown(name)
