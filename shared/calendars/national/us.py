"""Federal holidays of the United States (5 U.S.C. 6103), and the days of their observance (Executive Order 11582).

One that falls on a Saturday is observed on the Friday before, one on a Sunday on the Monday after; both days are
holidays here. Inauguration Day and the states' own holidays are not.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from shared.calendars.national.days import (
    DAY,
    MONDAY,
    SATURDAY,
    SUNDAY,
    THURSDAY,
    CalendarDay,
    NationalCalendar,
    Occasion,
    holiday,
    last_weekday,
    nth_weekday,
)

NEW_YEAR: Final = Occasion("New Year's Day", "元旦")
FIXED: Final = (
    (1, 1, NEW_YEAR),
    (6, 19, Occasion("Juneteenth National Independence Day", "六月节")),
    (7, 4, Occasion("Independence Day", "独立日")),
    (11, 11, Occasion("Veterans Day", "退伍军人节")),
    (12, 25, Occasion("Christmas Day", "圣诞节")),
)
JUNETEENTH_SINCE: Final = 2021


def days_of(year: int) -> Mapping[date, CalendarDay]:
    """Returns the federal holidays of a year."""
    found = {
        nth_weekday(year, 1, MONDAY, 3): Occasion("Birthday of Martin Luther King, Jr.", "马丁·路德·金纪念日"),
        nth_weekday(year, 2, MONDAY, 3): Occasion("Washington's Birthday", "华盛顿诞辰纪念日"),
        last_weekday(year, 5, MONDAY): Occasion("Memorial Day", "阵亡将士纪念日"),
        nth_weekday(year, 9, MONDAY, 1): Occasion("Labor Day", "劳动节"),
        nth_weekday(year, 10, MONDAY, 2): Occasion("Columbus Day", "哥伦布日"),
        nth_weekday(year, 11, THURSDAY, 4): Occasion("Thanksgiving Day", "感恩节"),
    }
    fixed = [(date(year, month, day), names) for month, day, names in FIXED if month != 6 or year >= JUNETEENTH_SINCE]
    found |= dict(fixed)
    for day, names in [*fixed, (date(year + 1, 1, 1), NEW_YEAR)]:
        observed = day + {SATURDAY: -DAY, SUNDAY: DAY}.get(day.weekday(), 0 * DAY)
        if observed != day and observed.year == year:
            found[observed] = names.observed()
    return {day: holiday(names) for day, names in found.items()}


US: Final = NationalCalendar(
    name="us", title_en="United States, federal holidays", title_zh="美国联邦假日", days_of=days_of
)
