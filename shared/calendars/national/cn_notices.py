"""The General Office of the State Council's notices on holidays (国务院办公厅关于部分节假日安排的通知), a year each.

The next year's is published in autumn: add it here, with its number and date, and raise VERSION of ../holidays.py.
"""

from datetime import date
from typing import Final

import msgspec

from shared.calendars.national.days import Occasion

NEW_YEAR: Final = Occasion("New Year's Day", "元旦")
SPRING_FESTIVAL: Final = Occasion("Spring Festival", "春节")
QINGMING: Final = Occasion("Qingming Festival", "清明节")
LABOUR_DAY: Final = Occasion("Labour Day", "劳动节")
DRAGON_BOATS: Final = Occasion("Dragon Boat Festival", "端午节")
MID_AUTUMN: Final = Occasion("Mid-Autumn Festival", "中秋节")
NATIONAL_DAY: Final = Occasion("National Day", "国庆节")
NATIONAL_DAY_AND_MID_AUTUMN: Final = Occasion("National Day and Mid-Autumn Festival", "国庆节、中秋节")


class DaysOff(msgspec.Struct, frozen=True):
    """Days off in a row, both ends included, and the weekend days that are worked for them."""

    occasion: Occasion
    first: date
    last: date
    worked: tuple[date, ...] = ()


class HolidayNotice(msgspec.Struct, frozen=True):
    """A year's notice: its number, its date and what it arranges."""

    number: str
    published: date
    periods: tuple[DaysOff, ...]


NOTICES: Final = {
    2025: HolidayNotice(
        "国办发明电〔2024〕12号",
        date(2024, 11, 12),
        (
            DaysOff(NEW_YEAR, date(2025, 1, 1), date(2025, 1, 1)),
            DaysOff(SPRING_FESTIVAL, date(2025, 1, 28), date(2025, 2, 4), (date(2025, 1, 26), date(2025, 2, 8))),
            DaysOff(QINGMING, date(2025, 4, 4), date(2025, 4, 6)),
            DaysOff(LABOUR_DAY, date(2025, 5, 1), date(2025, 5, 5), (date(2025, 4, 27),)),
            DaysOff(DRAGON_BOATS, date(2025, 5, 31), date(2025, 6, 2)),
            DaysOff(
                NATIONAL_DAY_AND_MID_AUTUMN,
                date(2025, 10, 1),
                date(2025, 10, 8),
                (date(2025, 9, 28), date(2025, 10, 11)),
            ),
        ),
    ),
    2026: HolidayNotice(
        "国办发明电〔2025〕7号",
        date(2025, 11, 4),
        (
            DaysOff(NEW_YEAR, date(2026, 1, 1), date(2026, 1, 3), (date(2026, 1, 4),)),
            DaysOff(SPRING_FESTIVAL, date(2026, 2, 15), date(2026, 2, 23), (date(2026, 2, 14), date(2026, 2, 28))),
            DaysOff(QINGMING, date(2026, 4, 4), date(2026, 4, 6)),
            DaysOff(LABOUR_DAY, date(2026, 5, 1), date(2026, 5, 5), (date(2026, 5, 9),)),
            DaysOff(DRAGON_BOATS, date(2026, 6, 19), date(2026, 6, 21)),
            DaysOff(MID_AUTUMN, date(2026, 9, 25), date(2026, 9, 27)),
            DaysOff(NATIONAL_DAY, date(2026, 10, 1), date(2026, 10, 7), (date(2026, 9, 20), date(2026, 10, 10))),
        ),
    ),
}
