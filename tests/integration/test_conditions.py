"""Conditions on real PostgreSQL mean what they mean in Python, for every customer, at once."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.conditions.base import Limits
from services.segment.domain.conditions.customer import ORDERS, Customer
from services.segment.domain.conditions.document import read
from services.segment.domain.conditions.query import Query
from services.segment.repository import customers as repository
from shared.database.database import Database, Work
from shared.database.rows import Json
from shared.service.clock import SystemClock
from tests.support.conditions import NAMES, bare, customers, documents, plain
from tests.support.databases import Databases
from tests.support.events import NOON

LIMITS = Limits()
POPULATIONS = st.lists(customers(), min_size=3, max_size=6, unique_by=lambda one: one.profile_id)


@pytest.fixture(scope="module")
async def database(databases: Databases) -> AsyncIterator[Database]:
    """A database of segment, in which no test keeps rows."""
    name = await databases.take("segment")
    made = Database(databases.url("segment", name), application="test", clock=SystemClock())
    yield made
    await made.close()
    await databases.give_back("segment", name)


async def _many(work: Work, table: str, names: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Stores rows given as texts, each cast to its column's type."""
    for row in rows:
        given_ = dict(zip(names.split(), row, strict=True))
        columns = await work.rows(
            "SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
            "WHERE attrelid = CAST(:table AS regclass) AND attnum > 0",
            table=table,
        )
        types = {one.attname: one.type for one in columns}
        placed = ", ".join(f"CAST(:{name} AS {types[name]})" for name in given_)
        await work.run(f"INSERT INTO {table} ({', '.join(given_)}) VALUES ({placed})", **given_)


async def store(work: Work, population: Sequence[Customer]) -> None:
    """Stores customers as the service does."""
    for one in population:
        await work.run(
            """
            INSERT INTO standings
                   (profile_id, tier, stage, recency, frequency, monetary, rfm_group, abc, key_customer)
            VALUES (:id, :tier, :stage, :recency, :frequency, :monetary, :rfm_group, :abc, :key_customer)
            """,
            id=one.profile_id,
            tier=one.tiers["default"],
            stage=one.stage,
            **{name: one.scores.get(name) for name in ("recency", "frequency", "monetary")},
            **{name: one.classes.get(name) for name in ("rfm_group", "abc")},
            key_customer="key_customer" in one.classes,
        )
        await repository.save_newer(
            work,
            [
                repository.CustomerRow(
                    profile_id=one.profile_id,
                    version=1,
                    zone=one.zone,
                    traits=Json(plain(one.traits)),
                    dates=Json(plain(one.dates)),
                    identities=Json(plain(one.identities)),
                    consents=Json(plain(one.consents)),
                    orders=one.orders,
                    spend_minor=Json(plain(one.spend_minor)),
                    first_seen=one.first_seen,
                    last_seen=one.last_seen,
                    first_order_at=one.first_order_at,
                    last_order_at=one.last_order_at,
                )
            ],
        )
        await _belongings(work, one)


async def _belongings(work: Work, one: Customer) -> None:
    me = one.profile_id
    history = [
        (me, name, each.at, each.event_id, plain(each.properties)) for name, of in one.history.items() for each in of
    ]
    await _many(work, "history", "profile_id name at event_id properties", history)
    counted = [(me, name, each.times, each.first_at, each.last_at) for name, each in one.occurrences.items()]
    await _many(work, "occurrences", "profile_id name times first_at last_at", counted)
    tags = [(me, name, True, ends, "[]") for name, ends in one.tags.items()]
    await _many(work, "customer_tags", "profile_id tag set expires_at stamp", tags)
    lists = [(me, name, True, ends, "[]") for name, ends in one.lists.items()]
    await _many(work, "list_members", "profile_id list_id member expires_at stamp", lists)
    segments = [(me, name, 1, True, NOON) for name in one.segments]
    await _many(work, "memberships", "profile_id segment_id version member since", segments)


async def answers(work: Work, documents_: Sequence[Mapping[str, Any]]) -> dict[UUID, list[bool | None]]:
    """What PostgreSQL answers, by customer."""
    query = Query(NOON)
    verdicts = {f"a{n}": read(one, LIMITS).sql(query) for n, one in enumerate(documents_)}
    rows = await work.rows(query.statement(verdicts), **query.parameters)
    return {row.profile_id: [row._mapping[name] for name in verdicts] for row in rows}


class _Undone(Exception):
    """Rolls an example back."""


@asynccontextmanager
async def undone(database: Database) -> AsyncIterator[Work]:
    """A transaction that leaves nothing behind."""
    with suppress(_Undone):
        async with database.work() as work:
            yield work
            raise _Undone


@settings(max_examples=200)
@given(data=st.data())
async def test_postgresql_answers_as_python_does(database: Database, data: st.DataObject) -> None:
    population: list[Customer] = data.draw(POPULATIONS)
    asked: list[dict[str, Any]] = data.draw(st.lists(st.one_of(documents, bare), min_size=4, max_size=10))
    checks = [read(one, LIMITS).compiled() for one in asked]
    async with undone(database) as work:
        await store(work, population)
        found = await answers(work, asked)
        loaded = await repository.load(work, found, events=[ORDERS, *NAMES])
    for one in population:
        assert found[one.profile_id] == [check(one, NOON) for check in checks]
        assert found[one.profile_id] == [check(loaded[one.profile_id], NOON) for check in checks]
