"""Sizes of segments over time: a line of steps for each; of a single one also who entered and exited."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.segment.domain.charts import axes, formats, text
from services.segment.domain.charts.formats import Language
from services.segment.domain.charts.palette import DASHES, ENTERED, EXITED, FAINT, SERIES, SOFT_INK
from services.segment.domain.charts.svg import INNER, MARGIN, SIZE, SMALL, TOP, WIDTH, Canvas, empty
from services.segment.domain.charts.words import WORDS, Words
from services.segment.domain.reports import ReportName, SegmentSizes, SizePoint, SizesReport

_LEFT: Final = MARGIN + 62
_RIGHT: Final = WIDTH - MARGIN
_WIDE: Final = _RIGHT - _LEFT
_HEIGHT: Final = 240
_BOTTOM: Final = TOP + _HEIGHT
_FLOWS: Final = 96  # height of the bars' part
_FLOWS_TOP: Final = _BOTTOM + 58
_ROW: Final = 22
_SAMPLE: Final = 34  # of a line, in the list
_NAMES: Final = _LEFT + _SAMPLE + 10
_GAP: Final = 18
_BAR: Final = 12  # wide at most


class _Scale(NamedTuple):
    """Where moments and members are in the picture."""

    since: datetime
    until: datetime
    most: int

    def x(self, at: datetime) -> float:
        return _LEFT + _WIDE * ((at - self.since) / (self.until - self.since))

    def y(self, members: int) -> float:
        return _BOTTOM - _HEIGHT * members / self.most


def draw(report: SizesReport, language: Language) -> str:
    """Returns the SVG. More segments than there are colours repeat them, from the first on."""
    words, name = WORDS[language], ReportName.SIZES.value
    since = min(report.since, report.at - timedelta(minutes=1))
    remark = words.between.format(formats.moment(since, language), formats.moment(report.at, language))
    segments = [one for one in report.segments if one.points]
    if not segments:
        return empty(name, words.no_sizes, language, title=words.sizes, remark=remark)
    marks = axes.counts(max(point.members for one in segments for point in one.points))
    scale = _Scale(since, report.at, marks[-1])
    flows = [point for point in segments[0].points if point.entered or point.exited] if len(segments) == 1 else []
    list_top = (_FLOWS_TOP + _FLOWS + 34 if flows else _BOTTOM + 44) + SIZE
    canvas = Canvas(list_top + _ROW * (len(segments) - 1) + MARGIN, title=words.sizes, remark=remark)
    for members in marks:
        canvas.line(_LEFT, scale.y(members), _RIGHT, scale.y(members))
        shown = formats.short(members, language)
        canvas.text(_LEFT - 8, scale.y(members) + 4, shown, size=SMALL, anchor="end", fill=SOFT_INK, limit=48)
    middle = TOP + _HEIGHT / 2
    canvas.text(MARGIN + 8, middle, words.members_axis, anchor="middle", fill=SOFT_INK, limit=_HEIGHT, turned=True)
    _times(canvas, scale, language)
    column = _column(segments, words)
    for at, one in enumerate(segments):
        stroke, dashes = SERIES[at % len(SERIES)], DASHES[at % len(DASHES)]
        canvas.path(_steps(one, scale), stroke=stroke, dashes=dashes, title=one.name)
        y = list_top + _ROW * at
        canvas.path([(_LEFT, y - 4), (_LEFT + _SAMPLE, y - 4)], stroke=stroke, dashes=dashes)
        canvas.text(_NAMES, y, one.name, limit=column - _NAMES - _GAP)
        canvas.text(column, y, _now(one, words), fill=SOFT_INK)
    if flows:
        _bars(canvas, scale, flows, words, language)
    described = (words.item.format(one.name, _now(one, words)) for one in segments)
    return canvas.document(name, words.separator.join(described), language)


def _steps(one: SegmentSizes, scale: _Scale) -> list[tuple[float, float]]:
    """From each point level until the next one, and the last one until the end."""
    places: list[tuple[float, float]] = []
    for point in one.points:
        x, y = scale.x(max(point.at, scale.since)), scale.y(point.members)
        if places:
            places.append((x, places[-1][1]))
        places.append((x, y))
    return [*places, (_RIGHT, places[-1][1])]


def _times(canvas: Canvas, scale: _Scale, language: Language) -> None:
    canvas.line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, stroke=SOFT_INK)
    for at, written in axes.moments(scale.since, scale.until, language):
        x, half = scale.x(at), text.width(written, SMALL) / 2
        canvas.line(x, _BOTTOM, x, _BOTTOM + 5, stroke=SOFT_INK)
        inside = min(max(x, MARGIN + half), WIDTH - MARGIN - half)
        canvas.text(inside, _BOTTOM + 19, written, size=SMALL, anchor="middle", fill=SOFT_INK)


def _column(segments: list[SegmentSizes], words: Words) -> float:
    """Where in the list below, after the longest name that fits, the sizes of now stand."""
    names = max(text.width(text.clean(one.name), SIZE) for one in segments)
    return min(_NAMES + names + _GAP, _RIGHT - max(text.width(_now(one, words), SIZE) for one in segments))


def _now(one: SegmentSizes, words: Words) -> str:
    return words.now.format(formats.number(one.points[-1].members))


def _bars(canvas: Canvas, scale: _Scale, flows: list[SizePoint], words: Words, language: Language) -> None:
    """Upwards who entered, downwards who exited, between a point and the one before."""
    middle = _FLOWS_TOP + _FLOWS / 2
    most = axes.counts(max(max(one.entered or 0, one.exited or 0) for one in flows), marks=2)[-1]
    unit = _FLOWS / 2 / most
    wide = min(_BAR, max(1.5, _WIDE / len(flows) * 0.7))
    for sign, written in ((-1, f"+{formats.short(most, language)}"), (1, f"−{formats.short(most, language)}")):
        canvas.line(_LEFT, middle + sign * _FLOWS / 2, _RIGHT, middle + sign * _FLOWS / 2)
        edge = middle + sign * _FLOWS / 2 + 4
        canvas.text(_LEFT - 8, edge, written, size=SMALL, anchor="end", fill=SOFT_INK, limit=56)
    for one in flows:
        x = min(max(scale.x(one.at) - wide / 2, _LEFT), _RIGHT - wide)
        when = formats.moment(one.at, language)
        for count, fill, top, word in (
            (one.entered or 0, ENTERED, middle - unit * (one.entered or 0), words.entered),
            (one.exited or 0, EXITED, middle, words.exited),
        ):
            if count:
                told = words.item.format(when, f"{word} {formats.number(count)}")
                canvas.rect(x, top, wide, unit * count, fill, title=told)
    canvas.line(_LEFT, middle, _RIGHT, middle, stroke=SOFT_INK)
    key, left = _FLOWS_TOP + _FLOWS + 20, float(_LEFT)
    for fill, word in ((ENTERED, f"▲ {words.entered}"), (EXITED, f"▼ {words.exited}")):
        canvas.rect(left, key - 10, 12, 12, fill, stroke=FAINT)
        canvas.text(left + 18, key, word, size=SMALL, fill=SOFT_INK, limit=INNER)
        left += 18 + text.width(word, SMALL) + 24
