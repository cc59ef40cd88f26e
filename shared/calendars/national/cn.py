"""Public holidays of mainland China, and the weekend days that are worked in their stead (调休).

Which days are free and which are worked is known from the State Council's notice in the autumn before; the notices are
in cn_notices.py. A year without its notice there is provisional: it has the statutory days only, which are free
whatever the notice will be (全国年节及纪念日放假办法, as revised in 2013 and 2024).
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

from shared.calendars.lunar import qingming as qingming_of
from shared.calendars.lunar import to_gregorian
from shared.calendars.national.cn_notices import (
    DRAGON_BOATS,
    LABOUR_DAY,
    MID_AUTUMN,
    NATIONAL_DAY,
    NATIONAL_DAY_AND_MID_AUTUMN,
    NEW_YEAR,
    NOTICES,
    QINGMING,
    SPRING_FESTIVAL,
)
from shared.calendars.national.days import DAY, CalendarDay, NationalCalendar, Occasion, holiday

THIRTEEN_DAYS_SINCE: Final = 2025  # the revision of 2024 added New Year's Eve and 2 May


def days_of(year: int) -> Mapping[date, CalendarDay]:
    """Returns the holidays and the weekend days that are worked: of the year's notice, or else the statutory days."""
    notice = NOTICES.get(year)
    if notice is None:
        return {day: holiday(names, provisional=True) for day, names in _statutory(year)}
    found = {}
    for period in notice.periods:
        names = period.occasion
        for n in range((period.last - period.first).days + 1):
            found[period.first + n * DAY] = holiday(names)
        for day in period.worked:
            found[day] = CalendarDay(kind="workday", name_en=names.en, name_zh=names.zh)
    return found


def _statutory(year: int) -> Iterator[tuple[date, Occasion]]:
    more = year >= THIRTEEN_DAYS_SINCE
    spring = to_gregorian(year, 1, 1)
    mid_autumn = to_gregorian(year, 8, 15)
    yield date(year, 1, 1), NEW_YEAR
    yield from ((spring + n * DAY, SPRING_FESTIVAL) for n in range(-1 if more else 0, 3))
    yield qingming_of(year), QINGMING
    yield from ((date(year, 5, day), LABOUR_DAY) for day in range(1, 3 if more else 2))
    yield to_gregorian(year, 5, 5), DRAGON_BOATS
    yield mid_autumn, MID_AUTUMN
    for day in (date(year, 10, n) for n in (1, 2, 3)):
        yield day, NATIONAL_DAY_AND_MID_AUTUMN if day == mid_autumn else NATIONAL_DAY


CN: Final = NationalCalendar(
    name="cn",
    title_en="China, public holidays and working weekends",
    title_zh="中国法定节假日及调休",
    days_of=days_of,
    is_provisional=lambda year: year not in NOTICES,
)
