"""Segment's reports on real PostgreSQL: counted exactly, and answered as a document or as a picture."""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from xml.etree import ElementTree as ET

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.segment.domain.standing import Stage
from services.segment.repository import reports as repository
from services.segment.service import policies
from services.segment.service import reports as service
from shared.database.database import Database, Work
from shared.service.clock import SystemClock
from shared.service.process import Service
from tests.conftest import DatabaseFactory
from tests.support.applications import REPORTS, asking, build, token
from tests.support.databases import Databases

SVG: Final = "image/svg+xml"
PNG: Final = "image/png"
READER: Final = token(scope="segment:read")
NOON: Final = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
async def made(databases: Databases) -> AsyncIterator[Service]:
    """A service with a handful of customers, and the sizes of two segments."""
    found = build("segment", databases.url("segment", await databases.take("segment")))
    async with found.database.work() as work:
        await policies.publish(work)
        for n, (tier, stage) in enumerate((("gold", "loyal"), ("gold", "new"), ("bronze", "prospect"), ("old", "new"))):
            scores: dict[str, Any] = {"recency": None, "frequency": None, "spend": 0}
            if stage != "prospect":
                scores = {"recency": 5 - n, "frequency": 1 + n, "spend": 1_000 * n}
            await work.run(
                """
                INSERT INTO standings (profile_id, tier, stage, recency, frequency, spend_minor)
                VALUES (:id, :tier, :stage, :recency, :frequency, :spend)
                """,
                id=UUID(int=n, version=4),
                tier=tier,
                stage=stage,
                **scores,
            )
        await add_revenue(work, [80_00, 15_00, 5_00, 0])
        now = work.now
        await repository.note_sizes(work, now - timedelta(days=40), {"champions": 5, "流失风险": 9})
        await repository.note_sizes(work, now - timedelta(days=2), {"champions": 7}, {"champions": (3, 1)})
    yield found
    await found.database.close()


@pytest.fixture
async def client(made: Service) -> AsyncIterator[httpx2.AsyncClient]:
    """Asks that service with a reader's token. Its database stays open for the next test."""
    assert made.app is not None
    transport = httpx2.ASGITransport(app=made.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=READER) as one:
        yield one


async def add_revenue(work: Work, paid: Sequence[int]) -> None:
    """What each customer has paid within a year."""
    await work.run(
        """
        INSERT INTO standings (profile_id, tier, stage, revenue_minor)
        SELECT i, 'bronze', 'active', n
          FROM unnest(CAST(:ids AS uuid[]), CAST(:nets AS bigint[])) AS x(i, n)
            ON CONFLICT (profile_id) DO UPDATE SET revenue_minor = excluded.revenue_minor
        """,
        ids=[UUID(int=n, version=4) for n in range(len(paid))],
        nets=list(paid),
    )


async def test_tiers_and_stages_are_counted_in_their_order_and_none_is_left_out(client: httpx2.AsyncClient) -> None:
    tiers = (await client.get("/v1/reports/tiers")).json()
    named = [(one["name"], one["customers"]) for one in tiers["groups"]]
    assert named == [("diamond", 0), ("gold", 2), ("silver", 0), ("bronze", 1), ("old", 1)]
    stages = (await client.get("/v1/reports/stages")).json()
    assert [one["name"] for one in stages["groups"]] == [str(one) for one in Stage]
    assert stages["customers"] == tiers["customers"] == 4


async def test_the_grid_has_every_cell_and_only_customers_with_scores(client: httpx2.AsyncClient) -> None:
    grid = (await client.get("/v1/reports/rfm")).json()
    assert (len(grid["cells"]), grid["levels"], grid["customers"], grid["spend_minor"]) == (25, 5, 3, 4_000)
    filled = {(one["recency"], one["frequency"]): one["spend_minor"] for one in grid["cells"] if one["customers"]}
    assert filled == {(5, 1): 0, (4, 2): 1_000, (2, 4): 3_000}


async def test_the_curve_has_the_classes_exactly_and_leaves_out_who_paid_nothing(client: httpx2.AsyncClient) -> None:
    curve = (await client.get("/v1/reports/abc")).json()
    assert (curve["customers"], curve["revenue_minor"], curve["currency"]) == (3, 100_00, "USD")
    classes = [(one["name"], one["customers"], one["revenue_minor"]) for one in curve["classes"]]
    assert classes == [("A", 1, 80_00), ("B", 1, 15_00), ("C", 1, 5_00)]
    assert [(one["customers"], one["revenue_minor"]) for one in curve["points"]] == [
        (1, 80_00),
        (2, 95_00),
        (3, 100_00),
    ]


