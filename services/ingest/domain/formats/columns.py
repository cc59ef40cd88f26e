"""The columns that a preset reads, and what to say of a file that has others, or of a row that is refused for one."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from services.ingest.domain.definitions.expression import names_in
from services.ingest.domain.definitions.mapping import Document, Field, Rule
from services.ingest.domain.formats.files import NUMBER, PRESETS, Options
from services.ingest.domain.values.message import Message

# What exports of the tracking API have beside what is read here: where it was sent on to, and by whom.
_OF_EXPORTS: Final = frozenset(
    {"integrations", "originalTimestamp", "receivedAt", "channel", "version", "projectId", "writeKey", "_metadata"}
)
_MADE: Final = frozenset({NUMBER, "rows"})  # names that rows have beside their columns
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


def notes(options: Options, found: Iterable[str]) -> list[str]:
    """Returns sentences on how a mapping and a file's columns differ. They are no reason to refuse the file."""
    if options.mapping is None:
        return []
    there = list(dict.fromkeys(found))
    read = {*options.group, *_read(options.mapping)}
    plain = {one.name for rule in options.mapping.rules if not rule.each for one in _columns_of(rule)}
    missing = sorted(name for name in plain if names_in(name) == {name} and name not in there and name not in _MADE)
    unread = [name for name in there if name not in read]
    return [
        *(f"the mapping reads {_with_nearest(name, there)}, which the file does not have" for name in missing),
        *([f"the mapping does not read {', '.join(f'`{name}`' for name in unread)}"] if unread else []),
    ]


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
