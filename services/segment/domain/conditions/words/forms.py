"""Forms: sentences with slots, in English and Chinese. One form both writes a structure in words and reads it back."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from string import Formatter
from typing import Any, Final, NamedTuple

import msgspec

from services.segment.domain.calendars.durations import Language
from services.segment.domain.conditions.base import Condition
from services.segment.domain.conditions.tree import Not
from services.segment.domain.conditions.words.reader import Found, Reader
from services.segment.domain.conditions.words.slots import Slot, Writer, pattern_of

LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")

Fields = Mapping[str, Any]

# Between a word or a quotation and a Chinese character stands a space, whichever comes first.
_WORD_AND_CHARACTER: Final = re.compile(r'[A-Za-z_"][\u3400-\u9fff]|[\u3400-\u9fff][A-Za-z_"]')


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence of a structure, with slots in braces that are named as its fields.

    Of several templates of a language the first is written, and all are read. `sets` are fields that this sentence
    fixes; a field that is neither fixed nor in a slot has its default. `negated` says the opposite of the structure.
    `unfold` and `fold` turn fields into what the slots hold and back, where these differ; None means that it can't be.
    """

    en: str | tuple[str, ...]
    zh: str | tuple[str, ...]
    sets: Fields = {}
    slots: Mapping[str, Slot] = {}
    negated: bool = False
    unfold: Callable[[Fields], Fields | None] | None = None
    fold: Callable[[Fields], Fields | None] | None = None

    def templates(self, language: Language) -> tuple[str, ...]:
        """Returns its templates in a language."""
        found = self.en if language == "en" else self.zh
        return (found,) if isinstance(found, str) else found


class _Piece(NamedTuple):
    """A part of a template: what is written, and what is read: a phrase or a slot."""

    literal: str
    pattern: re.Pattern[str] | None
    name: str
    slot: Slot | None
    usual: bool  # a part of the template that is written


class Forms(Slot):
    """The sentences of one kind of structure: written by the first that can say it, read by the one that reads most."""

    def __init__(self, of: type[msgspec.Struct], *forms: Form, slots: Mapping[str, Slot]) -> None:
        self.of = of
        self.forms = forms
        self._defaults = {
            field.name: field.default if field.default is not msgspec.NODEFAULT else None
            for field in msgspec.structs.fields(of)
        }
        self._pieces: dict[Language, list[tuple[Form, list[list[_Piece]]]]] = {
            language: [(form, _compiled(form.templates(language), {**slots, **form.slots})) for form in forms]
            for language in LANGUAGES
        }

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the sentence of a structure, or of its negation."""
        negated = isinstance(value, Not)
        inner = value.of if negated else value
        if not isinstance(inner, self.of):
            return None
        fields = msgspec.structs.asdict(inner)
        for form, templates in self._pieces[writer.language]:
            if form.negated is negated and (text := self._sentence(form, templates[0], fields, writer)) is not None:
                return text
        return None

    def _sentence(self, form: Form, pieces: Sequence[_Piece], fields: Fields, writer: Writer) -> str | None:
        if any(fields[name] != value for name, value in form.sets.items()):
            return None
        shown: Fields | None = {name: value for name, value in fields.items() if name not in form.sets}
        if form.unfold is not None and shown is not None:
            shown = form.unfold(shown)
        if shown is None:
            return None
        names = {piece.name for piece in pieces if piece.slot is not None}
        if any(value != self._defaults.get(name) for name, value in shown.items() if name not in names):
            return None
        text = ""
        for piece in pieces:
            part = piece.literal if piece.slot is None else piece.slot.write(shown[piece.name], writer)
            if part is None:
                return None
            text = _joined(text, part)
        return text.rstrip(" ")

    def read(self, reader: Reader, at: int) -> Found | None:
        """Returns the structure whose sentence stands there, or its negation."""
        best: Found | None = None
        for form, templates in self._pieces[reader.language]:
            for pieces in templates:
                found = _read(pieces, reader, at)
                if found is None or (best is not None and found[1] <= best[1]):
                    continue
                fields: Fields | None = found[0]
                if form.fold is not None and fields is not None:
                    fields = form.fold(fields)
                if fields is not None:
                    made = self._made({**form.sets, **fields})
                    best = (Not(of=made) if form.negated and isinstance(made, Condition) else made, found[1])
        return best

    def _made(self, fields: Fields) -> msgspec.Struct:
        """Returns the structure. What is a default is left out: msgspec tells a default text by its identity."""
        return self.of(**{name: one for name, one in fields.items() if one != self._defaults.get(name)})

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns the phrases of all templates and of what is in their slots."""
        for _, templates in self._pieces[language]:
            for piece in (one for pieces in templates for one in pieces):
                if piece.slot is None:
                    yield piece.literal.strip()
                elif piece.slot is not self:
                    yield from piece.slot.phrases(language)


