"""What a broadcast is due when, how much of it is made ready, and when it stops by itself."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.domain.broadcast import Broadcast, LocalMoment, Tally, breaks, problems, room
from services.campaign.domain.journey.nodes.node import Known
from shared.calendars.zones import zone_names

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
KNOWN: Final = Known(
    templates={"hello": frozenset({"en", "zh"})}, channels=frozenset({"email"}), languages=frozenset({"en", "zh"})
)


def broadcast(**more: Any) -> Broadcast:
    fields = {"id": "sale", "name": {"en": "Sale", "zh": "特卖"}, "segment": "tea", "template": "hello"}
    return msgspec.convert(fields | more, Broadcast)


@given(st.sampled_from(sorted(zone_names())), st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.times())
def test_a_local_time_is_nowhere_due_before_the_broadcast_starts(zone: str, day: date, clock: Any) -> None:
    moment = LocalMoment(date=day, time=f"{clock:%H:%M}")
    assert moment.first() <= moment.instant(zone)


@given(st.integers(1, 100_000), st.integers(0, 4_000), st.integers(0, 600))
def test_no_minute_makes_more_ready_than_it_may(per_minute: int, waiting: int, seconds: int) -> None:
    passed = timedelta(seconds=seconds)
    free = room(broadcast(per_minute=per_minute), waiting, page=2_000, since_last=passed)
    assert free <= per_minute
    assert free <= per_minute * (seconds / 60)
    assert free == 0 or waiting < 2_000


def test_the_breaker_stops_a_list_with_many_addresses_that_take_nothing() -> None:
    assert breaks(Tally(sent=80, failed=19, bad_addresses=19)) is None  # too few to judge
    assert breaks(Tally(sent=900, failed=100, bad_addresses=100)) is None
    assert breaks(Tally(sent=800, failed=200, bad_addresses=120)) is not None
    assert breaks(Tally(sent=800, failed=200, bad_addresses=20)) is None


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({"channel": "fax"}, "/channel"),
        ({"template": "helo"}, "/template"),
        ({"at": "2026-03-01T11:00:00Z"}, "/at"),
        ({"at": "2026-03-02T11:00:00"}, "/at"),
        ({"local": {"date": "2026-03-01", "time": "13:00"}}, "/local"),
        ({"local": {"date": "2026-03-09", "time": "1pm"}}, "/local/time"),
        ({"at": "2026-03-02T11:00:00Z", "local": {"date": "2026-03-09", "time": "13:00"}}, "/local"),
        ({"max_age": "86400"}, "/max_age"),
    ],
)
def test_what_is_wrong_with_a_broadcast_is_told_with_its_place(more: Any, at: str) -> None:
    assert [one.at for one in problems(broadcast(**more), KNOWN, NOON) if not one.warning] == [at]
