"""The Chinese calendar's months by astronomy: shared/calendars/lunar_years.py is held to them.

`python -m tests.support.lunar_months` prints that table. Sources: new moons by J. Meeus, Astronomical Algorithms (2nd
edition), chapter 49; the sun's longitude by the greatest terms of VSOP87 (Bretagnon and Francou 1988) with Meeus'
nutation and aberration of chapters 22 and 25; the difference of dynamical and universal time by F. Espenak's and Meeus'
polynomials; the months by the rules of GB/T 33661-2017. New moons are right to half a minute, solar terms to two.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import cos, floor, pi, radians, sin
from typing import Final, NamedTuple

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2101  # the anniversaries after a day of 2100 are in 2101

_J2000: Final = datetime(2000, 1, 1, 12, tzinfo=UTC)
_JD2000: Final = 2_451_545.0
# Beijing's own meridian until 1928, and 120° east since: by this the months of 1914, 1916 and 1920 are as published.
_MEAN_TIME_OF_BEIJING: Final = timedelta(hours=7, minutes=45, seconds=40)
_STANDARD_TIME: Final = timedelta(hours=8)
_STANDARD_SINCE: Final = datetime(1929, 1, 1, tzinfo=UTC)
# What the court's older tables said, and almanacs still do: the new moon was eight minutes before midnight.
_PUBLISHED: Final = {date(1906, 4, 23).toordinal(): date(1906, 4, 24).toordinal()}

# Meeus, chapter 49: day fractions, the power of E, and multiples of M, M', F.
_NEW_MOON: Final = (
    (-0.40720, 0, 0, 1, 0),
    (0.17241, 1, 1, 0, 0),
    (0.01608, 0, 0, 2, 0),
    (0.01039, 0, 0, 0, 2),
    (0.00739, 1, -1, 1, 0),
    (-0.00514, 1, 1, 1, 0),
    (0.00208, 2, 2, 0, 0),
    (-0.00111, 0, 0, 1, -2),
    (-0.00057, 0, 0, 1, 2),
    (0.00056, 1, 1, 2, 0),
    (-0.00042, 0, 0, 3, 0),
    (0.00042, 1, 1, 0, 2),
    (0.00038, 1, 1, 0, -2),
    (-0.00024, 1, -1, 2, 0),
    (-0.00007, 0, 2, 1, 0),
    (0.00004, 0, 0, 2, -2),
    (0.00004, 0, 3, 0, 0),
    (0.00003, 0, 1, 1, -2),
    (0.00003, 0, 0, 2, 2),
    (-0.00003, 0, 1, 1, 2),
    (0.00003, 0, -1, 1, 2),
    (-0.00002, 0, -1, 1, -2),
    (-0.00002, 0, 1, 3, 0),
    (0.00002, 0, 0, 4, 0),
)
# Meeus, chapter 49: arguments of the planets, in degrees and degrees a month, and day fractions.
_PLANETS: Final = (
    (299.77, 0.107408, 0.000325),
    (251.88, 0.016321, 0.000165),
    (251.83, 26.651886, 0.000164),
    (349.42, 36.412478, 0.000126),
    (84.66, 18.206239, 0.000110),
    (141.74, 53.303771, 0.000062),
    (207.14, 2.453732, 0.000060),
    (154.84, 7.306860, 0.000056),
    (34.52, 27.261239, 0.000047),
    (207.19, 0.121824, 0.000042),
    (291.34, 1.844379, 0.000040),
    (161.72, 24.198154, 0.000037),
    (239.56, 25.513099, 0.000035),
    (331.55, 3.592518, 0.000023),
)
# VSOP87D, the earth's longitude: amplitude in 1e-8 radians, phase, frequency a thousand years; by powers of time.
_EARTH: Final = (
    (
        (175347046, 0.0, 0.0),
        (3341656, 4.6692568, 6283.0758500),
        (34894, 4.62610, 12566.15170),
        (3497, 2.7441, 5753.3849),
        (3418, 2.8289, 3.5231),
        (3136, 3.6277, 77713.7715),
        (2676, 4.4181, 7860.4194),
        (2343, 6.1352, 3930.2097),
        (1324, 0.7425, 11506.7698),
        (1273, 2.0371, 529.6910),
        (1199, 1.1096, 1577.3435),
        (990, 5.233, 5884.927),
        (902, 2.045, 26.298),
        (857, 3.508, 398.149),
        (780, 1.179, 5223.694),
        (753, 2.533, 5507.553),
        (505, 4.583, 18849.228),
        (492, 4.205, 775.523),
        (357, 2.920, 0.067),
        (317, 5.849, 11790.629),
        (284, 1.899, 796.298),
        (271, 0.315, 10977.079),
        (243, 0.345, 5486.778),
        (206, 4.806, 2544.314),
        (205, 1.869, 5573.143),
        (202, 2.458, 6069.777),
        (156, 0.833, 213.299),
        (132, 3.411, 2942.463),
        (126, 1.083, 20.775),
    ),
    (
        (628331966747, 0.0, 0.0),
        (206059, 2.678235, 6283.075850),
        (4303, 2.6351, 12566.1517),
        (425, 1.590, 3.523),
        (119, 5.796, 26.298),
        (109, 2.966, 1577.344),
    ),
    ((52919, 0.0, 0.0), (8720, 1.0721, 6283.0758), (309, 0.867, 12566.152)),
)


class Month(NamedTuple):
    """A month of the Chinese calendar: its lunar year, number, whether it is the leap month, first day and length."""

    year: int
    number: int
    leap: bool
    first: int  # the day's ordinal
    days: int


def new_moon(k: int) -> datetime:
    """Returns the instant of the k-th new moon after the first one of 2000."""
    t = k / 1236.85
    e = 1 - 0.002516 * t - 0.0000074 * t**2
    sun = radians(2.5534 + 29.10535670 * k - 0.0000014 * t**2 - 0.00000011 * t**3)
    moon = radians(201.5643 + 385.81693528 * k + 0.0107582 * t**2 + 0.00001238 * t**3 - 0.000000058 * t**4)
    latitude = radians(160.7108 + 390.67050284 * k - 0.0016118 * t**2 - 0.00000227 * t**3 + 0.000000011 * t**4)
    node = radians(124.7746 - 1.56375588 * k + 0.0020672 * t**2 + 0.00000215 * t**3)
    day = 2451550.09766 + 29.530588861 * k + 0.00015437 * t**2 - 0.000000150 * t**3 + 0.00000000073 * t**4
    day += sum(size * e**power * sin(a * sun + b * moon + c * latitude) for size, power, a, b, c in _NEW_MOON)
    day -= 0.00017 * sin(node)
    day += sum(
        size * sin(radians(at + rate * k - (0.009173 * t**2 if n == 0 else 0)))
        for n, (at, rate, size) in enumerate(_PLANETS)
    )
    return _universal(day)


def solar_longitude(day: float) -> float:
    """Returns the sun's apparent longitude in degrees at a Julian day of dynamical time."""
    thousands = (day - _JD2000) / 365_250
    earth = sum(
        thousands**power * sum(size * cos(phase + rate * thousands) for size, phase, rate in terms)
        for power, terms in enumerate(_EARTH)
    )
    t = thousands * 10
    node, mean_sun, mean_moon = (
        radians(at + rate * t)
        for at, rate in ((125.04452, -1934.136261), (280.4665, 36000.7698), (218.3165, 481267.8813))
    )
    nutation = -17.20 * sin(node) - 1.32 * sin(2 * mean_sun) - 0.23 * sin(2 * mean_moon) + 0.21 * sin(2 * node)
    distance = 1.0001026 - 0.0167086 * cos(radians(357.52911 + 35999.05029 * t))
    return (earth * 1e-8 * 180 / pi + 180 + (nutation - 0.09033 - 20.4898 / distance) / 3600) % 360


