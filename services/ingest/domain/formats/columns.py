"""The columns that a preset reads, and what to say of a file that has others, or of a row that is refused for one."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from services.ingest.domain.definitions.expression import names_in, outer_names
from services.ingest.domain.definitions.mapping import Document, Field, Rule
from services.ingest.domain.formats.files import BEYOND, NUMBER, PRESETS, PROBLEM, REQUIRED, TIMES, FileFormat, Options
from services.ingest.domain.values.message import Message

# What exports of the tracking API have beside what is read here: where it was sent on to, and by whom.
_OF_EXPORTS: Final = frozenset(
    {"integrations", "receivedAt", "channel", "version", "projectId", "writeKey", "_metadata"}
)
_ROWS: Final = "rows"  # of a group
_MADE: Final = frozenset({NUMBER, BEYOND, PROBLEM})  # names that rows have beside their columns
_DELIMITERS: Final = {";": "';'", "\t": "a tab", "|": "'|'", ",": "','"}
_RULE: Final = re.compile(r"^rules\[(\d+)\]\.fields\.([\w.]+)")
SIMILAR: Final = 0.6  # of two names, from 0 to 1: above it one may be a misspelling of the other


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a preset: what it becomes, in the words of the tracking API, and how it is read."""

    name: str
    target: str
    read_as: str


@lru_cache
def columns_of(preset: str) -> tuple[Column, ...]:
    """Returns the columns of a preset, in the order in which it has them."""
    document = PRESETS[preset]
    if document is None:
        return tuple(Column(one, one, "as it is") for one in Message.__struct_encode_fields__)
    return tuple(_columns(msgspec.convert(document, Document)))


def _columns(document: Document) -> Iterable[Column]:
    for rule in document.rules:
        yield from _columns_of(rule)


def _columns_of(rule: Rule) -> Iterator[Column]:
    for target, field in rule.fields.items():
        if isinstance(field, str):
            yield Column(field, target, "as it is")
        elif field.from_:
            yield Column(field.from_, target, field.as_ or "as it is")


def unknown(options: Options, found: Iterable[str]) -> str:
    """Returns what is wrong with a file's columns and what to do about it; empty if nothing is wrong.

    A mapping names the columns that it reads, so only the columns of a preset are judged.
    """
    if not options.preset:
        return ""
    found = list(found)
    if split := _undivided(options, found):
        return split
    known = [one.name for one in columns_of(options.preset)]
    passed = {*known, *options.ignore_columns, *(_OF_EXPORTS if PRESETS[options.preset] is None else ())}
    strange = [name for name in dict.fromkeys(found) if name not in passed]
    if not strange:
        return ""
    listed = ", ".join(_with_nearest(name, known) for name in strange)
    return (
        f"the preset {options.preset} does not know {listed}. It reads {', '.join(known)}. Rename what is misnamed, "
        f"write a mapping, or pass over them: --ignore-columns '{','.join(strange)}' (ignore_columns over HTTP)"
    )


def problem(options: Options, found: Sequence[str]) -> str:
    """Returns why nothing of a file with these columns is to be imported; empty if there is no such reason.

    A column that is read must be there, once. `found` has a name as often as the file has it.
    """
    if split := _undivided(options, found):
        return split
    if made := sorted({*found} & (_MADE | ({_ROWS} if options.group else set()))):
        return f"the column `{made[0]}` has a name that rows get here; rename it"
    read = {*_read(options.mapping), *options.group} if options.mapping else {*found} - {*options.ignore_columns}
    if twice := [name for name, times in Counter(found).items() if times > 1 and name in read]:
        return f"the column `{twice[0]}` stands twice; which of the two is meant is not guessed"
    if lost := [name for name in options.group if name not in found]:
        return f"there is no column {lost[0]!r}, by which rows are to be grouped"
    there = {*found}
    if missing := [names for names in _needed(options) if not names & there]:
        listed = ", ".join(" or ".join(_with_nearest(name, list(found)) for name in sorted(names)) for names in missing)
        return f"{_reader(options)} reads {listed}, which the file does not have"
    return ""


