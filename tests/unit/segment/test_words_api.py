"""The routes that put conditions into words and read them: what callers get, and what they are told."""

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
import pytest

from tests.support.applications import NOWHERE, asking, build, token

GOLD: Final = {"kind": "tier", "among": ["gold"]}
NO_ORDER: Final = {"kind": "did", "event": "order_placed", "op": "eq", "times": 0, "window": {"within": "P30D"}}
WORDS: Final = {
    "en": "did not order in the last 30 days and tier is gold",
    "zh": "最近30天没有下单 且 等级是 gold",
}


@pytest.fixture
async def segment() -> AsyncIterator[httpx2.AsyncClient]:
    async with asking(build("segment", NOWHERE), token(scope="segment:read")) as client:
        yield client


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("given", [True, False])
async def test_words_become_a_condition_and_its_words_in_both_languages(
    segment: httpx2.AsyncClient, language: str, given: bool
) -> None:
    body = {"text": WORDS[language]} | ({"language": language} if given else {})
    answer = await segment.post("/v1/conditions/parse", json=body)

    assert answer.status_code == 200
    condition = {"kind": "all", "of": [NO_ORDER, GOLD]}
    assert answer.json() == {"condition": condition, "language": language, "words": WORDS}


async def test_a_condition_is_put_into_words(segment: httpx2.AsyncClient) -> None:
    answer = await segment.post("/v1/conditions/describe", json={"condition": {"kind": "all", "of": [NO_ORDER, GOLD]}})

    assert answer.status_code == 200
    assert answer.json()["words"] == WORDS


async def test_words_that_cannot_be_read_are_a_problem_with_the_place_and_a_suggestion(
    segment: httpx2.AsyncClient,
) -> None:
    answer = await segment.post("/v1/conditions/parse", json={"text": "tier is gold adn stage is new"})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"].endswith("/invalid-words")
    assert problem["detail"].splitlines()[1:] == ["tier is gold adn stage is new", "             ^"]
    [error] = problem["errors"]
    assert (error["at"], error["offset"], error["suggestion"]) == ("/text", 13, "and")
    assert '"or"' in error["expected"]


@pytest.mark.parametrize(
    ("path", "body", "at"),
    [
        ("describe", {"condition": {"kind": "tier", "among": []}}, "/condition/among"),
        ("describe", {"condition": {"kind": "teir"}}, "/condition/kind"),
        ("describe", {"condition": []}, "body/condition"),
        ("parse", {"text": "x" * 10_001}, "body/text"),
        ("parse", {"text": "tier is gold", "language": "fr"}, "body/language"),
        ("parse", {"text": 'tier is "\\ud800"'}, "/text"),
        ("parse", {}, "body/text"),
    ],
)
async def test_what_is_wrong_is_told_at_its_place(
    segment: httpx2.AsyncClient, path: str, body: dict[str, Any], at: str
) -> None:
    answer = await segment.post(f"/v1/conditions/{path}", json=body)

    assert answer.status_code == 422
    assert [one["at"] for one in answer.json()["errors"]] == [at]
