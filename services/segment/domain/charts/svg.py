"""Writes SVG: shapes and texts that escape by themselves, in a document that tells a screen reader what it shows."""

from typing import Final, Literal
from xml.sax.saxutils import escape, quoteattr

from services.segment.domain.charts import text
from services.segment.domain.charts.formats import Language
from services.segment.domain.charts.palette import FAINT, INK, SOFT_INK, WHITE

WIDTH: Final = 720  # pixels
MARGIN: Final = 24
INNER: Final = WIDTH - 2 * MARGIN
TITLE_SIZE: Final = 18
SIZE: Final = 13
SMALL: Final = 11.5
TOP: Final = 76  # where what stands below title and remark begins
_EMPTY_HEIGHT: Final = 190

# The system's own font first; then, for Chinese, what each system has, and what the group `charts` brings.
FONTS: Final = (
    "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'PingFang SC', 'Hiragino Sans GB', 'Microsoft YaHei', "
    "'Noto Sans CJK SC', 'Noto Sans SC', 'Source Han Sans SC', 'WenQuanYi Micro Hei', sans-serif"
)
_TAGS: Final[dict[Language, str]] = {"en": "en", "zh": "zh-Hans"}


class Canvas:
    """A picture of a fixed width under a title and a remark; what is drawn later lies above."""

    def __init__(self, height: float, *, title: str, remark: str) -> None:
        self.height = height
        self._title = title
        self._parts: list[str] = []
        self.text(MARGIN, 34, title, size=TITLE_SIZE, bold=True, limit=INNER)
        self.text(MARGIN, 55, remark, size=SIZE, fill=SOFT_INK, limit=INNER)

    def rect(
        self, x: float, y: float, width: float, height: float, fill: str, *, stroke: str = "", title: str = ""
    ) -> None:
        """Adds a rectangle; `title` is shown where a pointer rests on it."""
        outline = f' stroke="{stroke}"' if stroke else ""
        size = f'width="{_n(width)}" height="{_n(height)}"'
        self._add(f'rect x="{_n(x)}" y="{_n(y)}" {size} fill="{fill}"{outline}', "rect", _title(title))

    def line(self, x1: float, y1: float, x2: float, y2: float, *, stroke: str = FAINT, dashes: str = "") -> None:
        """Adds a thin line."""
        ends = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
        self._add(f'line {ends} stroke="{stroke}"{_dashes(dashes)}', "line", "")

    def path(self, points: list[tuple[float, float]], *, stroke: str, dashes: str = "", title: str = "") -> None:
        """Adds a line through these points."""
        places = "M" + " L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        style = f'fill="none" stroke="{stroke}" stroke-width="2" stroke-linejoin="round"{_dashes(dashes)}'
        self._add(f'path d="{places}" {style}', "path", _title(title))

    def text(
        self,
        x: float,
        y: float,
        content: str,
        *,
        size: float = SIZE,
        anchor: Literal["start", "middle", "end"] = "start",
        fill: str = INK,
        bold: bool = False,
        limit: float | None = None,
        turned: bool = False,
    ) -> None:
        """Adds a text whose baseline is at `y`. A turned one runs upwards.

        Of one that would be wider than `limit` the beginning is drawn; a pointer that rests on it shows all of it.
        """
        whole = text.clean(content)
        shown = whole if limit is None else text.fit(whole, size, limit, bold=bold)
        style = "" if anchor == "start" else f' text-anchor="{anchor}"'
        style += ' font-weight="600"' if bold else ""
        style += f' transform="rotate(-90 {_n(x)} {_n(y)})"' if turned else ""
        begin = f'text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" fill="{fill}"{style}'
        self._add(begin, "text", ("" if shown == whole else _title(whole)) + escape(shown))

    def document(self, name: str, description: str, language: Language) -> str:
        """Returns the SVG. `name` tells it from others in one page; `description` says in words what it shows."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{_n(self.height)}" '
            f'viewBox="0 0 {WIDTH} {_n(self.height)}" font-family={quoteattr(FONTS)} xml:lang="{_TAGS[language]}" '
            f'role="img" aria-labelledby="{name}-title {name}-description">'
        )
        parts = [
            head,
            f'<title id="{name}-title">{escape(text.clean(self._title))}</title>',
            f'<desc id="{name}-description">{escape(text.clean(description))}</desc>',
            f'<rect width="{WIDTH}" height="{_n(self.height)}" fill="{WHITE}"/>',
            *self._parts,
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _add(self, begin: str, name: str, content: str) -> None:
        self._parts.append(f"<{begin}>{content}</{name}>" if content else f"<{begin}/>")


def empty(name: str, note: str, language: Language, *, title: str, remark: str) -> str:
    """Returns the SVG of a picture that has nothing to show, and says so."""
    canvas = Canvas(_EMPTY_HEIGHT, title=title, remark=remark)
    canvas.rect(MARGIN, TOP, INNER, _EMPTY_HEIGHT - TOP - MARGIN, "#f5f6f7", stroke=FAINT)
    middle = TOP + (_EMPTY_HEIGHT - TOP - MARGIN) / 2 + SIZE / 3
    canvas.text(WIDTH / 2, middle, note, anchor="middle", fill=SOFT_INK, limit=INNER - 2 * MARGIN)
    return canvas.document(name, note, language)


def _title(content: str) -> str:
    return f"<title>{escape(text.clean(content))}</title>" if content else ""


def _dashes(dashes: str) -> str:
    return f' stroke-dasharray="{dashes}"' if dashes else ""


def _n(value: float) -> str:
    """A length with two decimals at most, the same on every machine."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