def _undivided(options: Options, found: Sequence[str]) -> str:
    if len(found) != 1 or options.format is not FileFormat.CSV:
        return ""
    sign = next((one for one in _DELIMITERS if one in found[0] and one != options.delimiter), "")
    return f"there is one column, {found[0]!r}: is {_DELIMITERS[sign]} the file's delimiter?" if sign else ""


def _reader(options: Options) -> str:
    return f"the preset {options.preset}" if options.preset else "the mapping"


def _needed(options: Options) -> Iterator[frozenset[str]]:
    if options.mapping is not None:
        needed = (names for rule in options.mapping.rules for names in _of_rule(rule))
        yield from dict.fromkeys(names for names in needed if not names & {NUMBER, _ROWS})
        return
    yield from map(frozenset, REQUIRED[options.preset])
    if options.historical and options.preset in TIMES:
        yield frozenset({TIMES[options.preset]})


def _of_rule(rule: Rule) -> Iterator[frozenset[str]]:
    yield from outer_names(rule.when, through=_ROWS) if rule.when else ()
    yield from outer_names(rule.each, through=_ROWS) if rule.each else ()
    if rule.each and outer_names(rule.each) != (frozenset({_ROWS}),):
        return  # its fields are read of what lies in a column
    yield from _of_fields(rule.fields)
    if isinstance(rule.event, Field):
        yield from _of_fields({"event": rule.event})


def _of_fields(fields: Mapping[str, str | Field]) -> Iterator[frozenset[str]]:
    for one in fields.values():
        field = Field(from_=one) if isinstance(one, str) else one
        if field.default is None and field.from_:
            yield from outer_names(field.from_, through=_ROWS)
        if field.each:
            yield from outer_names(field.each, through=_ROWS)
            if outer_names(field.each) == (frozenset({_ROWS}),):
                yield from _of_fields(field.fields)


def notes(options: Options, found: Iterable[str]) -> list[str]:
    """Returns sentences on what a mapping leaves unread of a file. They are no reason to refuse it."""
    if options.mapping is None:
        return []
    read = {*options.group, *_read(options.mapping)}
    unread = [name for name in dict.fromkeys(found) if name not in read]
    return [f"the mapping does not read {', '.join(f'`{name}`' for name in unread)}"] if unread else []


def _read(document: Document) -> Iterator[str]:
    for rule in document.rules:
        yield from names_in(rule.when)
        yield from names_in(rule.each)
        yield from _names_of(rule.fields)
        if isinstance(rule.event, Field):
            yield from _names_of({"event": rule.event})


def _names_of(fields: Mapping[str, str | Field]) -> Iterator[str]:
    for field in fields.values():
        if isinstance(field, str):
            yield from names_in(field)
        else:
            yield from (*names_in(field.from_), *names_in(field.each), *_names_of(field.fields))


def _with_nearest(name: str, known: list[str]) -> str:
    plain = {_plain(one): one for one in reversed(known)}
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=SIMILAR)
    return f"`{name}` (known: {plain[near[0]]})" if near else f"`{name}`"


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")


def named(text: str, document: Document | None) -> str:
    """Returns the reason why a row was refused, after the columns that it is about, by their names in the file."""
    if document is None:
        return text
    found = _RULE.match(text)
    if found is not None and int(found[1]) < len(document.rules):
        about = _of_path(document.rules[int(found[1])].fields, found[2])
    else:
        targets = {one.target: one.name for one in _columns(document)}
        about = [
            name for target, name in targets.items() if re.search(rf"(?<![\w.]){re.escape(target)}(?![\w.])", text)
        ]
    about = list(dict.fromkeys(about))
    return f"column{'' if len(about) == 1 else 's'} {', '.join(about)}: {text}" if about else text


def _of_path(fields: Mapping[str, Any], path: str) -> list[str]:
    for target, field in fields.items():
        if path == target:
            return [field] if isinstance(field, str) else [field.from_ or field.each]
        if isinstance(field, Field) and field.fields and path.startswith(f"{target}.fields."):
            return _of_path(field.fields, path.removeprefix(f"{target}.fields."))
    return []
