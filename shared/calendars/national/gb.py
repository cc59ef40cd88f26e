"""Bank holidays of England and Wales (Banking and Financial Dealings Act 1971, and the proclamations under it).

One that falls on a weekend is taken on the next weekday that is none; both days are holidays here. Days proclaimed once
are listed as they became known.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

from shared.calendars.national.days import (
    DAY,
    MONDAY,
    SATURDAY,
    CalendarDay,
    NationalCalendar,
    Occasion,
    easter,
    holiday,
    last_weekday,
    nth_weekday,
)

EARLY_MAY: Final = Occasion("Early May bank holiday", "五月初银行假日")
SPRING: Final = Occasion("Spring bank holiday", "春季银行假日")
MOVED: Final = {  # by proclamation: the anniversary of 1945, and the Platinum Jubilee
    (2020, EARLY_MAY): date(2020, 5, 8),
    (2022, SPRING): date(2022, 6, 2),
}
ONCE: Final = {
    date(2022, 6, 3): Occasion("Platinum Jubilee bank holiday", "女王登基白金禧银行假日"),
    date(2022, 9, 19): Occasion("State funeral of Queen Elizabeth II", "女王伊丽莎白二世国葬日"),
    date(2023, 5, 8): Occasion("Coronation of King Charles III", "国王查尔斯三世加冕银行假日"),
}


def days_of(year: int) -> Mapping[date, CalendarDay]:
    """Returns the bank holidays of a year."""
    sunday = easter(year)
    found = {
        sunday - 2 * DAY: Occasion("Good Friday", "耶稣受难日"),
        sunday + 1 * DAY: Occasion("Easter Monday", "复活节星期一"),
        MOVED.get((year, EARLY_MAY), nth_weekday(year, 5, MONDAY, 1)): EARLY_MAY,
        MOVED.get((year, SPRING), last_weekday(year, 5, MONDAY)): SPRING,
        last_weekday(year, 8, MONDAY): Occasion("Summer bank holiday", "夏季银行假日"),
    }
    found |= {day: names for day, names in ONCE.items() if day.year == year}
    found |= dict(_with_substitutes({date(year, 1, 1): Occasion("New Year's Day", "元旦")}))
    christmas = {
        date(year, 12, 25): Occasion("Christmas Day", "圣诞节"),
        date(year, 12, 26): Occasion("Boxing Day", "节礼日"),
    }
    found |= dict(_with_substitutes(christmas))
    return {day: holiday(names) for day, names in found.items()}


def _with_substitutes(days: Mapping[date, Occasion]) -> Iterator[tuple[date, Occasion]]:
    """Yields holidays, and the weekday after them for each that falls on a weekend."""
    taken = set(days)
    for day, names in days.items():
        yield day, names
        if day.weekday() >= SATURDAY:
            substitute = day
            while substitute.weekday() >= SATURDAY or substitute in taken:
                substitute += DAY
            taken.add(substitute)
            yield substitute, names.observed()


GB: Final = NationalCalendar(
    name="gb", title_en="England and Wales, bank holidays", title_zh="英格兰和威尔士银行假日", days_of=days_of
)
