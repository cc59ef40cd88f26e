"""`verify`: memberships against what SQL says of the whole base."""

from collections.abc import AsyncIterator

import pytest

from services.segment import commands
from services.segment.settings import SegmentSettings
from shared.contracts import topics
from shared.contracts.changes import SegmentEntered
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_segments import ANN, BOB, ORDERED, SILENT, at, defined, fold, meet, placed
from tests.support.events import SECRET, days

NOW = SystemClock().now()


@pytest.fixture
async def url(database_factory: DatabaseFactory) -> str:
    """A database of segment."""
    return await database_factory("segment")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """The same, to work in: Ann has ordered, Bob has not."""
    made = Database(url, application="test", clock=SystemClock())
    await defined(made, "buyers", ORDERED, NOW)
    await defined(made, "silent", SILENT, NOW)
    await meet(made, ANN, BOB, now=NOW)
    await fold(made, placed("O-1", NOW - days(1), ANN), now=NOW)
    yield made
    await made.close()


async def verify(url: str, *arguments: str) -> int:
    settings = SegmentSettings(
        database_url=url, kafka_bootstrap="127.0.0.1:1", partition_secret=SECRET.decode(), http_port=1
    )
    return await commands.verify(settings, arguments)


async def lose(database: Database, segment_id: str) -> None:
    async with at(database, NOW) as work:
        await work.run("DELETE FROM memberships WHERE segment_id = :id", id=segment_id)
        await work.run("DELETE FROM customer_segments")
        await work.run("DELETE FROM outbox")


async def test_memberships_that_are_as_sql_says_are_told_to_be(
    database: Database, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await verify(url) == 0
    assert "buyers" in capsys.readouterr().out


async def test_what_differs_is_counted_and_mended_if_asked(
    database: Database, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await lose(database, "silent")
    assert await verify(url) == 1
    assert "│ silent  │ silent │ 1 " in capsys.readouterr().out
    assert await verify(url) == 1  # it only looks

    assert await verify(url, "--mend") == 1
    assert await verify(url) == 0
    async with database.work() as work:
        told = await work.outbox.waiting(topics.SEGMENTS)
    assert {one.historical for one in told} == {True}
    assert (SegmentEntered, "silent", BOB) in [
        (type(one.body), one.body.segment_id, one.profile_id) for one in told if isinstance(one.body, SegmentEntered)
    ]


async def test_a_customer_who_is_due_is_left_to_the_timers(database: Database, url: str) -> None:
    async with at(database, NOW) as work:
        await work.run("UPDATE customer_segments SET due_at = now() - interval '1 hour'")
        await work.run("DELETE FROM memberships")
    assert await verify(url) == 0
