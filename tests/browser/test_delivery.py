"""How the browser snippet's events get through: in batches, when a page is left, and past what goes wrong."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Final

import pytest
from playwright.async_api import Route

from deploy.local.stack import Stack
from shared.contracts.envelope import Event, event_id
from shared.service.clock import SystemClock
from tests.browser.bus import Bus, tracked
from tests.browser.shop import Shop
from tests.browser.sources import Source, Sources
from tests.browser.visit import Visit, snippet

BATCHES: Final = "**/v1/b"
MAX_WAITING: Final = 500  # events
DELAY_MILLISECONDS: Final = 300
PAUSES_MILLISECONDS: Final = (1_000, 4_000, 16_000)
NO_BEACON: Final = "delete Navigator.prototype.sendBeacon"
NO_TIMERS: Final = "window.setTimeout = () => 1"  # so that nothing is sent because its time has come


def names(events: Sequence[Event]) -> list[str]:
    return sorted(tracked(events))


async def test_events_go_twenty_at_a_time_and_none_is_lost(bus: Bus, shop: Shop, source: Source, visit: Visit) -> None:
    await visit.see(shop.show("/", snippet(visit, source, page="off")))
    await visit.do("for (let n = 0; n < 45; n++) rapport.track('Tried ' + n)")
    assert len(tracked(await bus.arrived(source.id, 45))) == 45
    await visit.until_sent(3)
    assert [len(batch) for batch in visit.message_ids] == [20, 20, 5]
    assert {batch["writeKey"] for batch in visit.sent} == {source.write_key}


@pytest.mark.parametrize("prepared", ["", NO_BEACON], ids=["beacon", "fetch"])
async def test_what_waits_when_a_page_is_left_arrives(
    prepared: str, bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    await visit.context.add_init_script(f"{NO_TIMERS}; {prepared}")
    shop.show("/next", "")
    await visit.see(shop.show("/", snippet(visit, source, page="off")))
    async with visit.page.expect_navigation():
        await visit.do("rapport.track('Left'); location.href = '/next'")
    assert names(await bus.arrived(source.id, 1)) == ["Left"]


@pytest.mark.parametrize("prepared", ["", NO_BEACON], ids=["beacon", "fetch"])
async def test_what_waits_when_a_page_is_hidden_is_sent_at_once(
    prepared: str, bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    await visit.context.add_init_script(f"{NO_TIMERS}; {prepared}")
    await visit.see(shop.show("/", snippet(visit, source, page="off")))
    await visit.do("rapport.track('Hidden')")
    await visit.hide()
    assert names(await bus.arrived(source.id, 1)) == ["Hidden"]
    assert visit.kinds == ["fetch" if prepared else "ping"]


async def test_much_that_waits_goes_in_parts_that_browsers_carry(
    bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    await visit.context.add_init_script(NO_TIMERS)
    await visit.see(shop.show("/", snippet(visit, source, page="off")))
    await visit.do("for (let n = 0; n < 19; n++) rapport.track('Tried ' + n, {text: 'x'.repeat(2500)})")
    await visit.hide()
    assert len(tracked(await bus.arrived(source.id, 19))) == 19
    assert set(visit.kinds) == {"ping"}
    assert max(len(batch) for batch in visit.message_ids) < 19


@pytest.mark.parametrize("trouble", ["503", "blocked"])
async def test_what_failed_is_sent_again_under_its_id_and_arrives_once(
    trouble: str, bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    async def fail(route: Route) -> None:
        if trouble == "blocked":
            await route.abort("blockedbyclient")
        else:
            await route.fulfill(status=503, headers={"Access-Control-Allow-Origin": "*"})

    await visit.page.route(BATCHES, fail, times=1)
    await visit.see(shop.show("/", snippet(visit, source, page="off")))
    await visit.do("rapport.track('Tried')")
    (event,) = await bus.arrived(source.id, 1)
    await visit.until_sent(2)
    ((first,), (second,)) = visit.message_ids
    assert first == second
    assert event.event_id == event_id(source.id, first)


async def test_what_is_sent_while_ingest_is_away_arrives_once_it_is_back(
    stack: Stack, bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    await visit.page.clock.install()
    await visit.see(shop.show("/", snippet(visit, source, page="off")))
    # The page's clock stands still: it must not give up while ingest starts, however long that takes.
    await visit.page.clock.pause_at(SystemClock().now() + timedelta(minutes=1))
    await stack.kill_service("ingest")
    try:
        await visit.do("rapport.track('Tried')")
        await visit.page.clock.run_for(DELAY_MILLISECONDS)
        await visit.until_sent(1)
    finally:
        await stack.start_service("ingest")
    await visit.page.clock.run_for(PAUSES_MILLISECONDS[0])
    (event,) = await bus.arrived(source.id, 1)
    await visit.until_sent(2)
    assert {event_id(source.id, one) for (one,) in visit.message_ids} == {event.event_id}


async def test_who_sends_too_much_waits_as_long_as_it_is_told(
    bus: Bus, shop: Shop, sources: Sources, visit: Visit
) -> None:
    source = await sources.made(events_per_second=1)
    await visit.see(shop.show("/", snippet(visit, source, page="off")))
    await visit.do("for (let n = 0; n < 5; n++) rapport.track('Tried ' + n)")
    await visit.until_sent(1)
    await visit.do("rapport.track('Too much')")
    assert "Too much" in names(await bus.arrived(source.id, 6))
    await visit.until_sent(3)
    assert visit.statuses == [200, 429, 200]
    assert visit.message_ids[1] == visit.message_ids[2]


async def test_what_goes_on_failing_is_given_up_and_the_next_gets_its_turn(
    bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    async def block(route: Route) -> None:
        await route.abort("blockedbyclient")

    await visit.page.clock.install()
    await visit.page.route(BATCHES, block)
    await visit.see(shop.show("/", snippet(visit, source, page="off")))
    await visit.do("rapport.track('Given up')")
    for tried, pause in enumerate(PAUSES_MILLISECONDS, start=1):
        await visit.until_sent(tried)
        await visit.page.clock.run_for(pause)
    await visit.until_sent(4)
    assert len({one for (one,) in visit.message_ids}) == 1
    waited = [later - earlier for earlier, later in pairwise(visit.sent_at)]
    assert all(pause >= least for pause, least in zip(waited, PAUSES_MILLISECONDS, strict=True)), waited

    await visit.page.unroute(BATCHES)
    await visit.do("rapport.track('Next')")
    await visit.page.clock.run_for(100_000)
    assert names(await bus.arrived(source.id, 1)) == ["Next"]


async def test_only_the_latest_five_hundred_events_wait(bus: Bus, shop: Shop, source: Source, visit: Visit) -> None:
    await visit.see(shop.show("/", snippet(visit, source, page="off", consent="required")))
    await visit.do("for (let n = 0; n < 503; n++) rapport.track('Tried ' + n)")
    await visit.do("rapport.consent(true)")
    events = await bus.arrived(source.id, MAX_WAITING)
    assert set(tracked(events)) == {f"Tried {n}" for n in range(3, 503)}


async def test_wrong_calls_throw_nothing_and_cost_no_other(bus: Bus, shop: Shop, source: Source, visit: Visit) -> None:
    stub = "window.rapport = [7, ['nothing'], ['track', 'Early']]"
    await visit.see(shop.show("/", f"<script>{stub}</script>" + snippet(visit, source, page="off")))
    await visit.do("""
        const round = {}; round.self = round;
        rapport.track("Round", round); rapport.push(null); rapport.push(["nothing"]); rapport.identify();
        rapport.track("Late");
    """)
    assert names(await bus.arrived(source.id, 3)) == ["Early", "Late"]


async def test_where_fetch_is_missing_events_go_when_the_page_is_left(
    bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    await visit.see(shop.show("/", "<script>delete window.fetch</script>" + snippet(visit, source)))
    await visit.do("rapport.track('Tried')")
    await visit.see(shop.show("/next", ""))
    assert names(await bus.arrived(source.id, 2)) == ["Tried"]


async def test_a_wrong_tag_throws_nothing(shop: Shop, source: Source, visit: Visit) -> None:
    await visit.see(shop.show("/", snippet(visit, source, host="http://:wrong:")))
    assert await visit.do("rapport.push(['track', 'Lost'])") == 1
