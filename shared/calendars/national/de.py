"""Public holidays that all of Germany's states have. The states' own (Epiphany, Corpus Christi, …) are not here."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from shared.calendars.national.days import (
    DAY,
    CalendarDay,
    NationalCalendar,
    Occasion,
    easter,
    holiday,
)


def days_of(year: int) -> Mapping[date, CalendarDay]:
    """Returns the holidays of a year."""
    sunday = easter(year)
    found = {
        date(year, 1, 1): Occasion("New Year's Day", "元旦"),
        sunday - 2 * DAY: Occasion("Good Friday", "耶稣受难日"),
        sunday + 1 * DAY: Occasion("Easter Monday", "复活节星期一"),
        date(year, 5, 1): Occasion("Labour Day", "劳动节"),
        sunday + 39 * DAY: Occasion("Ascension Day", "耶稣升天节"),
        sunday + 50 * DAY: Occasion("Whit Monday", "圣灵降临节星期一"),
        date(year, 10, 3): Occasion("Day of German Unity", "德国统一日"),
        date(year, 12, 25): Occasion("Christmas Day", "圣诞节"),
        date(year, 12, 26): Occasion("Second Day of Christmas", "圣诞节次日"),
    }
    return {day: holiday(names) for day, names in found.items()}


DE: Final = NationalCalendar(
    name="de", title_en="Germany, holidays of all states", title_zh="德国全国公共假日", days_of=days_of
)
