"""What the browser snippet says of a visitor: page views, who they are, what they do."""

import gzip
from collections.abc import Sequence
from typing import Final

import httpx2
import pytest

from deploy.local.process import LOOPBACK
from services.ingest.api.browser import SCRIPT
from shared.contracts.envelope import Event
from shared.contracts.events import CustomerIdentified, CustomEvent, PageViewed
from tests.browser.bus import Bus, tracked
from tests.browser.shop import Shop
from tests.browser.sources import Source
from tests.browser.visit import Visit, snippet

MAX_GZIP_BYTES: Final = 2_048


def known_as(event: Event) -> dict[str, str]:
    return {one.namespace.value: one.value for one in event.identities}


def paths(events: Sequence[Event]) -> list[str]:
    return [event.body.path for event in events if isinstance(event.body, PageViewed)]


async def test_the_snippet_is_at_most_2_kibibytes_on_its_way(ingest: str) -> None:
    async with httpx2.AsyncClient(base_url=ingest, trust_env=False) as client:
        async with client.stream("GET", "/v1/rapport.js") as answer:
            packed = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["content-encoding"] == "gzip"
        assert len(packed) <= MAX_GZIP_BYTES
        plain = await client.get("/v1/rapport.js", headers={"Accept-Encoding": "identity"})
        assert plain.content == gzip.decompress(packed)
        known = await client.get("/v1/rapport.js", headers={"If-None-Match": answer.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")


async def test_a_page_that_loads_is_viewed_once(bus: Bus, shop: Shop, source: Source, visit: Visit) -> None:
    address = shop.show("/teas", snippet(visit, source), title="Teas") + "?utm_source=letter"
    await visit.page.goto(address, referer=shop.origin + "/from")
    (event,) = await bus.arrived(source.id, 1)
    assert event.body == PageViewed(
        url=address,
        path="/teas",
        title="Teas",
        referrer=shop.origin + "/from",
        extra={"search": "?utm_source=letter"},
    )
    context = event.context
    assert context is not None
    assert context.page is not None
    assert (context.page.url, context.page.search) == (address, "utm_source=letter")
    assert (context.library, context.locale, context.timezone) == ("rapport.js/1", "en-GB", "Europe/Vienna")
    assert (context.ip, "Chrome" in context.user_agent) == (LOOPBACK, True)


async def test_identify_links_the_visitor_to_the_customer(bus: Bus, shop: Shop, source: Source, visit: Visit) -> None:
    await visit.see(shop.show("/", snippet(visit, source, page="off")))
    await visit.do("rapport.track('Before'); rapport.identify(42, {name: 'Ann'})")
    await visit.until_sent(1)
    await visit.see(shop.show("/later", snippet(visit, source, page="off")))
    await visit.do("rapport.track('After')")
    events = await bus.arrived(source.id, 3)
    before, after = known_as(tracked(events)["Before"]), known_as(tracked(events)["After"])
    (identified,) = [event for event in events if event.body == CustomerIdentified(traits={"name": "Ann"})]
    assert before == {"anonymous_id": after["anonymous_id"]}
    assert after == known_as(identified) == {"user_id": "42", "anonymous_id": after["anonymous_id"]}


async def test_another_customer_at_the_same_browser_is_another_visitor(
    bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    await visit.see(shop.show("/", snippet(visit, source, page="off")))
    await visit.do("for (const id of ['ann', 'ann', 'bob']) rapport.identify(id)")
    await visit.do("rapport.reset(); rapport.track('Nobody')")
    found = {(one.get("user_id"), one["anonymous_id"]) for one in map(known_as, await bus.arrived(source.id, 4))}
    assert {user for user, _ in found} == {"ann", "bob", None}
    assert len({anonymous for _, anonymous in found}) == len(found) == 3


async def test_who_is_forgotten_in_one_tab_is_forgotten_in_the_other(
    bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    page = shop.show("/", snippet(visit, source, page="off"))
    await visit.see(page)
    await visit.do("rapport.identify('ann')")
    other = await visit.context.new_page()
    await other.goto(page)
    await other.evaluate("rapport.track('Known'); rapport.reset()")
    await visit.do("rapport.track('Unknown')")
    events = tracked(await bus.arrived(source.id, 3))
    assert "user_id" in known_as(events["Known"])
    assert "user_id" not in known_as(events["Unknown"])


async def test_calls_made_before_the_snippet_is_there_are_not_lost(
    bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    stub = "window.rapport = window.rapport || []; const held = rapport; rapport.push(['track', 'Early', {n: 1}])"
    await visit.see(shop.show("/", f"<script>{stub}</script>" + snippet(visit, source, page="off")))
    await visit.do("rapport.push(['track', 'Late', {n: 2}], ['page', 'Shop']); held.push(['track', 'Held'])")
    events = await bus.arrived(source.id, 4)
    bodies = {name: event.body for name, event in tracked(events).items()}
    assert bodies == {
        "Early": CustomEvent(name="Early", properties={"n": 1}),
        "Late": CustomEvent(name="Late", properties={"n": 2}),
        "Held": CustomEvent(name="Held"),
    }
    assert paths(events) == ["/"]


async def test_going_through_a_page_without_loading_is_a_view_each(
    bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    first = shop.show("/", snippet(visit, source))
    await visit.see(first)
    await visit.do("history.pushState({}, '', '/green?size=2'); document.title = 'Green'")
    await visit.until_sent(1)
    await visit.do("history.pushState({}, '', '#leaves'); new Promise(done => setTimeout(done))")
    await visit.do("history.go(-2)")
    await visit.page.wait_for_url(first)
    await visit.do("rapport.track('Last')")
    views = [event.body for event in await bus.arrived(source.id, 4) if isinstance(event.body, PageViewed)]
    assert [view.path for view in views] == ["/", "/green", "/"]
    assert (views[1].title, views[1].referrer) == ("Green", first)


async def test_a_page_may_say_itself_when_it_is_viewed(bus: Bus, shop: Shop, source: Source, visit: Visit) -> None:
    await visit.see(shop.show("/", snippet(visit, source, page="off")))
    await visit.do("history.pushState({}, '', '/green'); rapport.page('Green', {path: '/chosen'})")
    assert paths(await bus.arrived(source.id, 1)) == ["/chosen"]


async def test_the_snippet_may_come_from_elsewhere(bus: Bus, shop: Shop, source: Source, visit: Visit) -> None:
    shop.files = SCRIPT.parent
    tag = f'<script src="/files/{SCRIPT.name}" data-write-key="{source.write_key}" data-host="{visit.ingest}"></script>'
    await visit.see(shop.show("/", tag + tag))
    assert paths(await bus.arrived(source.id, 1)) == ["/"]


@pytest.mark.parametrize("host", ["localhost", None])
async def test_ids_are_made_where_the_page_is_secure_and_where_not(
    host: str | None, bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    shop.show("/", snippet(visit, source))
    await visit.see(f"http://{host}:{shop.port}/" if host else shop.origin)
    assert await visit.do("typeof crypto.randomUUID") == ("function" if host else "undefined")
    await visit.do("rapport.track('Tried')")
    viewed, tried = await bus.arrived(source.id, 2)
    assert viewed.identities == tried.identities
    assert len(known_as(viewed)["anonymous_id"]) >= 32


async def test_a_pixel_takes_an_event_from_a_page_without_scripts(
    bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    asked = f"{visit.ingest}/v1/pixel.gif?writeKey={source.write_key}&event=Letter+Opened&anonymousId=a-1&letter=spring"
    page = shop.show("/letter", f'<img id="pixel" src="{asked}">')
    await visit.see(page)
    assert await visit.do("document.getElementById('pixel').naturalWidth") == 1
    (event,) = await bus.arrived(source.id, 1)
    assert event.body == CustomEvent(name="Letter Opened", properties={"letter": "spring"})
    assert known_as(event) == {"anonymous_id": "a-1"}
    assert event.context is not None
    assert event.context.page is not None
    assert event.context.page.url.startswith(shop.origin)