async def test_sizes_begin_with_what_was_there_before_and_count_who_entered_and_exited(
    client: httpx2.AsyncClient,
) -> None:
    both = (await client.get("/v1/reports/sizes")).json()
    sizes = {one["segment_id"]: [point["members"] for point in one["points"]] for one in both["segments"]}
    assert sizes == {"流失风险": [9], "champions": [5, 7]}
    [one] = (await client.get("/v1/reports/sizes", params={"segment": "champions", "days": 10})).json()["segments"]
    assert [(point["entered"], point["exited"]) for point in one["points"]] == [(None, None), (3, 1)]


async def test_a_segment_without_sizes_is_not_found_and_the_nearest_one_is_named(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/reports/sizes", params={"segment": ["流失风险", "champion"]})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["detail"].endswith("did you mean champions?")


async def test_an_unknown_report_is_not_found_and_the_others_are_named(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/reports/tier")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "did you mean tiers?" in answer.json()["detail"]
    assert all(name in answer.json()["detail"] for name in REPORTS)


async def test_an_unknown_language_or_format_is_refused_and_the_known_ones_are_named(
    client: httpx2.AsyncClient,
) -> None:
    for params, known in (({"language": "fr"}, "'en' or 'zh'"), ({"format": "gif"}, "'json', 'svg' or 'png'")):
        answer = await client.get("/v1/reports/tiers", params=params)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert known in answer.json()["detail"]


@pytest.mark.parametrize("name", REPORTS)
async def test_a_report_is_answered_as_the_picture_that_was_asked_for(client: httpx2.AsyncClient, name: str) -> None:
    url = f"/v1/reports/{name}"
    pictures = {
        language: await client.get(url, params={"format": "svg", "language": language}) for language in ("en", "zh")
    }
    for language, answer in pictures.items():
        assert (answer.status_code, answer.headers["content-type"]) == (200, SVG)
        assert (answer.headers["vary"], answer.headers["content-language"]) == ("Accept", language)
        root = ET.fromstring(answer.text)  # noqa: S314 - our own
        assert root.attrib["{http://www.w3.org/XML/1998/namespace}lang"].startswith(language)
    assert pictures["en"].text != pictures["zh"].text


@pytest.mark.parametrize(
    ("header", "media"),
    [
        ("image/svg+xml", SVG),
        ("image/*", SVG),
        ("text/html, image/svg+xml;q=0.9, */*;q=0.8", SVG),
        ("application/json, image/svg+xml;q=0.9", "application/json"),
        ("image/svg+xml;q=0, */*", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("image/svg+xml;q=nonsense,,;;q=", "application/json"),
        ("", "application/json"),
    ],
)
async def test_the_format_is_what_the_caller_prefers_of_those_there_are(
    client: httpx2.AsyncClient, header: str, media: str
) -> None:
    answer = await client.get("/v1/reports/tiers", headers={"Accept": header})
    assert (answer.status_code, answer.headers["content-type"], answer.headers["vary"]) == (200, media, "Accept")
    chosen = await client.get("/v1/reports/tiers", headers={"Accept": header}, params={"format": "json"})
    assert chosen.headers["content-type"] == "application/json"


async def test_a_picture_in_png_is_twice_as_large_as_it_is_in_svg(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/reports/tiers", headers={"Accept": PNG}, params={"language": "zh"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, PNG)
    assert answer.content[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(answer.content[16:20]) == 2 * 720


async def test_without_the_group_charts_png_is_answered_with_how_to_get_it_and_svg_is_drawn(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for missing in ("resvg_py", "noto_cjk_sans_otc"):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, missing, None)
            answer = await client.get("/v1/reports/tiers", params={"format": "png"})
            assert (answer.status_code, answer.headers["content-type"]) == (501, "application/problem+json")
            assert "uv sync --group charts" in answer.json()["detail"]
            assert (await client.get("/v1/reports/tiers", params={"format": "svg"})).status_code == 200


async def test_before_the_first_customer_every_report_is_answered_in_every_format(
    database_factory: DatabaseFactory,
) -> None:
    empty = build("segment", await database_factory("segment"))
    async with empty.database.work() as work:
        await policies.publish(work)
    async with asking(empty, READER) as client:
        for name in REPORTS:
            for format_ in ("json", "svg"):
                answer = await client.get(f"/v1/reports/{name}", params={"format": format_})
                assert answer.status_code == 200, (name, format_)


# The numbers, as a plain computation has them


@pytest.fixture(scope="module")
async def database(databases: Databases) -> AsyncIterator[Database]:
    """A database of segment for examples that leave nothing behind."""
    url = databases.url("segment", await databases.take("segment"))
    found = Database(url, application="test", clock=SystemClock())
    yield found
    await found.close()


class Undo(Exception):
    """Takes back what a transaction wrote."""


@asynccontextmanager
async def undone(database: Database) -> AsyncIterator[Work]:
    """A transaction that leaves nothing behind."""
    with suppress(Undo):
        async with database.work() as work:
            yield work
            raise Undo


def abc_classes(paid: list[int]) -> dict[str, list[int]]:
    """The amounts in each class, one customer after the other."""
    found: dict[str, list[int]] = {"A": [], "B": [], "C": []}
    for one in paid:
        before = 100 * sum(other for other in paid if other > one)
        found["A" if before < 80 * sum(paid) else "B" if before < 95 * sum(paid) else "C"].append(one)
    return found


@given(st.lists(st.integers(-3, 9) | st.integers(0, 2**40), max_size=30))
async def test_the_classes_and_the_curve_are_those_of_a_plain_computation(
    database: Database, revenue: list[int]
) -> None:
    async with undone(database) as work:
        await policies.publish(work)
        await add_revenue(work, revenue)
        report = await service.abc(work)
        paid = sorted((one for one in revenue if one > 0), reverse=True)
        classes = abc_classes(paid)
        assert {one.name: (one.customers, one.revenue_minor) for one in report.classes} == {
            name: (len(these), sum(these)) for name, these in classes.items()
        }
        ends = [n for n in range(1, len(paid) + 1) if n == len(paid) or paid[n] != paid[n - 1]]
        assert [(one.customers, one.revenue_minor) for one in report.points] == [(n, sum(paid[:n])) for n in ends]


async def test_of_many_customers_the_curve_has_a_few_hundred_points_and_both_ends(database: Database) -> None:
    async with undone(database) as work:
        await policies.publish(work)
        await add_revenue(work, range(1, 5_001))
        report = await service.abc(work)
        assert len(report.points) <= repository.CURVE_POINTS + 3
        whole = sum(range(5_001))
        assert (report.points[-1].customers, report.points[-1].revenue_minor) == (5_000, whole)
        for one in report.points:
            assert one.revenue_minor == sum(range(5_001 - one.customers, 5_001))


async def sizes_of(work: Work, *ids: str, days: int) -> Mapping[str, list[tuple[datetime, int]]]:
    report = await service.sizes(work, ids, days=days)
    return {one.segment_id: [(point.at, point.members) for point in one.points] for one in report.segments}


async def test_a_size_that_stays_takes_no_row_and_a_moment_keeps_its_first_one(database: Database) -> None:
    async with undone(database) as work:
        work.now = NOON
        hours = [NOON - timedelta(hours=n) for n in (5, 4, 3, 2, 1)]
        for at, members in zip(hours, (4, 4, 6, 6, 4), strict=True):
            await repository.note_sizes(work, at, {"a": members, "b": 1})
        await repository.note_sizes(work, hours[0], {"a": 99})
        await repository.note_sizes(work, hours[3], {"b": 1}, {"b": (2, 2)})
        found = await sizes_of(work, "a", "b", days=1)
        assert found["a"] == [(hours[0], 4), (hours[2], 6), (hours[4], 4)]
        assert found["b"] == [(hours[0], 1), (hours[3], 1)]
        assert list(await sizes_of(work, days=1)) == ["a", "b"]  # the larger one first


async def test_of_a_long_time_each_step_has_its_last_size_and_all_who_came_and_went(database: Database) -> None:
    async with undone(database) as work:
        work.now = NOON
        for minute in range(600):
            at = NOON - timedelta(days=300) + timedelta(minutes=minute + 1)
            await repository.note_sizes(work, at, {"a": minute}, {"a": (2, 1)})
        [one] = (await service.sizes(work, ["a"], days=300)).segments
        assert len(one.points) == 1  # of two days
        assert (one.points[0].members, one.points[0].entered, one.points[0].exited) == (599, 1_200, 600)
