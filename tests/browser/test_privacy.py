"""Whoever does not want to be watched is not: the browser snippet keeps and sends nothing then."""

from typing import Final

import pytest

from shared.contracts.events import PageViewed
from tests.browser.bus import Bus, tracked
from tests.browser.shop import Shop
from tests.browser.sources import Source
from tests.browser.visit import Visit, snippet

# Said in the page itself: Chromium does not know the second at all.
DO_NOT_TRACK: Final = 'Object.defineProperty(Navigator.prototype, "doNotTrack", {get: () => "1"})'
GLOBAL_PRIVACY_CONTROL: Final = 'Object.defineProperty(Navigator.prototype, "globalPrivacyControl", {get: () => true})'
NO_STORAGE: Final = 'Object.defineProperty(window, "localStorage", {get() { throw new DOMException("refused") }})'
FULL_STORAGE: Final = 'Storage.prototype.setItem = () => { throw new DOMException("full") }'


@pytest.mark.parametrize("signal", [DO_NOT_TRACK, GLOBAL_PRIVACY_CONTROL], ids=["DNT", "GPC"])
async def test_a_visitor_who_signals_it_is_not_tracked(
    signal: str, bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    await visit.context.add_init_script(signal)
    await visit.see(shop.show("/", snippet(visit, source)))
    await visit.do("rapport.consent(true); rapport.identify('ann'); rapport.track('Tried'); rapport.page()")
    await visit.hide()
    assert (visit.sent, await visit.stored()) == ([], {})
    assert list(await bus.arrived(source.id, 0)) == []


async def test_without_consent_nothing_is_kept_or_sent(bus: Bus, shop: Shop, source: Source, visit: Visit) -> None:
    await visit.see(shop.show("/", snippet(visit, source, consent="required")))
    await visit.do("rapport.identify('ann'); for (let n = 0; n < 30; n++) rapport.track('Tried')")
    await visit.hide()
    assert (visit.sent, await visit.stored()) == ([], {})
    assert list(await bus.arrived(source.id, 0)) == []


async def test_consent_is_remembered_and_lets_out_what_waited_in_this_page(
    bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    await visit.see(shop.show("/first", snippet(visit, source, consent="required")))
    await visit.do("rapport.track('Before')")
    await visit.hide()
    assert (visit.sent, await visit.stored()) == ([], {})
    await visit.do("rapport.consent(true)")
    await visit.until_sent(1)
    await visit.see(shop.show("/second", snippet(visit, source, consent="required")))
    events = await bus.arrived(source.id, 3)
    assert [event.body.path for event in events if isinstance(event.body, PageViewed)] == ["/first", "/second"]
    assert set(tracked(events)) == {"Before"}
    (visitor,) = {event.identities for event in events}
    assert await visit.stored() == {"rapport.consent": "yes", "rapport.anonymous": visitor[0].value}


async def test_consent_that_is_withdrawn_ends_it_and_deletes_what_was_kept(
    bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    page = shop.show("/", snippet(visit, source, consent="required"))
    await visit.see(page)
    await visit.do("rapport.consent(true); rapport.identify('ann')")
    await bus.arrived(source.id, 2)
    assert set(await visit.stored()) == {"rapport.consent", "rapport.anonymous", "rapport.user"}
    await visit.do("rapport.track('Waits'); rapport.consent(false); rapport.track('Tried')")
    await visit.hide()
    assert await visit.stored() == {"rapport.consent": "no"}
    await visit.see(page)
    await visit.do("rapport.track('Tried again')")
    await visit.hide()
    assert await visit.stored() == {"rapport.consent": "no"}
    await bus.arrived(source.id, 2)


async def test_a_visitor_may_refuse_where_nobody_asked(bus: Bus, shop: Shop, source: Source, visit: Visit) -> None:
    await visit.see(shop.show("/", "<script>window.rapport = [['consent', false]]</script>" + snippet(visit, source)))
    await visit.hide()
    assert (visit.sent, await visit.stored()) == ([], {"rapport.consent": "no"})
    assert list(await bus.arrived(source.id, 0)) == []


@pytest.mark.parametrize("trouble", [NO_STORAGE, FULL_STORAGE], ids=["refused", "full"])
async def test_a_visitor_whose_browser_stores_nothing_is_one_within_a_page(
    trouble: str, bus: Bus, shop: Shop, source: Source, visit: Visit
) -> None:
    await visit.context.add_init_script(trouble)
    await visit.see(shop.show("/", snippet(visit, source, consent="required")))
    await visit.do("rapport.consent(true); rapport.identify('ann'); rapport.track('Tried')")
    events = await bus.arrived(source.id, 3)
    assert len({event.identities[-1] for event in events}) == 1
    assert str(tracked(events)["Tried"].identities[0]) == "user_id:ann"