def solar_term(longitude: int, near: float) -> datetime:
    """Returns the instant at which the sun reaches a longitude, next to a Julian day."""
    day = near
    for _ in range(8):
        day += ((longitude - solar_longitude(day) + 180) % 360 - 180) * 365.2422 / 360
    return _universal(day)


def months() -> Iterator[Month]:
    """Yields the months of the lunar years from 1900 to 2101, in order."""
    first = floor((FIRST_YEAR - 2000) * 12.3685) - 3
    computed = [_ordinal(new_moon(k)) for k in range(first, first + 2_530)]
    moons = [_PUBLISHED.get(day, day) for day in computed]
    for year in range(FIRST_YEAR, LAST_YEAR + 2):
        yield from (month for month in _from_solstice(year, moons) if FIRST_YEAR <= month.year <= LAST_YEAR)


def qingming(year: int) -> int:
    """Returns the day of April on which the sun reaches 15 degrees in a year."""
    return date.fromordinal(_ordinal(solar_term(15, _near(year, 15)))).day


def encoded(year: int, of_year: list[Month]) -> int:
    """Returns a year's number of the table: see lunar_years.py."""
    leap = next((month.number for month in of_year if month.leap), 0)
    lengths = sum((month.days == 30) << n for n, month in enumerate(of_year))
    return qingming(year) << 17 | leap << 13 | lengths


