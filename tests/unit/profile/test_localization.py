"""A customer's time zone and language: whose word counts, and that it does not matter in which order they came."""

from functools import reduce
from typing import Any

from hypothesis import given

from services.profile.domain.fold import EMPTY, fold, merge
from services.profile.domain.localization import Language, language, time_zone
from services.profile.domain.localization import merge as merge_words
from shared.contracts.changes import TimeZone
from shared.contracts.context import Agent, Context, Geo
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import CustomerIdentified, MessageOpened, PageViewed, TraitSet
from tests.support.events import NOON, days, event, user
from tests.unit.contracts.strategies import believed_or_claimed, sets_of

COMPANY = "Asia/Shanghai"
TOKYO, BERLIN, NEW_YORK = "Asia/Tokyo", "Europe/Berlin", "America/New_York"


def zone(*events: Event) -> TimeZone:
    """The zone after these events, in either order."""
    found, backwards = (time_zone(fold(some).locale, company=COMPANY) for some in (events, reversed(events)))
    assert found == backwards
    return found


def identified(at_day: float = 0, kind: SourceKind = SourceKind.SERVER, **traits: Any) -> Event:
    return event(CustomerIdentified(traits=traits), user(1), at=NOON + days(at_day), source_kind=kind)


def computed(at_day: float = 0, **traits: Any) -> Event:
    return event(TraitSet(traits=traits), at=NOON + days(at_day), source_kind=SourceKind.SERVICE)


def seen(at_day: float = 0, kind: SourceKind = SourceKind.PUBLIC, **context: Any) -> Event:
    return event(PageViewed(), user(1), at=NOON + days(at_day), source_kind=kind, context=Context(**context))


def test_the_customers_word_counts_then_a_trait_the_newest_context_a_country_the_company() -> None:
    by_country, by_context = seen(geo=Geo(country="DE")), seen(1, timezone=NEW_YORK)
    by_trait, by_customer = computed(2, timezone="Asia/Seoul"), identified(timezone=TOKYO)
    assert zone() == TimeZone(name=COMPANY, by="company")
    assert zone(by_country) == TimeZone(name=BERLIN, by="country")
    assert zone(by_country, by_context) == TimeZone(name=NEW_YORK, by="context")
    assert zone(by_country, by_context, by_trait) == TimeZone(name="Asia/Seoul", by="trait")
    assert zone(by_country, by_context, by_trait, by_customer) == TimeZone(name=TOKYO, by="customer")


def test_what_is_no_zone_overrides_nothing() -> None:
    assert zone(identified(timezone=TOKYO), identified(1, time_zone="Beijing"), identified(2, tz=540)).name == TOKYO
    assert zone(seen(timezone=TOKYO), seen(1, timezone="GMT+9")).name == TOKYO


def test_the_newest_context_counts_whoever_sent_it() -> None:
    server = seen(0, SourceKind.SERVER, timezone=BERLIN)
    assert zone(server, seen(1, timezone=NEW_YORK)) == TimeZone(name=NEW_YORK, by="context")


def test_a_browsers_identify_overrides_no_servers() -> None:
    assert zone(identified(timezone=TOKYO), identified(1, SourceKind.PUBLIC, timezone=BERLIN)).name == TOKYO


def test_a_country_of_several_zones_says_none_and_the_first_country_decides() -> None:
    assert zone(identified(country="US")).by == "company"
    assert zone(identified(country="US"), seen(geo=Geo(country="DE"))).by == "company"
    assert zone(identified(address={"country": "jp"})) == TimeZone(name=TOKYO, by="country")


def test_where_programs_and_mail_programs_are_says_nothing_of_a_customer() -> None:
    bot = Agent(bot=True)
    assert zone(seen(timezone=BERLIN, agent=bot)).by == "company"
    assert zone(seen(0, SourceKind.SERVER, geo=Geo(country="DE"), agent=bot)).by == "company"
    assert zone(seen(0, SourceKind.SERVER, timezone=BERLIN, agent=bot)).by == "context"
    opened = event(MessageOpened(message_id="m"), user(1), context=Context(timezone=BERLIN, geo=Geo(country="DE")))
    assert zone(opened).by == "company"


def test_a_language_goes_the_same_way_and_is_unknown_where_nobody_says_one() -> None:
    assert language({}) is None
    words = fold([seen(locale="de_DE"), seen(1, locale="?")]).locale
    assert language(words) == Language("de-DE", "context")
    words = fold([seen(1, locale="de-DE"), computed(language="en"), identified(locale="zh-hans-cn")]).locale
    assert language(words) == Language("zh-Hans-CN", "customer")


@given(sets_of(believed_or_claimed()), sets_of(believed_or_claimed()), sets_of(believed_or_claimed()))
def test_words_merge_in_any_order_and_any_number_of_times(a: list[Event], b: list[Event], c: list[Event]) -> None:
    one, other, third = (reduce(merge, (fold([each]) for each in some), EMPTY).locale for some in (a, b, c))
    assert merge_words(one, other) == merge_words(other, one)
    assert merge_words(merge_words(one, other), third) == merge_words(one, merge_words(other, third))
    assert merge_words(one, one) == merge_words(one, {}) == merge_words({}, one) == one
