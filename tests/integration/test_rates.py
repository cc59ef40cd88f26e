"""Exchange rates: stated at profile, never changed, published whole, copied by segment, and converted by."""

import random
from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.profile.service import rates as stated_rates
from services.segment.service import intake, rates, standings
from shared.contracts import topics
from shared.contracts.envelope import Event
from shared.contracts.events import OrderPlaced
from shared.contracts.rates import convert
from shared.contracts.reference import DatedRate, RatesPublished
from shared.database.database import Database
from shared.errors import Refused
from shared.service import process
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.applications import asking, build, token
from tests.support.events import NOON, event

ADMIN = token("ann", scope="profile:admin")
FRIDAY = date(2026, 2, 27)


@pytest.fixture
async def profile(database_factory: DatabaseFactory) -> AsyncIterator[process.Service]:
    """Profile, wired, with an empty database."""
    made = build("profile", await database_factory("profile"))
    yield made
    await made.database.close()


@pytest.fixture
async def segment(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of segment."""
    made = Database(await database_factory("segment"), application="test", clock=SystemClock())
    yield made
    await made.close()


def a_rate(base: str, quote: str, value: Any, day: str = "2026-02-27") -> dict[str, Any]:
    return {"base": base, "quote": quote, "day": day, "rate": value}


async def state(profile: process.Service, *stated: dict[str, Any]) -> Any:
    """What profile answers to these rates."""
    async with asking(profile, ADMIN) as client:
        answer = await client.put("/v1/rates", json={"rates": list(stated)})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def shown(profile: process.Service, **query: Any) -> list[tuple[str, str, str, str]]:
    """All rates that stand, page by page."""
    found: list[tuple[str, str, str, str]] = []
    async with asking(profile, ADMIN) as client:
        cursor: dict[str, str] = {}
        while True:
            answer = (await client.get("/v1/rates", params={**query, **cursor})).raise_for_status().json()
            found += [(one["base"], one["quote"], one["day"], one["rate"]) for one in answer["rates"]]
            if answer["next"] is None:
                return found
            cursor = {"cursor": answer["next"]}


async def published(profile: process.Service) -> list[Event]:
    async with profile.database.work() as work:
        return await work.outbox.waiting(topics.REFERENCE)


async def copy(segment: Database, events: list[Event]) -> None:
    async with segment.work() as work:
        await rates.on_rates_published(work, events)


async def test_rates_are_kept_exactly_listed_by_pair_and_day_and_corrected_by_later_ones(
    profile: process.Service,
) -> None:
    first = [a_rate("EUR", "USD", "1.0834"), a_rate("EUR", "USD", 1.0829, "2026-02-26"), a_rate("EUR", "JPY", "161.5")]
    assert await state(profile, *first) == {"added": 3, "corrected": 0, "unchanged": 0}
    again = [*first[:2], a_rate("EUR", "JPY", "161.50"), a_rate("USD", "CNY", "7.000000000001")]
    assert await state(profile, *again) == {"added": 1, "corrected": 0, "unchanged": 3}
    assert await state(profile, a_rate("EUR", "USD", "1.084")) == {"added": 0, "corrected": 1, "unchanged": 0}

    standing = [
        ("EUR", "JPY", "2026-02-27", "161.5"),
        ("EUR", "USD", "2026-02-26", "1.0829"),
        ("EUR", "USD", "2026-02-27", "1.084"),
        ("USD", "CNY", "2026-02-27", "7.000000000001"),
    ]
    assert await shown(profile) == await shown(profile, limit=1) == standing
    assert await shown(profile, base="EUR", quote="USD", since="2026-02-27", until="2026-12-31") == [standing[2]]
    async with profile.database.work() as work:
        [row] = await work.rows("SELECT count(*) AS stated FROM rates")
        entries = await work.rows("SELECT subject, action, object_id FROM audit_log ORDER BY sequence")
    assert row.stated == 5
    assert [(one.subject, one.action, one.object_id) for one in entries] == [
        ("ann", "rates.stated", "rates/EUR/JPY/2026 rates/EUR/USD/2026"),
        ("ann", "rates.stated", "rates/USD/CNY/2026"),
        ("ann", "rates.stated", "rates/EUR/USD/2026"),
    ]


async def test_what_is_published_is_the_whole_pair_of_the_year_under_its_key_with_a_higher_version_each_time(
    profile: process.Service,
) -> None:
    await state(profile, a_rate("EUR", "USD", "1.07", "2025-12-31"), a_rate("EUR", "USD", "1.08"))
    await state(profile, a_rate("EUR", "USD", "1.09", "2026-01-02"))
    told = [one.body for one in await published(profile)]
    assert all(isinstance(one, RatesPublished) for one in told)
    bodies = [one for one in told if isinstance(one, RatesPublished)]
    assert [(one.key, [(rate.day, rate.rate) for rate in one.rates]) for one in bodies] == [
        ("rates/EUR/USD/2025", [("2025-12-31", "1.07")]),
        ("rates/EUR/USD/2026", [("2026-02-27", "1.08")]),
        ("rates/EUR/USD/2026", [("2026-01-02", "1.09"), ("2026-02-27", "1.08")]),
    ]
    assert bodies[1].version < bodies[2].version
    async with profile.database.work() as work:
        rows = await work.rows("SELECT key FROM outbox WHERE topic = :topic ORDER BY id", topic=topics.REFERENCE)
    assert [bytes(row.key).decode() for row in rows] == [one.key for one in bodies]


async def test_segment_converts_by_what_it_has_copied_in_whatever_order_it_came(
    profile: process.Service, segment: Database
) -> None:
    await state(profile, a_rate("EUR", "USD", "1.10"), a_rate("EUR", "CNY", "7.70"), a_rate("GBP", "CHF", "1.20"))
    await state(profile, a_rate("EUR", "USD", "1.25"))
    events = await published(profile)
    random.Random(3).shuffle(events)
    for one in events:
        await copy(segment, [one])
    await copy(segment, events)

    async with segment.work() as work:
        table = await rates.table(work, {"USD", "CNY"})
        nothing = await rates.table(work, {"SEK"})
    assert convert(125_00, "USD", "EUR", FRIDAY, table) == 100_00
    assert convert(125_00, "USD", "CNY", FRIDAY, table) == 770_00
    assert convert(125_00, "USD", "CHF", FRIDAY, table) is None
    assert convert(125_00, "USD", "EUR", FRIDAY, nothing) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": "rates/EUR/USD/2025"}, "data.key"),
        ({"rates": (DatedRate(day="2025-12-31", rate="1.1"),)}, "2025-12-31 is not a day of 2026"),
        ({"rates": (DatedRate(day="2026-02-30", rate="1.1"),)}, "data.rates"),
        ({"rates": (DatedRate(day="2026-02-27", rate="0.0"),)}, "is not above 0"),
    ],
)
async def test_what_is_no_rate_of_its_pair_and_year_is_refused(
    segment: Database, changes: dict[str, Any], words: str
) -> None:
    fields: dict[str, Any] = {
        "key": "rates/EUR/USD/2026",
        "version": 1,
        "base": "EUR",
        "quote": "USD",
        "year": 2026,
        "rates": (DatedRate(day="2026-02-27", rate="1.1"),),
    }
    with pytest.raises(Refused, match=words):
        await copy(segment, [event(RatesPublished(**(fields | changes)))])


async def test_a_list_with_one_wrong_rate_changes_nothing_and_the_answer_says_where_it_is(
    profile: process.Service,
) -> None:
    good = a_rate("EUR", "USD", "1.1")
    cases = {
        "/rates/1/quote: is the base, too": a_rate("EUR", "EUR", "1"),
        "/rates/1/day: is in the future": a_rate("EUR", "CHF", "1", "9999-12-31"),
        "/rates/1: EUR/USD on 2026-02-27 stands in this list twice": a_rate("EUR", "USD", "1.2"),
        "/rates/1/rate: must be from": a_rate("EUR", "CHF", "0"),
        "body/rates/1/rate: ": a_rate("EUR", "CHF", "1,2"),
        "body/rates/1/day: ": a_rate("EUR", "CHF", "1", "2026-02-30"),
    }
    async with asking(profile, ADMIN) as client:
        for words, wrong in cases.items():
            answer = await client.put("/v1/rates", json={"rates": [good, wrong]})
            assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text
    assert await shown(profile) == []
    assert await published(profile) == []


async def test_all_rates_are_published_again_as_they_stand(profile: process.Service) -> None:
    await state(profile, a_rate("EUR", "USD", "1.1"), a_rate("EUR", "USD", "1.2", "2025-01-02"))
    before = [one.body for one in await published(profile)]
    async with profile.database.work() as work:
        assert await stated_rates.publish_all(work) == 2
    assert [one.body for one in await published(profile)] == [*before, *before]


async def test_money_of_another_currency_counts_towards_a_tier_by_the_rate_of_the_orders_day(segment: Database) -> None:
    stated = RatesPublished(
        key="rates/EUR/USD/2026",
        version=1,
        base="EUR",
        quote="USD",
        year=2026,
        rates=(DatedRate(day=NOON.date().isoformat(), rate="1.25"),),
    )
    await copy(segment, [event(stated)])
    customer = UUID(int=7)
    placed = OrderPlaced(order_id="E-1", currency="EUR", total_minor=200_00)
    async with segment.work() as work:
        work.now = NOON
        await intake.fold(work, [event(placed, profile_id=customer, at=NOON)])
        found = await standings.standing(work, customer)

    assert found.stored.tier == "gold"  # 250.00 USD
