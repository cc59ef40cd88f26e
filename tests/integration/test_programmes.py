"""Programmes on real PostgreSQL: changed by API, rolled out as redefined, given by hand, merged, tried out."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpx2
import pytest

from services.segment import worker
from services.segment.repository.programmes import versions
from services.segment.service import rates
from services.segment.service import standings as service
from services.segment.service.programmes import definitions, overrides, rollout
from services.segment.service.programmes.overrides import CustomerTier
from shared.audit import Actor
from shared.contracts.changes import StageChanged, TierChanged
from shared.contracts.envelope import Event
from shared.contracts.events import OrderPlaced
from shared.contracts.reference import DatedRate, RatesPublished, rates_key
from shared.database.database import Database, Work
from shared.errors import PreconditionFailed
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_segment_service import ANN, BOB, at, fact, merge, placed, published
from tests.support.applications import asking, build, token
from tests.support.events import NOON, days, event
from tests.support.running import eventually

ADMIN: Final = Actor("ada")
HOUR: Final = timedelta(hours=1)


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """A database of segment, with the programme that comes with it."""
    made = Database(await database_factory("segment"), application="test", clock=SystemClock())
    yield made
    await made.close()


def programme(gold: int = 250_00, **changes: Any) -> dict[str, Any]:
    """The programme that comes with the service, with gold from another amount."""
    tiers = [("bronze", 0), ("silver", 100_00), ("gold", gold)]
    return {
        "window": {"kind": "rolling", "days": 365},
        "tiers": [{"name": name, "at_least": amount} for name, amount in tiers],
        **changes,
    }


async def save(
    database: Database,
    document: Mapping[str, Any],
    *,
    now: datetime = NOON,
    version: int = 1,
    name: str = "default",
    effective_at: datetime | None = None,
) -> None:
    async with at(database, now) as work:
        await definitions.save(work, name, document, version=version, effective_at=effective_at, by=ADMIN)


async def fold(database: Database, *events: Event, now: datetime = NOON) -> None:
    async with at(database, now) as work:
        await service.fold_orders(work, events)


async def roll_out(database: Database, now: datetime) -> int:
    """Looks at everybody by what is in force then; how many there were."""
    customers = 0
    while True:
        async with at(database, now) as work:
            found = await rollout.roll_out(work, now)
        if not found:
            return customers
        customers += found


async def tier_changes(database: Database) -> list[tuple[UUID, str, str, str, timedelta]]:
    """Whose tier changed in which programme, to what, why, and how long after noon."""
    found: list[tuple[UUID, str, str, str, timedelta]] = []
    for one in await published(database):
        assert isinstance(one.body, TierChanged | StageChanged)
        if isinstance(one.body, TierChanged):
            body = one.body
            found.append((body.profile_id, body.programme, body.current, body.cause, one.occurred_at - NOON))
    return found


async def has(database: Database, customer: UUID = ANN, name: str = "default") -> CustomerTier:
    async with database.work() as work:
        return (await overrides.tiers(work, customer))[name]


async def test_a_changed_programme_moves_everybody_at_its_moment_and_says_that_it_was_redefined(
    database: Database,
) -> None:
    await fold(database, placed("A-1", 200_00), placed("B-1", 20_00, BOB))
    await save(database, programme(gold=150_00), now=NOON + HOUR)
    assert await roll_out(database, NOON + 2 * HOUR) == 2
    assert await roll_out(database, NOON + 2 * HOUR) == 0

    assert (await tier_changes(database))[1:] == [(ANN, "default", "gold", "redefined", HOUR)]
    last = (await published(database))[-1]
    assert (last.cause_id, last.historical, last.received_at) == (None, False, NOON + 2 * HOUR)
    assert (await has(database)).tier.programme_version == 2


async def test_an_event_that_comes_before_the_roll_out_is_told_apart_from_it(database: Database) -> None:
    await fold(database, placed("A-1", 200_00))
    await save(database, programme(gold=150_00), now=NOON + HOUR)
    await fold(database, placed("A-2", 900_00, at=NOON + 2 * HOUR), now=NOON + 2 * HOUR)
    await fold(database, placed("B-1", 900_00, BOB, at=NOON + 2 * HOUR), now=NOON + 2 * HOUR)
    await roll_out(database, NOON + 3 * HOUR)

    assert (await tier_changes(database))[1:] == [
        (ANN, "default", "gold", "redefined", HOUR),
        (BOB, "default", "gold", "event", 2 * HOUR),
    ]


async def test_what_time_changed_before_a_programme_took_effect_is_told_as_time(database: Database) -> None:
    await fold(database, placed("A-1", 300_00))
    await save(database, programme(gold=150_00, window={"kind": "rolling", "days": 999}), now=NOON + days(366))
    await roll_out(database, NOON + days(367))

    assert (await tier_changes(database))[1:] == [
        (ANN, "default", "bronze", "time", days(365)),
        (ANN, "default", "gold", "redefined", days(366)),
    ]


@pytest.mark.parametrize("first", ["timers", "roll-out"])
async def test_timers_and_the_roll_out_tell_the_same_whoever_comes_first(database: Database, first: str) -> None:
    await fold(database, placed("A-1", 300_00))
    await save(database, programme(gold=150_00, window={"kind": "rolling", "days": 400}), now=NOON + days(366))
    late = NOON + days(500)
    for step in ("timers", "roll-out", "timers") if first == "timers" else ("roll-out", "timers"):
        if step == "roll-out":
            await roll_out(database, late)
            continue
        async with at(database, late) as work:
            await service.flip_due(work, late)

    assert (await tier_changes(database))[1:] == [
        (ANN, "default", "bronze", "time", days(365)),
        (ANN, "default", "gold", "redefined", days(366)),
        (ANN, "default", "bronze", "time", days(400)),
    ]


async def test_a_batch_that_began_before_a_programme_took_effect_does_not_go_back_behind_it(
    database: Database,
) -> None:
    await fold(database, placed("A-1", 200_00))
    await save(database, programme(gold=150_00), now=NOON + HOUR)
    await roll_out(database, NOON + HOUR)
    await fold(database, placed("A-2", 1_00), now=NOON + HOUR - timedelta(seconds=1))

    assert (await has(database)).tier.tier == "gold"
    assert [one[2] for one in await tier_changes(database)] == ["silver", "gold"]


async def test_a_version_of_later_waits_and_one_that_comes_before_it_takes_its_place(database: Database) -> None:
    await fold(database, placed("A-1", 200_00))
    await save(database, programme(gold=150_00), effective_at=NOON + days(9))
    assert await roll_out(database, NOON + HOUR) == 0
    assert (await has(database)).tier.tier == "silver"

    await save(database, programme(gold=190_00), now=NOON + HOUR, version=2)
    for now in (NOON + HOUR, NOON + days(10)):
        await roll_out(database, now)
        assert (await has(database)).tier.tier == "gold"
    async with database.work() as work:
        in_force = await versions.in_force(work, since=NOON)
    assert [in_force.at(NOON + days(day))["default"].version for day in (0, 1, 10)] == [1, 3, 3]


async def test_a_second_programme_has_tiers_of_its_own_and_everybody_begins_in_the_lowest(database: Database) -> None:
    await fold(database, placed("A-1", 200_00), placed("A-2", 1_00), placed("B-1", 1_00, BOB))
    club = programme(basis="orders", tiers=[{"name": "guest", "at_least": 0}, {"name": "regular", "at_least": 2}])
    await save(database, club, name="club", version=0)
    await roll_out(database, NOON)
    await fold(database, placed("B-2", 1_00, BOB, at=NOON + HOUR), now=NOON + HOUR)
    late = NOON + days(400)
    async with at(database, late) as work:
        await service.flip_due(work, late)

    assert [one for one in await tier_changes(database) if one[1] == "club"] == [
        (ANN, "club", "regular", "redefined", timedelta(0)),
        (BOB, "club", "regular", "event", HOUR),
        (ANN, "club", "guest", "time", days(365)),
        (BOB, "club", "guest", "time", days(365)),
    ]
    of_each: dict[UUID, list[int]] = {ANN: [], BOB: []}
    for one in await published(database):
        assert isinstance(one.body, TierChanged | StageChanged)
        of_each[one.body.profile_id].append(one.body.version)
    assert all(found == list(range(1, len(found) + 1)) for found in of_each.values())


@pytest.mark.parametrize("sequence", list(itertools.permutations(range(3))))
async def test_a_merge_a_changed_programme_and_a_tier_by_hand_end_alike_in_any_order(
    database: Database, sequence: tuple[int, ...]
) -> None:
    await fold(database, placed("A-1", 100_00), placed("B-1", 60_00, BOB))
    for number, step in enumerate(sequence):
        now = NOON + (number + 1) * HOUR
        if step == 0:
            async with at(database, now) as work:
                await service.follow(work, [merge(BOB, ANN)])
        elif step == 1:
            await save(database, programme(gold=150_00), now=now)
            await roll_out(database, now)
        else:
            async with at(database, now) as work:
                await overrides.give(
                    work,
                    BOB,
                    "default",
                    name="silver",
                    mode="exactly",
                    reason="",
                    expires_at=NOON + days(9),
                    by=ADMIN,
                )
    assert ((await has(database)).tier.tier, (await has(database)).tier.by_hand) == ("silver", True)
    late = NOON + days(9)
    async with at(database, late) as work:
        await service.flip_due(work, late)
    assert ((await has(database, BOB)).tier.tier, (await has(database, BOB)).tier.by_hand) == ("gold", False)
    assert (await tier_changes(database))[-1] == (ANN, "default", "gold", "time", days(9))


async def test_a_tier_by_hand_is_told_as_redefined_and_can_be_taken_back(database: Database) -> None:
    await fold(database, placed("A-1", 1_00))
    async with at(database, NOON + HOUR) as work:
        await overrides.give(work, ANN, "default", name="gold", mode="at_least", reason="x", expires_at=None, by=ADMIN)
    given = (await has(database)).given
    assert given is not None
    assert (given.author, given.expires_at) == ("ada", None)
    async with at(database, NOON + 2 * HOUR) as work:
        await overrides.take_back(work, ANN, "default", by=ADMIN)

    assert await tier_changes(database) == [
        (ANN, "default", "gold", "redefined", HOUR),
        (ANN, "default", "bronze", "redefined", 2 * HOUR),
    ]
    async with at(database) as work:
        with pytest.raises(overrides.NoOverride):
            await overrides.take_back(work, ANN, "default", by=ADMIN)


async def test_two_who_change_a_programme_at_once_do_not_overwrite_each_other(database: Database) -> None:
    await save(database, programme(gold=150_00))
    with pytest.raises(PreconditionFailed):
        await save(database, programme(gold=160_00))


async def test_a_stored_definition_that_makes_no_sense_ends_nothing_and_the_one_before_counts(
    database: Database,
) -> None:
    async with at(database) as work:
        await work.run(
            "INSERT INTO programmes (id, version, definition, effective_at, author, made_at) "
            "VALUES ('default', 2, '{\"tiers\": 5}', :now, '', :now), ('odd', 1, '{}', :now, '', :now)",
            now=NOON - HOUR,
        )
    await fold(database, placed("A-1", 300_00))

    assert (await has(database)).tier.tier == "gold"
    async with database.work() as work:
        assert set((await versions.in_force(work, since=NOON)).at(NOON)) == {"default"}


async def test_a_rate_that_becomes_known_counts_at_once_and_sets_nothing_off_unasked(database: Database) -> None:
    body = OrderPlaced(order_id="A-1", currency="EUR", total_minor=200_00)
    await fold(database, fact(body), placed("B-1", 200_00, BOB))
    assert (await has(database)).tier.reason == "0 minor units of USD in 365 days; not counted: 20000 of EUR"
    day = NOON.date().isoformat()
    for rate in ("1.5", "1.5", "1.25"):
        published_rates = RatesPublished(
            key=rates_key("EUR", "USD", NOON.year),
            version=int(float(rate) * 100) if rate == "1.5" else 151,
            base="EUR",
            quote="USD",
            year=NOON.year,
            rates=(DatedRate(day=day, rate=rate),),
        )
        async with at(database, NOON + HOUR) as work:
            await rates.on_rates_published(work, [event(published_rates)])
        await roll_out(database, NOON + HOUR)

    assert [one for one in await tier_changes(database) if one[0] == ANN] == [
        (ANN, "default", "gold", "redefined", timedelta(0))
    ]
    assert (await has(database)).tier.figure == 250_00
    await fold(database, fact(OrderPlaced(order_id="A-2", currency="GBP", total_minor=1)))
    assert (await has(database)).tier.reason == "25000 minor units of USD in 365 days; not counted: 1 of GBP"


class ReadUntil:
    """A log that has been read up to a moment, and further with each question."""

    def __init__(self) -> None:
        self.moments = [None, NOON, NOON + HOUR]
        self.asked = 0

    async def read_until(self, work: Work) -> datetime | None:  # noqa: ARG002 - read nowhere
        self.asked += 1
        return self.moments[min(self.asked, len(self.moments)) - 1]


async def test_a_roll_out_waits_until_all_of_before_its_moment_has_been_read(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ROLLOUT_PAUSE_SECONDS", 0.001)
    await fold(database, placed("A-1", 200_00))
    await save(database, programme(gold=150_00), now=NOON + HOUR)
    log, stop = ReadUntil(), asyncio.Event()
    seen: list[str] = []

    async def tier() -> str:
        seen.append((await has(database)).tier.tier)
        return seen[-1]

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(worker.Rollouts(database, log, tick=lambda: None).run(stop))
        await eventually(tier, lambda name: name == "gold", working=running)
        stop.set()
    assert log.asked >= 3
    assert [one[3] for one in await tier_changes(database)] == ["event", "redefined"]


# By HTTP


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with all scopes of segment, on the database of `database`."""
    await fold(database, placed("A-1", 300_00, at=NOON), placed("B-1", 20_00, BOB, at=NOON))
    url = database.engine.url.render_as_string(hide_password=False)
    scopes = "segment:read segment:write segment:admin"
    async with asking(build("segment", url), token("ada", scopes)) as found:
        yield found


