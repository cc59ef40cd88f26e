"""The words of filters on an event's properties: `where (category is "tea" and price is at least 3)`."""

from collections.abc import Iterable
from typing import Any, Final

from services.segment.domain.conditions.words.comparisons import value_forms
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.reader import Found, TextReader
from services.segment.domain.conditions.words.slots import Slot, Writer, pattern_of
from services.segment.domain.conditions.words.values import NAME
from shared.calendars.durations import Language
from shared.contracts.property_filter import MAX_FILTERS, PropertyFilter

_OPS: Final = (
    *("exists", "missing", "eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "contains", "starts_with", "ends_with"),
)
_AND: Final[dict[Language, str]] = {"en": "and", "zh": "且"}
_ANDS: Final = {"en": pattern_of(["and", "&&"]), "zh": pattern_of(["且", "并且", "而且", "和", "与", "&&"])}
_OPENS: Final = pattern_of(["("])
_CLOSES: Final = pattern_of([")"])


class _Group(Slot):
    """Filters in parentheses, joined by `and`."""

    def __init__(self) -> None:
        self.filter: Slot = self  # the one filter's forms, which may hold a group themselves

    def write(self, value: Any, writer: Writer) -> str | None:
        texts = [self.filter.write(one, writer) for one in value]
        several = [text for text in texts if text is not None]
        if not texts or len(several) < len(texts):
            return None
        opens, closes = ("（", "）") if writer.language == "zh" else ("(", ")")
        return f"{opens}{f' {_AND[writer.language]} '.join(several)}{closes}"

    def read(self, reader: TextReader, at: int) -> Found | None:
        place = reader.match(_OPENS, at, "（" if reader.language == "zh" else "(")
        if place is None:
            return None
        reader.deeper(at, 1)
        filters: list[PropertyFilter] = []
        end: int | None = None
        while (found := reader.read(self.filter, place)) is not None:
            filters.append(found[0])
            end = reader.match(_CLOSES, found[1], "）" if reader.language == "zh" else ")")
            joint = None if end is not None else reader.match(_ANDS[reader.language], found[1], _AND[reader.language])
            if joint is None:
                break
            if len(filters) >= MAX_FILTERS:
                raise reader.invalid(joint, f"there are more than {MAX_FILTERS} filters")
            place = joint
            end = None
        reader.deeper(at, -1)
        return None if end is None else (tuple(filters), end)

    def phrases(self, language: Language) -> Iterable[str]:
        return ("and",) if language == "en" else ()


_GROUP: Final = _Group()
_FILTER: Final = Forms(
    PropertyFilter,
    *value_forms(en="{property}", zh="{property}", ops=_OPS),
    Form(
        en=("any of {property} has {where}", "some {property} have {where}"),
        zh=("{property} 中有一项{where}", "{property} 中任一项{where}", "{property} 之一{where}"),
        sets={"op": "any"},
    ),
    slots={"property": NAME, "where": _GROUP},
)
_GROUP.filter = _FILTER


class _Where(Slot):
    """An event's filters: none, or `where` and a group; one filter is read without parentheses, too."""

    _WORDS: Final[dict[Language, Any]] = {"en": pattern_of(["where", "with"]), "zh": pattern_of(["其中", "满足"])}

    def write(self, value: Any, writer: Writer) -> str | None:
        if not value:
            return ""
        group = _GROUP.write(value, writer)
        return group if group is None or writer.language == "zh" else f"where {group}"

    def read(self, reader: TextReader, at: int) -> Found | None:
        if reader.language == "zh" and (group := reader.read(_GROUP, at)) is not None:
            return group
        word = reader.match(self._WORDS[reader.language], at, "where" if reader.language == "en" else "（")
        if word is None:
            return (), at
        found = reader.read(_GROUP, word)
        if found is not None:
            return found
        one = reader.read(_FILTER, word)
        return None if one is None else ((one[0],), one[1])

    def phrases(self, language: Language) -> Iterable[str]:
        return ("where", "with", *_GROUP.phrases(language), *_FILTER.phrases(language))


WHERE: Final = _Where()
"""The filters of an event, as a tuple; none is written as nothing."""