class Phrase(Slot):
    """A sentence with one slot, which stands for its value: `did {}`."""

    def __init__(self, slot: Slot, *, en: str | tuple[str, ...], zh: str | tuple[str, ...]) -> None:
        self._pieces: dict[Language, list[list[_Piece]]] = {
            language: _compiled(
                [one.replace("{}", "{value}") for one in ((of,) if isinstance(of, str) else of)], {"value": slot}
            )
            for language, of in zip(LANGUAGES, (en, zh), strict=True)
        }

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the first sentence with the value in its slot."""
        text = ""
        for piece in self._pieces[writer.language][0]:
            part = piece.literal if piece.slot is None else piece.slot.write(value, writer)
            if part is None:
                return None
            text = _joined(text, part)
        return text.rstrip(" ")

    def read(self, reader: Reader, at: int) -> Found | None:
        """Returns the value in the slot of the sentence that reads most."""
        found = [one for pieces in self._pieces[reader.language] if (one := _read(pieces, reader, at)) is not None]
        best = max(found, key=lambda one: one[1], default=None)
        return None if best is None else (best[0]["value"], best[1])

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns the phrases of the sentences, and of what is in their slots."""
        for piece in (one for pieces in self._pieces[language] for one in pieces):
            if piece.slot is None:
                yield piece.literal.strip()
            else:
                yield from piece.slot.phrases(language)


def _compiled(templates: Sequence[str], slots: Mapping[str, Slot]) -> list[list[_Piece]]:
    return [_pieces(template, slots, usual=n == 0) for n, template in enumerate(templates)]


def _pieces(template: str, slots: Mapping[str, Slot], *, usual: bool) -> list[_Piece]:
    pieces: list[_Piece] = []
    for literal, name, _, _ in Formatter().parse(template):
        if literal:
            phrase = literal.strip()
            pieces.append(_Piece(literal, pattern_of([phrase]) if phrase else None, "", None, usual))
        if name is not None:
            pieces.append(_Piece("", None, name, slots[name], usual))
    return pieces


def _read(pieces: Sequence[_Piece], reader: Reader, at: int) -> Found | None:
    """Returns what is in the slots of a template that stands here, by their names."""
    fields: dict[str, Any] = {}
    end = at
    for piece in pieces:
        if piece.slot is not None:
            found = reader.read(piece.slot, end)
            if found is None:
                return None
            fields[piece.name], end = found
        elif piece.pattern is not None:
            place = reader.match(piece.pattern, end, piece.literal.strip(), usual=piece.usual)
            if place is None:
                return None
            end = place
    return fields, end


def _joined(text: str, part: str) -> str:
    """Returns a text with a part after it, with one space between them where either has some; none before a comma."""
    if part.startswith((",", "，", "）")):
        return text.rstrip(" ") + part
    if not text or text.endswith(" "):
        return text + part.removeprefix(" ")
    if part and not part.startswith(" ") and _WORD_AND_CHARACTER.fullmatch(text[-1] + part[0]):
        return f"{text} {part}"
    return text + part