def _lifetime(gold: int, **changes: Any) -> dict[str, Any]:
    return programme(gold, window={"kind": "lifetime"}, **changes)


async def test_a_programme_is_read_changed_and_tried_out_by_http(client: httpx2.AsyncClient) -> None:
    read = await client.get("/v1/programmes/default")
    assert (read.status_code, read.headers["ETag"], read.json()["in_force"]) == (200, '"1"', 1)
    assert read.json()["customers"] == {"bronze": 1, "silver": 0, "gold": 1, "diamond": 0}

    dear = _lifetime(1_000_00)
    dear["tiers"][1]["benefits"] = [{"name": "tea", "cost_minor_per_year": 5_00}]
    tried = (await client.post("/v1/programmes/default/simulate", json={"definition": dear})).json()
    assert (tried["customers"], tried["up"], tried["down"]) == (2, 0, 1) or tried["up"] == 1
    assert tried["cost_then"] == {"currency": "USD", "minor_per_year": 5_00}

    body = {"definition": dear}
    assert (await client.put("/v1/programmes/default", json=body)).status_code == 428
    changed = await client.put("/v1/programmes/default", json=body, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (await client.put("/v1/programmes/default", json=body, headers={"If-Match": '"1"'})).status_code == 412
    assert [one["version"] for one in (await client.get("/v1/programmes/default/versions")).json()["versions"]] == [
        2,
        1,
    ]
    assert (await client.get("/v1/programmes/nobody")).status_code == 404
    tiers = (await client.get("/v1/tiers")).json()
    assert (tiers["window_days"], [one["name"] for one in tiers["tiers"]]) == (None, ["bronze", "silver", "gold"])


async def test_a_definition_that_is_wrong_is_refused_with_every_place_and_the_nearest_name(
    client: httpx2.AsyncClient,
) -> None:
    wrong = _lifetime(50_00, zone="Asia/Shangai", downgrade={"kind": "gracious"}, benefits=[])
    refused = await client.put("/v1/programmes/club", json={"definition": wrong}, headers={"If-None-Match": "*"})

    assert refused.status_code == 422
    found = {one["at"]: one.get("nearest") for one in refused.json()["errors"]}
    assert found == {
        "/definition/benefits": None,
        "/definition/downgrade/kind": "grace",
        "/definition/zone": "Asia/Shanghai",
        "/definition/tiers/2/at_least": None,
    }
    assert (await client.get("/v1/programmes/club")).status_code == 404


async def test_a_tier_is_given_by_hand_by_http_and_a_customer_sees_benefits(client: httpx2.AsyncClient) -> None:
    url = f"/v1/profiles/{BOB}/tier-override"
    body = {"tier": "gold", "reason": "a partner", "expires_at": "2099-01-01T00:00:00Z"}
    given = await client.put(url, json=body)
    assert (given.status_code, given.json()["tier"], given.json()["given"]["author"]) == (200, "gold", "ada")
    wrong = await client.put(url, json={**body, "tier": "golden"})
    assert (wrong.status_code, wrong.json()["errors"][0]["nearest"]) == (422, "gold")
    mine = await client.get(f"/v1/profiles/{BOB}/tiers", headers=token(str(BOB)))
    assert [one["programme"] for one in mine.json()["tiers"]] == ["default"]
    assert (await client.delete(url)).json()["given"] is None
    assert (await client.delete(url)).status_code == 404
