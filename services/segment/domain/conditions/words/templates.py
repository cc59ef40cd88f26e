"""Templates of sentences: phrases and slots in braces. They are written one by one, and read together."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from string import Formatter
from typing import Any, Final, NamedTuple

from services.segment.domain.conditions.words.reader import TextReader
from services.segment.domain.conditions.words.slots import Slot, Writer, pattern_of
from shared.calendars.durations import Language

Fields = Mapping[str, Any]

# Between a word or a quotation and a Chinese character stands a space, whichever comes first.
_WORD_AND_CHARACTER: Final = re.compile(r'[A-Za-z_"][\u3400-\u9fff]|[\u3400-\u9fff][A-Za-z_"]')


class Piece(NamedTuple):
    """A part of a template: a phrase as it is written, or a slot by its name."""

    phrase: str
    name: str = ""
    slot: Slot | None = None


class Match(NamedTuple):
    """A template that was read: its number, what is in its slots, and the place after it."""

    template: int
    fields: Fields
    end: int


class Templates:
    """Several templates, the first of which, and others that are `usual`, are told where none can be read."""

    def __init__(self) -> None:
        self._root = _Node()
        self._number = 0

    def add(self, pieces: Sequence[Piece], *, usual: bool) -> None:
        """Adds a template. It shares with others how they begin, so that this is read once."""
        node = self._root
        for piece in pieces:
            if piece.slot is not None or piece.phrase.strip():
                node = node.after(piece, usual=usual)
        node.ends.append(self._number)
        self._number += 1

    def read(self, reader: TextReader, at: int) -> list[Match]:
        """Returns the templates that stand there, those that read most first, and those added first before others."""
        return sorted(self._root.read(reader, at, {}), key=lambda match: (-match.end, match.template))


class _Node:
    """What may follow a beginning that templates share."""

    def __init__(self) -> None:
        self.ends: list[int] = []
        self._next: dict[tuple[str, str, int], _Edge] = {}

    def after(self, piece: Piece, *, usual: bool) -> "_Node":
        key = (piece.phrase.strip(), piece.name, id(piece.slot))
        if key not in self._next:
            self._next[key] = _Edge(piece)
        self._next[key].usual |= usual
        return self._next[key].node

    def read(self, reader: TextReader, at: int, fields: dict[str, Any]) -> Iterator[Match]:
        for number in self.ends:
            yield Match(number, fields, at)
        for edge in self._next.values():
            if edge.slot is not None:
                found = reader.read(edge.slot, at)
                if found is not None:
                    yield from edge.node.read(reader, found[1], {**fields, edge.name: found[0]})
            else:
                end = reader.match(edge.pattern, at, edge.phrase, usual=edge.usual)
                if end is not None:
                    yield from edge.node.read(reader, end, fields)


class _Edge:
    """A piece, and what may follow it."""

    def __init__(self, piece: Piece) -> None:
        self.phrase = piece.phrase.strip()
        self.pattern = pattern_of([self.phrase] if self.phrase else [])
        self.name = piece.name
        self.slot = piece.slot
        self.usual = False
        self.node = _Node()


def pieces_of(template: str, slots: Mapping[str, Slot]) -> list[Piece]:
    """Returns the pieces of a template with these slots."""
    pieces: list[Piece] = []
    for phrase, name, _, _ in Formatter().parse(template):
        if phrase:
            pieces.append(Piece(phrase))
        if name is not None:
            pieces.append(Piece("", name, slots[name]))
    return pieces


def filled(pieces: Sequence[Piece], fields: Fields, writer: Writer) -> str | None:
    """Returns a template with values in its slots; None if one of them can't be written."""
    text = ""
    for piece in pieces:
        part = piece.phrase if piece.slot is None else piece.slot.write(fields[piece.name], writer)
        if part is None:
            return None
        text = _joined(text, part)
    return text.rstrip(" ")


def phrases_of(pieces: Iterable[Piece], language: Language) -> Iterator[str]:
    """Returns the phrases of a template and of what is in its slots."""
    for piece in pieces:
        if piece.slot is None:
            yield piece.phrase.strip()
        else:
            yield from piece.slot.phrases(language)


def _joined(text: str, part: str) -> str:
    """Returns a text with a part after it, with one space between them where either has some; none before a comma."""
    if part.startswith((",", "，", "）")):
        return text.rstrip(" ") + part
    if not text or text.endswith(" "):
        return text + part.removeprefix(" ")
    if part and not part.startswith(" ") and _WORD_AND_CHARACTER.fullmatch(text[-1] + part[0]):
        return f"{text} {part}"
    return text + part
