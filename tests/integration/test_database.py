"""A transaction's own promises: what is to follow the commit follows it, and follows nothing else."""

import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from sqlalchemy.exc import DBAPIError

from shared.database.database import Database, Work, refuses_data, sqlstate
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory


class Undone(Exception):
    """Something inside the transaction fails."""


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    made = Database(await database_factory("feedback"), application="test", clock=SystemClock())
    yield made
    await made.close()


async def note(work: Work, called: list[str], name: str) -> None:
    """Does something, and something more once it is committed."""
    await work.run("SELECT 1")
    work.afterwards.append(lambda: called.append(name))


async def fail(work: Work, called: list[str]) -> None:
    """Does something at two depths, and fails."""
    async with work.savepoint():
        await note(work, called, "inside")
        async with work.savepoint():
            await note(work, called, "further inside")
        raise Undone


async def test_what_is_to_follow_the_commit_is_not_called_before_it(database: Database) -> None:
    called: list[str] = []
    async with database.work() as work:
        await note(work, called, "first")
        await note(work, called, "second")
        assert called == []
    assert called == ["first", "second"]


async def test_it_is_not_called_if_the_transaction_fails(database: Database) -> None:
    called: list[str] = []
    with pytest.raises(Undone):
        async with database.work() as work:
            await fail(work, called)
    assert called == []


async def test_it_is_not_called_if_its_savepoint_is_rolled_back(database: Database) -> None:
    called: list[str] = []
    async with database.work() as work:
        await note(work, called, "before")
        with pytest.raises(Undone):
            await fail(work, called)
        async with work.savepoint():
            await note(work, called, "again")
    assert called == ["before", "again"]


async def test_after_a_single_statement_it_is_called_too(database: Database) -> None:
    called: list[str] = []
    async with database.statement() as work:
        await note(work, called, "done")
    assert called == ["done"]


CANARY: Final = "canary@shop.example"
FAILING: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "a key that is there already": (
        "INSERT INTO idempotency_keys (key, fingerprint) VALUES (:key, ''), (:key, '')",
        {"key": CANARY},
    ),
    "a text that is no number": ("SELECT CAST(CAST(:text AS text) AS integer)", {"text": CANARY}),
    "an argument of another type": ("SELECT CAST(:number AS integer)", {"number": CANARY}),
    "a list with one of another type": ("SELECT CAST(:numbers AS integer[])", {"numbers": [1, CANARY]}),
    "a document that is none": ("SELECT CAST(CAST(:text AS text) AS jsonb)", {"text": f'{{"mail": "{CANARY}", x'}),
    "a defect of ours": ("SELECT nothing FROM nowhere WHERE mail = :mail", {"mail": CANARY}),
}


@pytest.mark.parametrize("failing", FAILING)
async def test_an_error_does_not_say_which_value_was_wrong(database: Database, failing: str) -> None:
    statement, parameters = FAILING[failing]
    with pytest.raises(DBAPIError) as raised:
        async with database.work() as work:
            await work.run(statement, **parameters)

    shown = [str(raised.value), repr(raised.value), *traceback.format_exception(raised.value)]
    assert "canary" not in "".join(shown)
    assert "sqlalchemy.dialects.postgresql.asyncpg" in shown[0]


async def test_an_error_says_what_was_wrong(database: Database) -> None:
    statement, parameters = FAILING["a key that is there already"]
    with pytest.raises(DBAPIError, match='violates unique constraint "idempotency_keys_pkey"') as raised:
        async with database.work() as work:
            await work.run(statement, **parameters)
    assert sqlstate(raised.value) == "23505"
    assert refuses_data(raised.value)


@pytest.mark.parametrize(
    "moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, 12, 0, 0, 5, UTC), datetime.max.replace(tzinfo=UTC)]
)
async def test_every_moment_comes_back_aware(database: Database, moment: datetime) -> None:
    async with database.work() as work:
        row = await work.row(
            "SELECT CAST(:one AS timestamptz) AS one, CAST(:some AS timestamptz[]) AS several",
            one=moment,
            some=[moment, None],
        )
        ends = await work.row("SELECT CAST('-infinity' AS timestamptz) AS first, CAST('20000-01-01' AS timestamptz)")
    assert row is not None
    assert (row.one, row.several) == (moment, [moment, None])
    assert row.one.tzinfo is UTC
    assert ends is not None
    assert ends[0] < moment <= ends[1] or moment == ends[0]


async def test_a_moment_without_a_zone_is_refused_as_data(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with database.work() as work:
            await work.row("SELECT CAST(:one AS timestamptz)", one=datetime(2026, 3, 1))  # noqa: DTZ001 # on purpose
    assert refuses_data(caught.value)
