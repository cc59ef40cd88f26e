"""Conditions: from words to JSON and back."""

from fastapi import APIRouter

from services.segment.domain.conditions.base import Limits
from services.segment.domain.conditions.document import written
from services.segment.schemas.conditions import DescribeIn, DescribeOut, ParseIn, ParseOut, WordsOut
from services.segment.service import conditions
from shared.http import requires
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1/conditions", tags=["conditions"])


@router.post("/parse", dependencies=[requires("segment:read")], summary="Read a condition in words")
async def parse(body: ParseIn) -> ParseOut:
    """Returns the condition that a text in English or Chinese states. The text stays in this process.

    A text that can't be read is a problem whose `errors` have the `offset` in characters, what was `expected` there,
    and a `suggestion`.
    """
    found = conditions.parsed(body.text, body.language, Limits())
    assert found.language is not None
    return ParseOut(
        condition=written(found.condition),
        language=found.language,
        words=WordsOut(en=found.words["en"], zh=found.words["zh"]),
    )


@router.post("/describe", dependencies=[requires("segment:read")], summary="Put a condition into words")
async def describe(body: DescribeIn) -> DescribeOut:
    """Returns the words of a condition in English and Chinese; `parse` reads the same condition from either."""
    found = conditions.described(body.condition, Limits())
    return DescribeOut(condition=written(found.condition), words=WordsOut(en=found.words["en"], zh=found.words["zh"]))
