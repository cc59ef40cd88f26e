"""The breaker and the limiter: what lets events through, and what holds them back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.ingest.domain.request.breaker import PROBE_EVERY, Breaker, Route
from services.ingest.domain.request.rate import (
    BURST_SECONDS,
    AddressLimiter,
    Limiter,
    client_of,
    is_of_an_unnamed_proxy,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class BreakerMachine(RuleBasedStateMachine):
    """Requests come and end in any order, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = NOON
        self.under_way: list[Route] = []
        self.opened_at: datetime | None = None

    @rule(seconds=st.floats(0, 5))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def a_request_comes(self) -> None:
        route = self.breaker.route(self.now)
        assert (route is Route.BROKER) == (self.opened_at is None)
        if route is not Route.SPOOL:
            self.under_way.append(route)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), fails=st.booleans())
    def one_ends(self, data: st.DataObject, fails: bool) -> None:
        route = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if fails:
            self.breaker.failed(route, self.now)
            self.opened_at = self.opened_at or self.now
        else:
            self.breaker.succeeded(route)
            if route is Route.PROBE:
                self.opened_at = None

    @invariant()
    def there_is_one_probe_at_most(self) -> None:
        assert self.under_way.count(Route.PROBE) == self.breaker.probing

    @invariant()
    def it_knows_since_when_it_is_open(self) -> None:
        assert self.breaker.open_since == self.opened_at


TestBreaker = BreakerMachine.TestCase


def test_the_first_failure_opens_it_and_a_probe_that_succeeds_closes_it() -> None:
    breaker = Breaker()
    assert breaker.route(NOON) is Route.BROKER
    breaker.failed(Route.BROKER, NOON)
    assert breaker.route(NOON) is Route.SPOOL
    later = NOON + PROBE_EVERY
    assert [breaker.route(later) for _ in range(2)] == [Route.PROBE, Route.SPOOL]
    breaker.failed(Route.PROBE, later)
    assert breaker.route(later) is Route.SPOOL
    assert breaker.route(later + PROBE_EVERY) is Route.PROBE
    breaker.succeeded(Route.PROBE)
    assert breaker.route(later + PROBE_EVERY) is Route.BROKER


ARRIVALS = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 40)), max_size=60)


@given(per_second=st.integers(1, 50), arrivals=ARRIVALS)
def test_never_is_more_let_in_than_the_rate_and_a_burst(per_second: int, arrivals: list[tuple[float, int]]) -> None:
    limiter, now, admitted = Limiter(per_second), NOON, 0
    largest = 0
    for pause, events in arrivals:
        now += timedelta(seconds=pause)
        if limiter.admit(events, now) is None:
            admitted += events
            largest = max(largest, events)
    burst = max(per_second * BURST_SECONDS, largest)
    assert admitted <= (now - NOON).total_seconds() * per_second + burst + largest


@given(per_second=st.integers(1, 50), arrivals=ARRIVALS)
def test_who_waits_as_long_as_it_is_told_is_let_in(per_second: int, arrivals: list[tuple[float, int]]) -> None:
    limiter, now = Limiter(per_second), NOON
    for pause, events in arrivals:
        now += timedelta(seconds=pause)
        wait = limiter.admit(events, now)
        if wait is not None:
            assert wait > timedelta(0)
            now += wait
            assert limiter.admit(events, now) is None


@given(per_second=st.integers(1, 100), seconds=st.integers(1, 30))
def test_a_sender_that_keeps_to_its_rate_is_never_held_back(per_second: int, seconds: int) -> None:
    limiter = Limiter(per_second)
    for second in range(seconds):
        assert limiter.admit(per_second, NOON + timedelta(seconds=second)) is None


def test_each_address_has_a_limit_of_its_own_and_a_burst_of_ten_seconds() -> None:
    limits = AddressLimiter(10)
    assert limits.admit("198.51.100.1", 100, NOON) is None
    assert limits.admit("198.51.100.1", 1, NOON) == timedelta(seconds=0.1)
    assert limits.admit("198.51.100.2", 100, NOON) is None
    assert limits.admit("198.51.100.1", 1, NOON + timedelta(seconds=0.1)) is None


def test_one_network_of_ipv6_is_one_client_and_a_mapped_address_is_that_of_ipv4() -> None:
    assert client_of("2001:db8:1:2::7") == client_of("2001:db8:1:2:ffff::1") != client_of("2001:db8:1:3::7")
    assert client_of("::ffff:198.51.100.1") == client_of("198.51.100.1") == "198.51.100.1"
    assert [client_of(text) for text in ("", "testclient", "1.2.3", "fe80::1%eth0")][:3] == ["", "testclient", "1.2.3"]


@given(st.lists(st.integers(0, 30), max_size=60))
def test_only_so_many_addresses_are_remembered_and_the_one_longest_unseen_goes(seen: list[int]) -> None:
    limits = AddressLimiter(1, max_addresses=8)
    for number in seen:
        limits.admit(f"198.51.100.{number}", 1, NOON)
        assert len(limits) <= 8
    latest = list(dict.fromkeys(reversed(seen)))[:8]
    assert len(limits) == len(latest)
    for number in latest:
        assert limits.admit(f"198.51.100.{number}", 10, NOON) is not None  # remembered: it has sent one of its ten


@pytest.mark.parametrize(
    ("address", "forwarded_for", "unnamed"),
    [
        ("10.0.0.7", "93.184.216.34", True),
        ("127.0.0.1", "93.184.216.34", True),
        ("fd00::1", "93.184.216.34", True),
        ("10.0.0.7", "", False),
        ("93.184.216.34", "93.184.216.34", False),
        ("10.0.0.9", "10.0.0.9, 10.0.0.1", False),
        ("93.184.216.34", "1.1.1.1", False),
        ("testclient", "1.1.1.1", False),
    ],
)
def test_a_proxy_that_nobody_named_has_a_private_address_and_speaks_for_another(
    address: str, forwarded_for: str, unnamed: bool
) -> None:
    assert is_of_an_unnamed_proxy(address, forwarded_for) is unnamed
