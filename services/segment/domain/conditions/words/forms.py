"""Forms: sentences with slots, in English and Chinese. One form both writes a structure in words and reads it back."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from services.segment.domain.conditions.base import Condition
from services.segment.domain.conditions.tree import Not
from services.segment.domain.conditions.words.reader import Found, TextReader
from services.segment.domain.conditions.words.slots import Slot, Writer
from services.segment.domain.conditions.words.templates import (
    Fields,
    Piece,
    Templates,
    filled,
    phrases_of,
    pieces_of,
)
from shared.calendars.durations import Language

LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")


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


class Forms(Slot):
    """The sentences of one kind of structure: written by the first that can say it, read by the one that reads most."""

    def __init__(self, of: type[msgspec.Struct], *forms: Form, slots: Mapping[str, Slot]) -> None:
        self.of = of
        self.forms = forms
        self._defaults = {
            field.name: None if field.default is msgspec.NODEFAULT else field.default
            for field in msgspec.structs.fields(of)
        }
        self._pieces: dict[Language, list[tuple[Form, list[Piece]]]] = {}
        self._templates: dict[Language, Templates] = {}
        for language in LANGUAGES:
            pieces = self._pieces[language] = []
            templates = self._templates[language] = Templates()
            for form in forms:
                for n, template in enumerate(form.templates(language)):
                    pieces.append((form, pieces_of(template, {**slots, **form.slots})))
                    templates.add(pieces[-1][1], usual=n == 0)

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the sentence of a structure, or of its negation."""
        negated = isinstance(value, Not)
        inner = value.of if negated else value
        if not isinstance(inner, self.of):
            return None
        fields = msgspec.structs.asdict(inner)
        tried = None
        for form, pieces in self._pieces[writer.language]:
            if form is not tried and form.negated is negated:
                text = self._sentence(form, pieces, fields, writer)
                if text is not None:
                    return text
            tried = form
        return None

    def _sentence(self, form: Form, pieces: list[Piece], fields: Fields, writer: Writer) -> str | None:
        if any(fields[name] != value for name, value in form.sets.items()):
            return None
        shown: Fields | None = {name: value for name, value in fields.items() if name not in form.sets}
        if form.unfold is not None and shown is not None:
            shown = form.unfold(shown)
        if shown is None:
            return None
        names = {piece.name for piece in pieces}
        if any(value != self._defaults.get(name) for name, value in shown.items() if name not in names):
            return None
        return filled(pieces, shown, writer)

    def read(self, reader: TextReader, at: int) -> Found | None:
        """Returns the structure whose sentence stands there, or its negation."""
        for match in self._templates[reader.language].read(reader, at):
            form = self._pieces[reader.language][match.template][0]
            fields = match.fields if form.fold is None else form.fold(match.fields)
            if fields is not None:
                made = self._made({**form.sets, **fields})
                return (Not(of=made) if form.negated and isinstance(made, Condition) else made), match.end
        return None

    def _made(self, fields: Fields) -> msgspec.Struct:
        """Returns the structure. What is a default is left out: msgspec tells a default text by its identity."""
        return self.of(**{name: one for name, one in fields.items() if one != self._defaults.get(name)})

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns the phrases of all templates and of what is in their slots."""
        return (phrase for _, pieces in self._pieces[language] for phrase in phrases_of(pieces, language))


class Phrase(Slot):
    """A sentence with one slot, which stands for its value: `did {}`."""

    def __init__(self, slot: Slot, *, en: str | tuple[str, ...], zh: str | tuple[str, ...]) -> None:
        self._pieces: dict[Language, list[list[Piece]]] = {}
        self._templates: dict[Language, Templates] = {}
        for language, given in zip(LANGUAGES, (en, zh), strict=True):
            texts = (given,) if isinstance(given, str) else given
            pieces = [pieces_of(text.replace("{}", "{value}"), {"value": slot}) for text in texts]
            self._pieces[language] = pieces
            self._templates[language] = Templates()
            for n, one in enumerate(pieces):
                self._templates[language].add(one, usual=n == 0)

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the first sentence with the value in its slot."""
        return filled(self._pieces[writer.language][0], {"value": value}, writer)

    def read(self, reader: TextReader, at: int) -> Found | None:
        """Returns the value in the slot of the sentence that reads most."""
        matches = self._templates[reader.language].read(reader, at)
        return (matches[0].fields["value"], matches[0].end) if matches else None

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns the phrases of the sentences, and of what is in their slots."""
        return (phrase for pieces in self._pieces[language] for phrase in phrases_of(pieces, language))
