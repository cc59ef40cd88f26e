#!/usr/bin/env bash
# lunardate 0.3.0, cnlunar 0.2.5 and lunar-python 1.4.8: three libraries, and not one calendar.
#
# Most expect: the lunar date of a day, in a range that every library covers, is the same whoever computes it; a lunar
# birthday may be stored by one and reckoned with another.
# It is not: on 25 November 1954 lunardate is in the tenth month still, where the others begin the eleventh (the new moon
# was at 20:30 that evening in Beijing); and of 28 September 2057 lunardate and cnlunar make the first of the ninth month,
# lunar-python the last of the eighth: that new moon is some seconds after midnight, and depends on how fast the earth
# turns by then. None of them says which table or rule it goes by.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check lunardate==0.3.0 cnlunar==0.2.5 lunar_python==1.4.8
"$work/venv/bin/python" - <<'PYTHON'
from datetime import date, datetime

import cnlunar
from lunar_python import Solar
from lunardate import LunarDate


def by_lunardate(day: date) -> tuple[int, int]:
    found = LunarDate.from_solar_date(day.year, day.month, day.day)
    return found.month, found.day


def by_cnlunar(day: date) -> tuple[int, int]:
    found = cnlunar.Lunar(datetime(day.year, day.month, day.day, 12))
    return found.lunarMonth, found.lunarDay


def by_lunar_python(day: date) -> tuple[int, int]:
    found = Solar.fromYmd(day.year, day.month, day.day).getLunar()
    return abs(found.getMonth()), found.getDay()


READERS = {"lunardate": by_lunardate, "cnlunar": by_cnlunar, "lunar-python": by_lunar_python}
found = {
    str(day): {name: read(day) for name, read in READERS.items()}
    for day in (date(2026, 2, 17), date(1954, 11, 25), date(2057, 9, 28))
}
for day, dates in found.items():
    print(day, dates)
assert set(found["2026-02-17"].values()) == {(1, 1)}
assert found["1954-11-25"] == {"lunardate": (10, 30), "cnlunar": (11, 1), "lunar-python": (11, 1)}
assert found["2057-09-28"] == {"lunardate": (9, 1), "cnlunar": (9, 1), "lunar-python": (8, 30)}
PYTHON
