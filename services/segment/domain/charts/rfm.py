"""A grid of recency by frequency: how many customers, and what share of spend is theirs."""

from typing import Final

from services.segment.domain.charts import formats
from services.segment.domain.charts.formats import Language
from services.segment.domain.charts.palette import FAINT, SOFT_INK, WHITE, heat
from services.segment.domain.charts.svg import MARGIN, SIZE, SMALL, TOP, WIDTH, Canvas, empty
from services.segment.domain.charts.words import WORDS, Words
from services.segment.domain.reports import ReportName, RfmCell, RfmReport

_LEFT: Final = MARGIN + 52  # room for the scores and the name of their axis
_HEIGHT: Final = 310  # of the grid
_BELOW: Final = 92
_LEGEND: Final = 5  # cells


def draw(report: RfmReport, language: Language) -> str:
    """Returns the SVG."""
    words, name = WORDS[language], ReportName.RFM.value
    as_of = words.as_of.format(formats.moment(report.at, language))
    if not report.customers:
        return empty(name, words.no_orders, language, title=words.rfm, remark=as_of)
    parts = (words.count(report.customers), words.spend_in.format(report.currency), as_of)
    canvas = Canvas(TOP + _HEIGHT + _BELOW, title=words.rfm, remark=words.remark_separator.join(parts))
    wide, high = (WIDTH - MARGIN - _LEFT) / report.levels, _HEIGHT / report.levels
    most = max(one.customers for one in report.cells)
    for cell in report.cells:
        x, y = _LEFT + (cell.frequency - 1) * wide, TOP + (report.levels - cell.recency) * high
        told = _told(words, cell, report)
        canvas.rect(x, y, wide, high, heat(cell.customers / most), stroke=WHITE, title=told)
        if not cell.customers:
            canvas.text(x + wide / 2, y + high / 2 + 5, "0", anchor="middle", fill=SOFT_INK)
            continue
        shown = formats.number(cell.customers)
        canvas.text(x + wide / 2, y + high / 2 - 3, shown, size=15, anchor="middle", bold=True, limit=wide - 8)
        spend = words.of_spend.format(formats.percent(cell.spend_minor, report.spend_minor))
        canvas.text(x + wide / 2, y + high / 2 + 15, spend, size=SMALL, anchor="middle", limit=wide - 8)
    canvas.rect(_LEFT, TOP, WIDTH - MARGIN - _LEFT, _HEIGHT, "none", stroke=FAINT)
    for level in range(1, report.levels + 1):
        middle = TOP + (report.levels - level + 0.5) * high + 5
        canvas.text(_LEFT - 10, middle, str(level), anchor="end", fill=SOFT_INK)
        canvas.text(_LEFT + (level - 0.5) * wide, TOP + _HEIGHT + 18, str(level), anchor="middle", fill=SOFT_INK)
    recency, frequency = words.recency_axis.format(report.levels), words.frequency_axis.format(report.levels)
    canvas.text(MARGIN + 12, TOP + _HEIGHT / 2, recency, anchor="middle", fill=SOFT_INK, limit=_HEIGHT, turned=True)
    middle = _LEFT + (WIDTH - MARGIN - _LEFT) / 2
    canvas.text(middle, TOP + _HEIGHT + 40, frequency, anchor="middle", fill=SOFT_INK, limit=WIDTH - MARGIN - _LEFT)
    _legend(canvas, words)
    described = words.separator.join(_told(words, one, report) for one in report.cells if one.customers)
    return canvas.document(name, described, language)


def _told(words: Words, cell: RfmCell, report: RfmReport) -> str:
    spend = words.of_spend.format(formats.percent(cell.spend_minor, report.spend_minor))
    return words.item.format(f"R{cell.recency} F{cell.frequency}", f"{words.count(cell.customers)}, {spend}")


def _legend(canvas: Canvas, words: Words) -> None:
    top, side = TOP + _HEIGHT + 58, 14
    left = WIDTH / 2 - side * _LEGEND / 2
    canvas.text(left - 8, top + side - 3, words.few, size=SMALL, anchor="end", fill=SOFT_INK, limit=left - MARGIN)
    for at in range(_LEGEND):
        canvas.rect(left + side * at, top, side, side, heat((at + 1) / _LEGEND), stroke=FAINT)
    after = left + side * _LEGEND + 8
    canvas.text(after, top + side - 3, words.many, size=SIZE - 1.5, fill=SOFT_INK, limit=WIDTH - MARGIN - after)
