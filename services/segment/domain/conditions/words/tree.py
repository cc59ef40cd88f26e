"""The words that join conditions: `or` binds least, then `and`, then `not`; parentheses group."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from services.segment.domain.conditions.base import Condition
from services.segment.domain.conditions.document import MAX_CONDITIONS
from services.segment.domain.conditions.tree import MAX_PARTS, AllOf, AnyOf, Not
from services.segment.domain.conditions.words.reader import Found, TextReader
from services.segment.domain.conditions.words.slots import Slot, Writer, pattern_of
from shared.calendars.durations import Language

_AND: Final[Mapping[Language, Sequence[str]]] = {
    "en": ("and", "&&"),
    "zh": ("且", "并且", "而且", "同时", "以及", "和", "&&"),
}
_OR: Final[Mapping[Language, Sequence[str]]] = {"en": ("or", "||"), "zh": ("或", "或者", "或是", "||")}
_NOT: Final[Mapping[Language, Sequence[str]]] = {"en": ("not",), "zh": ("并非", "不满足", "非")}
_ALL: Final[Mapping[Language, Sequence[str]]] = {"en": ("all of",), "zh": ("全部满足", "满足全部")}
_ANY: Final[Mapping[Language, Sequence[str]]] = {"en": ("any of",), "zh": ("任一满足", "满足任一")}
_PHRASES: Final = (_AND, _OR, _NOT, _ALL, _ANY)
_OPENS: Final = pattern_of(["("])
_CLOSES: Final = pattern_of([")"])
A_CONDITION: Final[Mapping[Language, str]] = {
    "en": "a condition, as `tier is gold` or `ordered in the last 30 days`",
    "zh": "a condition, as 等级是 gold or 最近30天下过单",
}


class Conditions(Slot):
    """Conditions of all kinds, joined."""

    def __init__(self, kinds: Mapping[type[Condition], Slot]) -> None:
        self._kinds = kinds
        self._and = _Joined(AllOf, _AND, _Unary(self, kinds))
        self._or = _Joined(AnyOf, _OR, self._and)

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the condition in words. Conditions joined in others are in parentheses."""
        if isinstance(value, AllOf | AnyOf):
            joint, single = (_AND, _ALL) if isinstance(value, AllOf) else (_OR, _ANY)
            if len(value.of) == 1:
                return self._grouped(single[writer.language][0], value.of[0], writer)
            texts = [self._grouped("", one, writer) if _is_joined(one) else self.write(one, writer) for one in value.of]
            several = [text for text in texts if text is not None]
            if len(several) < len(texts) or not several:
                return None
            return _chain(several, joint[writer.language][0], writer.language)
        if isinstance(value, Not):
            forms = self._kinds.get(type(value.of))
            text = None if forms is None else forms.write(value, writer)
            return text or self._grouped(_NOT[writer.language][0], value.of, writer)
        forms = self._kinds.get(type(value))
        return None if forms is None else forms.write(value, writer)

    def _grouped(self, word: str, condition: Condition, writer: Writer) -> str | None:
        text = self.write(condition, writer)
        if text is None:
            return None
        return f"{word}（{text}）" if writer.language == "zh" else f"{word} ({text})".lstrip()

    def read(self, reader: TextReader, at: int) -> Found | None:
        """Returns the condition that stands there."""
        return reader.read(self._or, at)

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns all phrases of the language of conditions."""
        for phrases in _PHRASES:
            yield from phrases[language]
        for forms in self._kinds.values():
            yield from forms.phrases(language)


def _chain(texts: Sequence[str], word: str, language: Language) -> str:
    """Returns texts with a word between them; a full-width parenthesis brings its own space along."""
    chain = texts[0]
    for text in texts[1:]:
        before = "" if language == "zh" and chain.endswith("）") else " "
        after = "" if language == "zh" and text.startswith("（") else " "
        chain = f"{chain}{before}{word}{after}{text}"
    return chain


def _is_joined(condition: Condition) -> bool:
    return isinstance(condition, AllOf | AnyOf) and len(condition.of) > 1


class _Joined:
    """Parts with a word between them; a part alone is itself."""

    def __init__(
        self, kind: type[AllOf] | type[AnyOf], words: Mapping[Language, Sequence[str]], part: "_Joined | _Unary"
    ) -> None:
        self._kind = kind
        self._part = part
        self._words = words
        self._patterns = {language: pattern_of(of) for language, of in words.items()}

    def read(self, reader: TextReader, at: int) -> Found | None:
        found = reader.read(self._part, at)
        if found is None:
            return None
        parts, end = [found[0]], found[1]
        while (
            place := reader.match(self._patterns[reader.language], end, self._words[reader.language][0])
        ) is not None:
            found = reader.read(self._part, place)
            if found is None:
                return None
            parts.append(found[0])
            end = found[1]
            if len(parts) > MAX_PARTS:
                raise reader.invalid(
                    reader.skip(place), f"more than {MAX_PARTS} conditions are joined here; group some"
                )
        return (parts[0] if len(parts) == 1 else self._kind(of=tuple(parts))), end


class _Unary:
    """A condition of one kind, a negated one, or a group in parentheses."""

    def __init__(self, whole: Conditions, kinds: Mapping[type[Condition], Slot]) -> None:
        self._whole = whole
        self._kinds = kinds
        self._not, self._all, self._any = (
            {language: pattern_of(of) for language, of in words.items()} for words in (_NOT, _ALL, _ANY)
        )

    def read(self, reader: TextReader, at: int) -> Found | None:
        reader.begin(at, A_CONDITION[reader.language])
        found = self._group(reader, at, None) or self._leaf(reader, at)
        if found is not None:
            return found
        language = reader.language
        if (place := reader.match(self._all[language], at, _ALL[language][0])) is not None:
            return self._group(reader, place, AllOf)
        if (place := reader.match(self._any[language], at, _ANY[language][0])) is not None:
            return self._group(reader, place, AnyOf)
        if (place := reader.match(self._not[language], at, _NOT[language][0])) is not None:
            reader.deeper(at, 1)
            found = reader.read(self, place)
            reader.deeper(at, -1)
            return None if found is None else (Not(of=found[0]), found[1])
        return None

    def _group(self, reader: TextReader, at: int, kind: type[AllOf] | type[AnyOf] | None) -> Found | None:
        place = reader.match(_OPENS, at, "（" if reader.language == "zh" else "(")
        if place is None:
            return None
        reader.deeper(at, 1)
        found = reader.read(self._whole, place)
        reader.deeper(at, -1)
        end = None if found is None else reader.match(_CLOSES, found[1], "）" if reader.language == "zh" else ")")
        if found is None or end is None:
            return None
        return (found[0] if kind is None else kind(of=(found[0],))), end

    def _leaf(self, reader: TextReader, at: int) -> Found | None:
        best: Found | None = None
        for forms in self._kinds.values():
            found = reader.read(forms, at)
            if found is not None and (best is None or found[1] > best[1]):
                best = found
        if best is not None:
            reader.conditions += 1
            if reader.conditions > MAX_CONDITIONS:
                raise reader.invalid(at, f"there are more than {MAX_CONDITIONS} conditions")
            condition: Condition = best[0].of if isinstance(best[0], Not) else best[0]
            for problem in condition.problems(reader.limits):
                raise reader.invalid(reader.skip(at), f"{problem.pointer.lstrip('/')} {problem.detail}")
        return best
