"""Segment's own SDK for browsers, with its host changed and nothing else."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Route

from deploy.local.process import LOOPBACK
from shared.contracts.events import CustomerIdentified, CustomEvent, PageViewed
from shared.contracts.identity import Identity, Namespace
from tests.browser.bus import Bus, tracked
from tests.browser.shop import Shop
from tests.browser.sources import Source, Sources
from tests.browser.visit import Visit

BUNDLE: Final = Path(__file__).with_name("node_modules") / "@segment" / "analytics-next" / "dist" / "umd"
VERSION: Final = json.loads(Path(__file__).with_name("package.json").read_text())["dependencies"][
    "@segment/analytics-next"
]
MISSING: Final = "The browser SDK is missing: make test-browser installs it with npm (apt install npm)"
ALL_CALLS: Final = 5


def batching(size: int, timeout_milliseconds: int) -> dict[str, Any]:
    """The settings with which the SDK sends batches: when so many events wait, or the first has waited for so long."""
    return {"deliveryStrategy": {"strategy": "batching", "config": {"size": size, "timeout": timeout_milliseconds}}}


STRATEGIES: Final = pytest.mark.parametrize("strategy", [{}, batching(10, 500)], ids=["standard", "batching"])
EVENTS: Final = re.compile(r"/v1/[tb]$")
RETRY: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After", "Retry-After": "1"}


@pytest.fixture
def sdk(shop: Shop) -> Path:
    """The folder of the SDK's bundle, which the shop serves."""
    if not (BUNDLE / "index.js").is_file():
        pytest.fail(MISSING, pytrace=False)
    shop.files = BUNDLE
    return BUNDLE


async def load(visit: Visit, shop: Shop, source: Source, **segment: Any) -> None:
    """A page that loads the SDK as its documentation says, with these settings of its destination Segment.io."""
    settings = json.dumps({"writeKey": source.write_key, "cdnURL": visit.ingest})
    options = json.dumps({"integrations": {"Segment.io": {"protocol": "http", **segment}}})
    start = f"window.analytics = AnalyticsNext.AnalyticsBrowser.load({settings}, {options})"
    await visit.see(shop.show("/teas", f'<script src="/files/index.js"></script><script>{start}</script>'))


def api(visit: Visit) -> str:
    """The `apiHost` at which ingest is."""
    return visit.ingest.removeprefix("http://") + "/v1"


@pytest.mark.parametrize("strategy", [{}, batching(ALL_CALLS, 60_000)], ids=["standard", "batching"])
async def test_every_call_arrives_as_its_event(
    strategy: dict[str, Any], sdk: Path, bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    await load(visit, shop, source, apiHost=api(visit), **strategy)
    await visit.do("""(async () => {
        await analytics.page("Shop", "Teas");
        await analytics.alias("ann", "visitor-1");
        await analytics.identify("ann", {name: "Ann", email: "Ann@Shop.example"});
        await analytics.track("Tea Tasted", {tea: "green", cups: 2});
        await analytics.group("club", {plan: "large"});
    })()""")
    events = await bus.arrived(source.id, ALL_CALLS)
    bodies = {type(event.body): event for event in events}
    names = tracked(events)
    viewed, identified = bodies[PageViewed], bodies[CustomerIdentified]
    called = {"name": "Teas", "category": "Shop"}
    assert viewed.body == PageViewed(url=shop.origin + "/teas", path="/teas", title="Tea", extra=called)
    assert identified.body == CustomerIdentified(traits={"name": "Ann", "email": "ann@shop.example"})
    assert names["Tea Tasted"].body == CustomEvent(name="Tea Tasted", properties={"tea": "green", "cups": 2})
    group = {"group_id": "club", "traits": {"plan": "large"}}
    assert names["Group Identified"].body == CustomEvent(name="Group Identified", properties=group)

    ann, (visitor,) = Identity(Namespace.USER_ID, "ann"), viewed.identities
    assert visitor.namespace is Namespace.ANONYMOUS_ID
    for event in (identified, names["Tea Tasted"], names["Group Identified"]):
        assert event.identities == (ann, visitor)
    assert names["Alias"].identities == (ann, Identity(Namespace.ANONYMOUS_ID, "visitor-1"))
    context = viewed.context
    assert context is not None
    assert (context.library, context.locale) == (f"analytics.js/next-{VERSION}", "en-GB")
    assert (context.timezone, context.ip) == ("Europe/Vienna", LOOPBACK)
    requests = 1 if strategy else ALL_CALLS
    await visit.until_sent(requests)
    assert visit.statuses == [200] * requests


async def test_the_settings_of_ingest_tell_it_where_to_send(
    sdk: Path, bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    await load(visit, shop, source)
    await visit.do("analytics.track('Tried')")
    assert set(tracked(await bus.arrived(source.id, 1))) == {"Tried"}


async def test_what_waits_when_a_page_is_left_arrives(
    sdk: Path, bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    await load(visit, shop, source, apiHost=api(visit), **batching(10, 60_000))
    shop.show("/next", "")
    await visit.do("analytics.track('Left')")
    async with visit.page.expect_navigation():
        await visit.do("location.href = '/next'")
    assert set(tracked(await bus.arrived(source.id, 1))) == {"Left"}


@STRATEGIES
async def test_who_sends_too_much_sends_the_rest_later(
    strategy: dict[str, Any], sdk: Path, bus: Bus, shop: Shop, sources: Sources, visit: Visit
) -> None:
    source = await sources.made(events_per_second=1)
    await load(visit, shop, source, apiHost=api(visit), **strategy)
    await visit.do("Promise.all([1, 2, 3, 4, 5].map(n => analytics.track('First ' + n)))")
    await visit.until_sent(1 if strategy else 5)
    await visit.do("analytics.track('Later')")
    assert len(tracked(await bus.arrived(source.id, 6))) == 6
    await visit.until_sent(3)
    assert set(visit.statuses) == {200, 429}


@STRATEGIES
async def test_what_failed_is_sent_again_under_its_id(
    strategy: dict[str, Any], sdk: Path, bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    async def fail(route: Route) -> None:
        await route.fulfill(status=503, headers=RETRY)

    await load(visit, shop, source, apiHost=api(visit), **strategy)
    await visit.page.route(EVENTS, fail, times=1)
    await visit.do("analytics.track('Tried')")
    await bus.arrived(source.id, 1)
    await visit.until_sent(2)
    assert visit.statuses == [503, 200]
    first, second = visit.message_ids
    assert first == second
