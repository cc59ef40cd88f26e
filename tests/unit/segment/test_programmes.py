"""A customer's tier is a function of orders and a moment: held to a scan of every day, and to the instants it names."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.programmes.definition import (
    DEFAULT_PROGRAMME,
    AtAnniversary,
    AtOnce,
    CalendarPeriod,
    Downgrade,
    Grace,
    Lifetime,
    MembershipYear,
    Never,
    Programme,
    ProgrammeTier,
    Rolling,
    Window,
)
from services.segment.domain.programmes.rates import NO_RATES
from services.segment.domain.programmes.tier_standing import QualifyingOrder, TierOverride, TierStanding, tier
from services.segment.domain.programmes.windows import next_anniversary
from tests.support.events import NOON, days
from tests.support.examples import at_least

MICROSECOND = timedelta(microseconds=1)
BEGIN = datetime(2024, 2, 20, tzinfo=UTC)  # before a 29 February
SPAN = 1_200  # days after which nothing that is drawn here changes any more
TIERS = tuple(ProgrammeTier(name=name, at_least=amount) for name, amount in (("iron", 0), ("silver", 10), ("gold", 25)))

windows = st.one_of(
    st.sampled_from([1, 7, 30, 365]).map(lambda count: Rolling(days=count)),
    st.sampled_from([CalendarPeriod(unit="month"), CalendarPeriod(unit="quarter"), CalendarPeriod(unit="year")]),
    st.just(MembershipYear()),
    st.just(Lifetime()),
)
downgrades = st.one_of(
    st.just(AtOnce()),
    st.just(Never()),
    st.builds(Grace, days=st.sampled_from([1, 10, 90]), one_step=st.booleans()),
    st.builds(AtAnniversary, of=st.sampled_from(["membership", "calendar"]), one_step=st.booleans()),
)
programmes = st.builds(
    Programme,
    basis=st.sampled_from(["spend", "orders"]),
    window=windows,
    tiers=st.just(TIERS),
    downgrade=downgrades,
    warn_days=st.sampled_from([0, 5, 30]),
)
# Whole days, so that a scan by days misses nothing; negative amounts are refunds of more than was paid.
on_days = st.builds(
    QualifyingOrder,
    placed_at=st.integers(0, 400).map(lambda day: BEGIN + days(day)),
    net_minor=st.integers(-5, 30),
    currency=st.sampled_from(["USD", "USD", "USD", "EUR"]),
)
at_any_time = st.builds(
    QualifyingOrder,
    placed_at=st.integers(0, 400 * 86_400).map(lambda seconds: BEGIN + timedelta(seconds=seconds)),
    net_minor=st.integers(-5, 30),
    currency=st.just("USD"),
)


def overrides(whole_days: st.SearchStrategy[int]) -> st.SearchStrategy[TierOverride | None]:
    def made(name: str, mode: str, since: int, length: int | None) -> TierOverride:
        set_at = BEGIN + days(since)
        expires_at = None if length is None else set_at + days(length)
        return msgspec.convert({"tier": name, "mode": mode, "set_at": set_at, "expires_at": expires_at}, TierOverride)

    names = st.sampled_from(["iron", "silver", "gold", "gone"])
    modes = st.sampled_from(["at_least", "exactly"])
    return st.none() | st.builds(made, names, modes, whole_days, st.none() | st.integers(1, 200))


def what_is(here: TierStanding) -> TierStanding:
    return msgspec.structs.replace(here, due_at=None)


# The scan: the same programme, told as what happens day by day


class Scan:
    """A clerk who looks at one customer each midnight, with a memory, and applies the programme as written."""

    def __init__(self, programme: Programme, orders: Sequence[QualifyingOrder], override: TierOverride | None) -> None:
        self.programme, self.orders, self.override = programme, orders, override
        self.joined = min((one.placed_at.date() for one in orders), default=BEGIN.date())
        self.reached = [self._reached(BEGIN + days(day)) for day in range(SPAN)]
        self.ranks = self._kept()

    def figure(self, at: datetime) -> int:
        return sum(self._value(one) for one in self.orders if one.placed_at <= at and self._in_window(one, at))

    def tier_on(self, day: int) -> str:
        at, rank = BEGIN + days(day), self.ranks[day]
        given = self.override
        if given and given.tier != "gone" and given.set_at <= at and (not given.expires_at or at < given.expires_at):
            by_hand = [one.name for one in TIERS].index(given.tier)
            rank = by_hand if given.mode == "exactly" else max(rank, by_hand)
        return TIERS[rank].name

    def _value(self, one: QualifyingOrder) -> int:
        if self.programme.basis == "orders":
            return 1
        return one.net_minor if one.currency == "USD" else 0

    def _in_window(self, one: QualifyingOrder, at: datetime) -> bool:
        match self.programme.window:
            case Rolling(days=count):
                return at - one.placed_at < days(count)
            case CalendarPeriod(unit=unit):
                length = {"month": 1, "quarter": 3, "year": 12}[unit]
                return period(at, length) == period(one.placed_at, length)
            case MembershipYear():
                return self._year(at) == self._year(one.placed_at)
        return True

    def _year(self, at: datetime) -> int:
        """How many years of membership have ended."""
        return at.year - self.joined.year - ((at.month, at.day) < (self.joined.month, self.joined.day))

    def _reached(self, at: datetime) -> int:
        figure = self.figure(at)
        return sum(figure >= one.at_least for one in TIERS[1:])

    def _kept(self) -> list[int]:
        found: list[int] = []
        rank = waited = 0
        for day, now in enumerate(self.reached):
            match self.programme.downgrade:
                case AtOnce():
                    rank = now
                case Never():
                    rank = max(rank, now)
                case Grace(days=count, one_step=False):
                    rank = max(self.reached[max(0, day - count) : day + 1])
                case Grace(days=count):
                    waited = 0 if now >= rank else waited + 1
                    if waited > count:
                        rank, waited = rank - 1, 1
                        waited = waited if now < rank else 0
                    rank = max(rank, now)
                case AtAnniversary() as policy:
                    if self._is_review(BEGIN + days(day), policy) and day:
                        rank = max(self.reached[day - 1], rank - 1 if policy.one_step else 0)
                    rank = max(rank, now)
            found.append(rank)
        return found

    def _is_review(self, at: datetime, policy: AtAnniversary) -> bool:
        if policy.of == "calendar":
            return (at.month, at.day) == (1, 1)
        yesterday = at - days(1)
        return at.date() > self.joined and self._year(at) != self._year(yesterday)


def period(at: datetime, months: int) -> int:
    return (at.year * 12 + at.month - 1) // months


@given(programmes, st.lists(on_days, max_size=6), overrides(st.integers(0, 400)), st.integers(0, SPAN - 1))
@settings(max_examples=at_least(150), deadline=None)
def test_a_tier_is_what_a_daily_scan_makes_it(
    programme: Programme, orders: list[QualifyingOrder], override: TierOverride | None, day: int
) -> None:
    scan = Scan(programme, orders, override)
    for one in (day, *range(0, SPAN, 97)):
        here = tier(programme, orders, BEGIN + days(one), override=override)
        assert (here.tier, here.figure) == (scan.tier_on(one), scan.figure(BEGIN + days(one)))


@given(programmes, st.lists(on_days, max_size=5), overrides(st.integers(0, 400)))
@settings(max_examples=at_least(150), deadline=None)
def test_going_from_due_instant_to_due_instant_sees_every_change_that_a_scan_sees(
    programme: Programme, orders: list[QualifyingOrder], override: TierOverride | None
) -> None:
    scan = Scan(programme, orders, override)
    due, told = tier(programme, orders, BEGIN, override=override).due_at, {}
    while due is not None and due < BEGIN + days(SPAN):
        here = tier(programme, orders, due, override=override)
        told[due], due = here.tier, here.due_at
    current = scan.tier_on(0)
    for day in range(SPAN):
        current = told.get(BEGIN + days(day), current)
        assert current == scan.tier_on(day)


@given(
    programmes,
    st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Pacific/Apia"]),
    st.lists(at_any_time, max_size=6),
    overrides(st.integers(0, 400)),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=3),
)
@settings(max_examples=at_least(150), deadline=None)
def test_between_two_due_instants_nothing_changes_and_the_next_is_ahead(
    programme: Programme,
    zone: str,
    orders: list[QualifyingOrder],
    override: TierOverride | None,
    moments: list[float],
) -> None:
    there, now = msgspec.structs.replace(programme, zone=zone), BEGIN
    for _ in range(6):
        here = tier(there, orders, now, override=override)
        end = here.due_at or now + days(4_000)
        assert end > now
        for part in moments:
            between = min(now + (end - now) * part, end - MICROSECOND)
            assert what_is(tier(there, orders, between, override=override)) == what_is(here)
        now = end


@given(programmes, st.lists(at_any_time, max_size=5), st.integers(0, 900))
@settings(max_examples=at_least(100), deadline=None)
def test_a_downgrade_that_is_told_comes_at_its_instant_if_nothing_is_bought_and_was_warned_of(
    programme: Programme, orders: list[QualifyingOrder], day: int
) -> None:
    now = BEGIN + days(day)
    orders = [one for one in orders if one.placed_at <= now]
    here = tier(programme, orders, now)
    if here.downgrade_at is None:
        assert not here.warned
        return
    just_before = tier(programme, orders, here.downgrade_at - MICROSECOND)
    assert tier(programme, orders, here.downgrade_at).tier == here.downgrade_to
    assert just_before.warned == (programme.warn_days > 0)
    assert here.warned == (programme.warn_days > 0 and now >= here.downgrade_at - days(programme.warn_days))


@given(programmes, st.lists(at_any_time, max_size=6), st.data())
def test_the_order_of_orders_does_not_matter(
    programme: Programme, orders: list[QualifyingOrder], data: st.DataObject
) -> None:
    now = BEGIN + days(data.draw(st.integers(0, 900)))
    assert tier(programme, data.draw(st.permutations(orders)), now) == tier(programme, orders, now)


# By example


def bought(*orders: tuple[float, int]) -> list[QualifyingOrder]:
    return [QualifyingOrder(NOON + days(day), amount, "USD") for day, amount in orders]


def made(window: Window, downgrade: Downgrade = AtOnce(), **changes: object) -> Programme:  # noqa: B008
    return msgspec.structs.replace(Programme(window=window, tiers=TIERS, downgrade=downgrade), **changes)


def tier_after(programme: Programme, orders: Sequence[QualifyingOrder], length: timedelta) -> str:
    return tier(programme, orders, NOON + length).tier


def test_with_grace_a_tier_ends_exactly_so_many_days_after_it_was_last_reached() -> None:
    kept = made(Rolling(days=30), Grace(days=10))

    assert tier_after(kept, bought((0, 30)), days(40) - MICROSECOND) == "gold"
    assert tier_after(kept, bought((0, 30)), days(40)) == "iron"


def test_by_steps_a_tier_falls_to_the_next_and_then_to_the_one_below() -> None:
    kept = made(Rolling(days=30), Grace(days=10, one_step=True))

    assert [tier_after(kept, bought((0, 30)), days(day)) for day in (39, 40, 49, 50)] == [
        *("gold", "silver", "silver", "iron"),
    ]


def test_whoever_reaches_a_tier_again_within_grace_keeps_it_for_the_whole_of_the_next() -> None:
    kept = made(Rolling(days=30), Grace(days=10))

    assert tier_after(kept, bought((0, 30), (35, 30)), days(74)) == "gold"
    assert tier_after(kept, bought((0, 30), (35, 30)), days(75)) == "iron"


def test_a_tier_that_was_reached_once_is_never_taken_where_the_programme_says_so() -> None:
    assert tier_after(made(Rolling(days=30), Never()), bought((0, 30)), days(30_000)) == "gold"


def test_the_tier_of_a_year_of_membership_is_kept_through_the_next_year() -> None:
    kept = made(MembershipYear(), AtAnniversary())
    first_year_ends = datetime(2027, 3, 1, tzinfo=UTC) - NOON

    assert tier_after(kept, bought((0, 5), (200, 25)), first_year_ends) == "gold"
    assert tier_after(kept, bought((0, 5), (200, 25)), first_year_ends + days(365)) == "gold"
    assert tier_after(kept, bought((0, 5), (200, 25)), first_year_ends + days(366)) == "iron"


def test_a_year_from_29_february_ends_with_28_february() -> None:
    joined = date(2024, 2, 29)
    ends = [next_anniversary("UTC", joined, datetime(year, 2, 28, 23, tzinfo=UTC)) for year in (2025, 2027, 2028)]

    assert ends == [
        datetime(2025, 3, 1, tzinfo=UTC),
        datetime(2027, 3, 1, tzinfo=UTC),
        datetime(2028, 2, 29, tzinfo=UTC),
    ]


def test_a_month_begins_at_midnight_of_the_programmes_zone() -> None:
    month = made(CalendarPeriod(unit="month"), zone="Asia/Shanghai")
    orders = [QualifyingOrder(datetime(2026, 3, 20, tzinfo=UTC), 30, "USD")]
    midnight = datetime(2026, 3, 31, 16, tzinfo=UTC)

    assert tier(month, orders, midnight - MICROSECOND).tier == "gold"
    assert tier(month, orders, midnight).tier == "iron"


class Double:
    """One euro is two dollars, except on the first day."""

    def convert(self, amount_minor: int, from_currency: str, to_currency: str, day: date) -> int | None:
        return amount_minor * 2 if (from_currency, to_currency) == ("EUR", "USD") and day > NOON.date() else None


def test_an_amount_in_another_currency_counts_at_the_rate_of_its_day_or_is_said_not_to_count() -> None:
    orders = [QualifyingOrder(NOON + days(1), 6, "EUR"), QualifyingOrder(NOON, 5_00, "EUR")]
    programme = made(Rolling(days=30))

    found = tier(programme, orders, NOON + days(2), rates=Double())
    assert (found.tier, found.figure) == ("silver", 12)
    assert found.reason == "12 minor units of USD in 30 days; not counted: 500 of EUR"
    assert tier(programme, orders, NOON + days(2), rates=NO_RATES).figure == 0


def test_by_margin_an_order_of_unknown_costs_is_said_not_to_count() -> None:
    orders = [QualifyingOrder(NOON, 900, "USD"), QualifyingOrder(NOON, 900, "USD", 11)]

    found = tier(made(Lifetime(), basis="margin"), orders, NOON)
    assert (found.tier, found.figure) == ("silver", 11)
    assert found.reason == "11 minor units of USD of margin ever; not counted: 1 orders of unknown costs"


def test_a_tier_that_is_set_by_hand_ends_when_it_expires_and_a_higher_one_counts() -> None:
    by_hand = TierOverride(tier="silver", set_at=NOON, expires_at=NOON + days(5))
    programme = made(Rolling(days=3))

    def on(day: float, orders: Sequence[QualifyingOrder] = ()) -> TierStanding:
        return tier(programme, orders, NOON + days(day), override=by_hand)

    assert (on(0).tier, on(0).by_hand, on(0).due_at) == ("silver", True, NOON + days(5))
    assert on(0).reason == "0 minor units of USD in 3 days; set by hand"
    assert (on(5).tier, on(5).by_hand, on(5).due_at) == ("iron", False, None)
    assert (on(1, bought((1, 30))).tier, on(4, bought((1, 30))).tier) == ("gold", "silver")


@pytest.mark.parametrize("placed_at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
@pytest.mark.parametrize(
    "window", [Rolling(days=365), CalendarPeriod(unit="year"), MembershipYear(), Lifetime()], ids=str
)
@pytest.mark.parametrize("downgrade", [AtOnce(), Grace(days=5, one_step=True), AtAnniversary()], ids=str)
def test_an_order_of_the_calendars_end_holds_nobody_up(
    placed_at: datetime, window: Window, downgrade: Downgrade
) -> None:
    found = tier(made(window, downgrade, zone="Asia/Shanghai"), [QualifyingOrder(placed_at, 30, "USD")], NOON)
    assert found.tier in {"iron", "gold"}


def test_who_never_bought_has_the_lowest_tier_and_waits_for_nothing() -> None:
    assert tier(DEFAULT_PROGRAMME, [], NOON) == TierStanding(
        tier="bronze", figure=0, reason="0 minor units of USD in 365 days"
    )
