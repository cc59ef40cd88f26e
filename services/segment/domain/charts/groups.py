"""Horizontal bars: customers by tier, or by stage."""

from typing import Final

from services.segment.domain.charts import formats, text
from services.segment.domain.charts.formats import Language
from services.segment.domain.charts.palette import BAR, FAINT, SOFT_INK
from services.segment.domain.charts.svg import INNER, MARGIN, SIZE, TOP, WIDTH, Canvas, empty
from services.segment.domain.charts.words import WORDS
from services.segment.domain.reports import GroupsReport, ReportName

_ROW: Final = 34
_BAR: Final = 20
_GAP: Final = 10
_NAMES: Final = 190  # at most


def draw(report: GroupsReport, language: Language) -> str:
    """Returns the SVG."""
    words = WORDS[language]
    title = words.tiers if report.by is ReportName.TIERS else words.stages
    as_of = words.as_of.format(formats.moment(report.at, language))
    if not report.customers:
        return empty(report.by.value, words.no_customers, language, title=title, remark=as_of)
    names = [
        words.stage_names.get(one.name, one.name) if report.by is ReportName.STAGES else one.name
        for one in report.groups
    ]
    values = [
        f"{formats.number(one.customers)}  ({formats.percent(one.customers, report.customers)})"
        for one in report.groups
    ]
    remark = words.remark_separator.join((words.count(report.customers), as_of))
    canvas = Canvas(TOP + _ROW * len(names) + MARGIN, title=title, remark=remark)
    left = MARGIN + min(_NAMES, max(text.width(one, SIZE) for one in names)) + _GAP
    longest = WIDTH - MARGIN - max(text.width(one, SIZE) for one in values) - _GAP - left
    most = max(one.customers for one in report.groups)
    for row, (group, name, value) in enumerate(zip(report.groups, names, values, strict=True)):
        top = TOP + _ROW * row
        base = top + _BAR / 2 + SIZE * 0.36
        length = longest * group.customers / most
        canvas.text(left - _GAP, base, name, anchor="end", limit=left - _GAP - MARGIN)
        canvas.rect(left, top, length, _BAR, BAR, title=words.item.format(name, value))
        canvas.text(left + length + _GAP, base, value, fill=SOFT_INK, limit=INNER)
    canvas.line(left, TOP - 6, left, TOP + _ROW * len(names) - _ROW + _BAR + 6, stroke=FAINT)
    described = words.separator.join(map(words.item.format, names, values))
    return canvas.document(report.by.value, described, language)
