"""The words of days that matter: `birthday in the next 7 days`, `age is at least 18`, `today is a holiday in China`."""

from typing import Final

from services.segment.domain.conditions.kinds.dates import Age, Anniversary, Holiday, OnDay
from services.segment.domain.conditions.words.comparisons import COMPARISON
from services.segment.domain.conditions.words.forms import Form, Forms, Phrase
from services.segment.domain.conditions.words.slots import Choice, OneOf
from services.segment.domain.conditions.words.values import DAY, DAYS, NAME, WHOLE

ANNIVERSARY: Final = Forms(
    Anniversary,
    Form(en=("{of} is today", "{of} today"), zh="{of}是今天", sets={"first": 0, "last": 0}),
    Form(
        en=("{of} in the next {last}", "{of} is in the next {last}", "{of} within the next {last}"),
        zh=("{of}在未来{last}内", "{of}在接下来{last}内", "未来{last}内{of}", "未来{last}{of}"),
        sets={"first": 0},
    ),
    Form(
        en=("{of} in {first} to {last}", "{of} is in {first} to {last}"),
        zh="{of}在{first}至{last}后",
        slots={"first": WHOLE},
    ),
    slots={
        "of": OneOf(
            Choice({"birthday": ("birthday", ("生日", "过生日"))}),
            Phrase(NAME, en=("anniversary of {}", "anniversary {}"), zh=("纪念日 {} ", "{} 的周年")),
        ),
        "last": DAYS,
    },
)
AGE: Final = Forms(
    Age,
    Form(
        en=("age is {op} {years}", "age is {op} {years} years", "is {op} {years} years old"),
        zh=("年龄{op}{years}岁", "年龄{op}{years}"),
        sets={"of": "birthday"},
    ),
    Form(
        en=("full years since {of} are {op} {years}", "years since {of} are {op} {years}"),
        zh=("距 {of} 的整年数{op}{years}", "距 {of} 的年数{op}{years}"),
    ),
    slots={"of": NAME, "op": COMPARISON, "years": WHOLE},
)
ON_DAY: Final = Forms(
    OnDay,
    Form(
        en=("date {of} in the next {days}", "date {of} is in the next {days}"),
        zh="日期 {of} 在未来{days}内",
        sets={"op": "in_next"},
    ),
    Form(
        en=("date {of} in the last {days}", "date {of} is in the last {days}"),
        zh=("日期 {of} 在过去{days}内", "日期 {of} 在最近{days}内"),
        sets={"op": "in_last"},
    ),
    Form(
        en=("date {of} before {day}", "date {of} is before {day}"),
        zh=("日期 {of} 早于 {day}", "日期 {of} 在 {day} 之前"),
        sets={"op": "before"},
    ),
    Form(
        en=("date {of} on or after {day}", "date {of} is on or after {day}"),
        zh=("日期 {of} 不早于 {day}", "日期 {of} 自 {day} 起"),
        sets={"op": "from"},
    ),
    slots={"of": NAME, "days": DAYS, "day": DAY},
)
HOLIDAY: Final = Forms(
    Holiday,
    Form(
        en=("today is a holiday in {calendar}", "is a holiday in {calendar}"),
        zh=("今天是{calendar}的节假日", "今天是{calendar}节假日"),
        sets={"day": "holiday"},
    ),
    Form(
        en=("today is a working day in {calendar}", "is a working day in {calendar}"),
        zh=("今天是{calendar}的工作日", "今天是{calendar}工作日"),
        sets={"day": "working_day"},
    ),
    slots={
        "calendar": OneOf(
            Choice(
                {
                    "cn": ("China", "中国"),
                    "de": ("Germany", "德国"),
                    "gb": (("England and Wales", "England", "Wales"), ("英格兰和威尔士", "英国")),
                    "us": (("the United States", "United States", "the US", "US"), "美国"),
                }
            ),
            NAME,
        )
    },
)