def table() -> list[int]:
    """Returns the whole table, from 1900 on."""
    by_year: dict[int, list[Month]] = {}
    for month in months():
        by_year.setdefault(month.year, []).append(month)
    return [encoded(year, by_year[year]) for year in sorted(by_year)]


def _from_solstice(year: int, moons: list[int]) -> Iterator[Month]:
    """Yields the months from the eleventh of the year before, that of the winter solstice, to the tenth of `year`."""
    start, end = (_month_of(_solstice(which), moons) for which in (year - 1, year))
    span = list(pairwise(moons[start : end + 1]))
    terms = {_ordinal(solar_term(30 * n % 360, _near(year, 30 * n - 360))) for n in range(8, 23)}
    without = [n for n, (a, b) in enumerate(span) if not any(a <= term < b for term in terms)]
    leap = without[0] if len(span) == 13 else None  # of several months without a term the first is the leap month
    number = 10
    for n, (a, b) in enumerate(span):
        number += n != leap
        in_old_year = number <= 12
        yield Month(year - in_old_year, number if in_old_year else number - 12, n == leap, a, b - a)


def _solstice(year: int) -> int:
    return _ordinal(solar_term(270, _near(year, 270)))


def _near(year: int, longitude: float) -> float:
    """Returns a Julian day within some days of the sun's longitude in a year, counted from its March equinox on."""
    return _JD2000 + 79 + (year - 2000) * 365.2422 + longitude * 365.2422 / 360


def _month_of(day: int, moons: list[int]) -> int:
    return max(n for n, moon in enumerate(moons) if moon <= day)


def _ordinal(instant: datetime) -> int:
    return (instant + (_STANDARD_TIME if instant >= _STANDARD_SINCE else _MEAN_TIME_OF_BEIJING)).toordinal()


def _universal(day: float) -> datetime:
    """Returns the instant of a Julian day of dynamical time."""
    dynamical = _J2000 + timedelta(days=day - _JD2000)
    return dynamical - timedelta(seconds=_delta_t(dynamical.year + dynamical.month / 12))


def _delta_t(year: float) -> float:
    """Returns dynamical less universal time, in seconds.

    Since 2005 as measured; of years to come, the polynomials' extrapolation less the 6 s by which it was too much in
    2026.
    """
    if year < 1920:
        t = year - 1900
        return -2.79 + 1.494119 * t - 0.0598939 * t**2 + 0.0061966 * t**3 - 0.000197 * t**4
    if year < 1941:
        t = year - 1920
        return 21.20 + 0.84493 * t - 0.076100 * t**2 + 0.0020936 * t**3
    if year < 1961:
        t = year - 1950
        return 29.07 + 0.407 * t - t**2 / 233 + t**3 / 2547
    if year < 1986:
        t = year - 1975
        return 45.45 + 1.067 * t - t**2 / 260 - t**3 / 718
    if year < 2005:
        t = year - 2000
        return 63.86 + 0.3345 * t - 0.060374 * t**2 + 0.0017275 * t**3 + 0.000651814 * t**4 + 0.00002373599 * t**5
    if year < 2026:
        return 64.7 + (69.1 - 64.7) * (year - 2005) / 21
    if year < 2050:
        t = year - 2000
        return 62.92 + 0.32217 * t + 0.005589 * t**2 - 6
    return -20 + 32 * ((year - 1820) / 100) ** 2 - 0.5628 * (2150 - year) - 6


if __name__ == "__main__":
    numbers = [f"0x{number:06X}" for number in table()]
    for at in range(0, len(numbers), 10):
        print(f"    *({', '.join(numbers[at : at + 10])}),  # {FIRST_YEAR + at}")
