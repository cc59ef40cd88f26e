"""Where a customer is: within a distance of a place on earth."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from math import cos, pi, radians, sin
from typing import Any, Final

from services.segment.domain.conditions.base import Check, Condition, Limits, Problem
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.query import Query
from shared.contracts.property_filter import is_bound, is_number

EARTH_KM: Final = 6371.0088  # the mean radius, IUGG 1980
MOST_KM: Final = 20_000
LATITUDE: Final = "latitude"
LONGITUDE: Final = "longitude"


class Near(Condition, frozen=True, kw_only=True, tag="near", tag_field="kind"):
    """The customer's traits `latitude` and `longitude` are a place at most `km` kilometres away from this one.

    Degrees (WGS 84); the way is that of a great circle on a sphere with the earth's mean radius, which is right to half
    a percent. Unknown of a customer without both, as numbers that are on earth.
    """

    latitude: int | float
    longitude: int | float
    km: int | float

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        latitude, longitude, bound = float(self.latitude), float(self.longitude), _bound(self.km)
        here = cos(radians(latitude))

        def check(customer: Customer, _: datetime) -> Truth:
            there, along = _degrees(customer, LATITUDE, 90), _degrees(customer, LONGITUDE, 180)
            if there is None or along is None:
                return None
            apart = sin(radians(there - latitude) / 2) ** 2
            return apart + here * cos(radians(there)) * sin(radians(along - longitude) / 2) ** 2 <= bound

        return check

    def sql(self, query: Query) -> str:
        """Returns the expression over `p.traits`."""
        latitude, longitude, here = (
            query.value(one, "double precision")
            for one in (float(self.latitude), float(self.longitude), cos(radians(float(self.latitude))))
        )
        traits = [f"(p.traits -> {query.value(name, 'text')})" for name in (LATITUDE, LONGITUDE)]
        numbers = [f"CAST({trait} #>> '{{}}' AS numeric)" for trait in traits]
        there, along = (f"CAST({number} AS double precision)" for number in numbers)
        # Each guard in a CASE of its own: PostgreSQL may ask the parts of an AND in any order.
        return f"""
            (CASE WHEN jsonb_typeof({traits[0]}) = 'number' AND jsonb_typeof({traits[1]}) = 'number' THEN
              CASE WHEN {numbers[0]} BETWEEN -90 AND 90 AND {numbers[1]} BETWEEN -180 AND 180 THEN
                power(sin(radians({there} - {latitude}) / 2), 2)
                + {here} * cos(radians({there})) * power(sin(radians({along} - {longitude}) / 2), 2)
                <= {query.value(_bound(self.km), "double precision")}
              END
            END)"""

    def touches(self) -> Iterable[str]:
        """Returns both traits."""
        return (f"trait:{LATITUDE}", f"trait:{LONGITUDE}")

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the place and the distance."""
        for name, value, most in (("latitude", self.latitude, 90), ("longitude", self.longitude, 180)):
            if not is_bound(value) or not -most <= value <= most:
                yield Problem(f"/{name}", f"must be degrees from -{most} to {most}")
        if not is_bound(self.km) or not 0 < self.km <= MOST_KM:
            yield Problem("/km", f"must be more than 0 and at most {MOST_KM} kilometres")


def _bound(km: float) -> float:
    """Returns the haversine of a distance: half a turn is all there is."""
    return sin(min(km / EARTH_KM, pi) / 2) ** 2


def _degrees(customer: Customer, name: str, most: int) -> float | None:
    value: Any = customer.traits.get(name)
    return float(value) if is_number(value) and -most <= value <= most else None
