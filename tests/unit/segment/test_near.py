"""Distances on earth, against another way to reckon them."""

from datetime import UTC, datetime
from decimal import Decimal
from math import acos, cos, radians, sin
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.segment.domain.conditions.base import Limits
from services.segment.domain.conditions.customer import Customer
from services.segment.domain.conditions.document import InvalidCondition, read
from services.segment.domain.conditions.kinds.near import EARTH_KM, Near

NOW = datetime(2026, 3, 1, tzinfo=UTC)
latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)


def near(place: tuple[Any, Any], other: tuple[Any, Any], km: float) -> bool | None:
    """Whether a customer at one place is near another."""
    customer = Customer(profile_id=UUID(int=1), traits={"latitude": place[0], "longitude": place[1]})
    return Near(latitude=other[0], longitude=other[1], km=km).compiled()(customer, NOW)


@given(latitudes, longitudes, latitudes, longitudes, st.floats(50, 19_000))
def test_near_is_what_the_law_of_cosines_says(
    latitude: float, longitude: float, other: float, along: float, km: float
) -> None:
    one, two = radians(latitude), radians(other)
    turn = sin(one) * sin(two) + cos(one) * cos(two) * cos(radians(longitude - along))
    apart = acos(max(-1.0, min(1.0, turn))) * EARTH_KM
    assume(abs(apart - km) > 1)  # that law is no good for short ways, and none at the edge

    assert near((latitude, longitude), (other, along), km) is (apart < km)


@pytest.mark.parametrize(
    ("place", "other", "km"),
    [
        ((52.52, 13.405), (53.551, 9.993), 255),  # Berlin, Hamburg
        ((31.23, 121.47), (39.904, 116.407), 1_068),  # Shanghai, Beijing
        ((0, 179.9), (0, -179.9), 22.3),  # over the date line
        ((89.9, 0), (89.9, 180), 22.3),  # over the pole
    ],
)
def test_known_distances_are_right_to_half_a_percent(
    place: tuple[float, float], other: tuple[float, float], km: float
) -> None:
    assert near(place, other, km * 1.005) is True
    assert near(place, other, km * 0.995) is False


@pytest.mark.parametrize("place", [(None, 13), ("52", 13), (52, True), (90.1, 13), (52, -181), (Decimal("1e400"), 1)])
def test_of_who_is_nowhere_on_earth_it_is_unknown(place: tuple[Any, Any]) -> None:
    assert near(place, (52.52, 13.405), 100) is None


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"latitude": 91, "longitude": 0, "km": 1}, "/latitude"),
        ({"latitude": 0, "longitude": 181, "km": 1}, "/longitude"),
        ({"latitude": 0, "longitude": 0, "km": 0}, "/km"),
        ({"latitude": 0, "longitude": 0, "km": 20_001}, "/km"),
        ({"latitude": "0", "longitude": 0, "km": 1}, "/latitude"),
    ],
)
def test_what_is_no_place_or_no_distance_is_refused_at_its_place(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidCondition) as refused:
        read({"kind": "near", **fields}, Limits())
    assert [one.pointer for one in refused.value.problems] == [pointer]
