"""A transaction's own promises: what is to follow the commit follows it, and follows nothing else."""

from collections.abc import AsyncIterator

import pytest

from shared.clock import SystemClock
from shared.db import Database, Work
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
