"""The ABC curve: which share of revenue which share of customers brings."""

from typing import Final

from services.segment.domain.charts import formats, text
from services.segment.domain.charts.formats import Language
from services.segment.domain.charts.palette import BANDS, BAR, FAINT, SOFT_INK
from services.segment.domain.charts.svg import MARGIN, SIZE, SMALL, TOP, WIDTH, Canvas, empty
from services.segment.domain.charts.words import WORDS, Words
from services.segment.domain.reports import AbcClass, AbcReport, ReportName

_LEFT: Final = MARGIN + 62
_RIGHT: Final = WIDTH - MARGIN
_WIDE: Final = _RIGHT - _LEFT
_STRIP: Final = 26  # above the plot, for the classes' names
_ZENITH: Final = TOP + _STRIP  # where all of the revenue is reached
_HEIGHT: Final = 300
_BOTTOM: Final = _ZENITH + _HEIGHT
_LIST: Final = _BOTTOM + 70  # the first line of the list below
_ROW: Final = 22
_SAMPLE: Final = 24
_EQUAL: Final = "3 4"
_NAMED_FROM: Final = 18  # pixels: a narrower band has its name in the list only


def draw(report: AbcReport, language: Language) -> str:
    """Returns the SVG."""
    words, name = WORDS[language], ReportName.ABC.value
    as_of = words.as_of.format(formats.moment(report.at, language))
    if not report.customers or report.revenue_minor <= 0:
        note = words.no_revenue.format(report.currency)
        return empty(name, note, language, title=words.abc, remark=as_of)
    remark = words.remark_separator.join((words.count(report.customers), report.currency, as_of))
    canvas = Canvas(_LIST + _ROW * len(report.classes) + MARGIN, title=words.abc, remark=remark)
    _bands(canvas, report)
    _axes(canvas, words)
    canvas.path([(_LEFT, _BOTTOM), (_RIGHT, _ZENITH)], stroke=SOFT_INK, dashes=_EQUAL, title=words.equal_shares)
    curve = [
        (_LEFT + _WIDE * one.customers / report.customers, _BOTTOM - _HEIGHT * one.revenue_minor / report.revenue_minor)
        for one in report.points
    ]
    canvas.path([(_LEFT, _BOTTOM), *curve], stroke=BAR)
    headings = [words.abc_class.format(one.name) for one in report.classes]
    told = [_told(words, one, report) for one in report.classes]
    after = _LEFT + _SAMPLE + 10 + max(text.width(one, SIZE, bold=True) for one in headings) + 6
    for row, (heading, sentence) in enumerate(zip(headings, told, strict=True)):
        y = _LIST + _ROW * row
        canvas.rect(_LEFT, y - 12, _SAMPLE, 15, BANDS[row % len(BANDS)], stroke=FAINT)
        canvas.text(_LEFT + _SAMPLE + 10, y, heading, bold=True)
        canvas.text(after, y, sentence, fill=SOFT_INK, limit=_RIGHT - after)
    y = _LIST + _ROW * len(headings)
    canvas.path([(_LEFT, y - 4), (_LEFT + _SAMPLE, y - 4)], stroke=SOFT_INK, dashes=_EQUAL)
    canvas.text(_LEFT + _SAMPLE + 10, y, words.equal_shares, fill=SOFT_INK, limit=_WIDE)
    return canvas.document(name, words.separator.join(map(words.item.format, headings, told)), language)


def _told(words: Words, one: AbcClass, report: AbcReport) -> str:
    of_customers = formats.percent(one.customers, report.customers)
    of_revenue = formats.percent(one.revenue_minor, report.revenue_minor)
    return words.abc_row.format(words.count(one.customers), of_customers, of_revenue)


def _bands(canvas: Canvas, report: AbcReport) -> None:
    """Each class's customers from left to right, and the share of revenue that is reached with them."""
    passed = paid = 0
    for at, one in enumerate(report.classes):
        left = _LEFT + _WIDE * passed / report.customers
        passed, paid = passed + one.customers, paid + one.revenue_minor
        right = _LEFT + _WIDE * passed / report.customers
        if not one.customers:
            continue
        canvas.rect(left, TOP, right - left, _STRIP + _HEIGHT, BANDS[at % len(BANDS)])
        if right - left >= _NAMED_FROM:
            canvas.text((left + right) / 2, TOP + 18, one.name, size=15, anchor="middle", bold=True)
        if passed < report.customers:
            reached = _BOTTOM - _HEIGHT * paid / report.revenue_minor
            canvas.line(right, reached, right, _BOTTOM, stroke=SOFT_INK, dashes="2 3")
            canvas.line(_LEFT, reached, right, reached, stroke=SOFT_INK, dashes="2 3")


def _axes(canvas: Canvas, words: Words) -> None:
    for share in range(0, 101, 20):
        x, y = _LEFT + _WIDE * share / 100, _BOTTOM - _HEIGHT * share / 100
        canvas.line(_LEFT, y, _RIGHT, y)
        canvas.text(_LEFT - 8, y + 4, f"{share}%", size=SMALL, anchor="end", fill=SOFT_INK)
        canvas.line(x, _BOTTOM, x, _BOTTOM + 5, stroke=SOFT_INK)
        canvas.text(x, _BOTTOM + 18, f"{share}%", size=SMALL, anchor="middle", fill=SOFT_INK)
    canvas.line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, stroke=SOFT_INK)
    middle, under = _BOTTOM - _HEIGHT / 2, (_LEFT + _RIGHT) / 2
    canvas.text(MARGIN + 12, middle, words.revenue_axis, anchor="middle", fill=SOFT_INK, limit=_HEIGHT, turned=True)
    canvas.text(under, _BOTTOM + 38, words.customers_axis, anchor="middle", fill=SOFT_INK, limit=_WIDE)
