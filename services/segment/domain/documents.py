"""What is wrong with a definition that somebody wrote: all of it at once, each with its place and what may stand there.

`problems_of` holds a document, as decoded from JSON, against a msgspec type, which is also what its JSON Schema is made
from; msgspec itself tells the first error only.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from shared.errors import Invalid

MAX_ALLOWED: Final = 40  # names that an answer lists
MAX_PROBLEMS: Final = 50  # that an answer lists


class DefinitionProblem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong: where (a JSON pointer, RFC 6901), what is allowed there, and the nearest of those."""

    at: str
    message: str
    allowed: tuple[str, ...] = ()
    nearest: str | None = None

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.at or 'the document'}: {self.message}{hint}"


class InvalidDefinition(Invalid):
    """The definition is not valid."""

    def __init__(self, problems: Sequence[DefinitionProblem]) -> None:
        self.problems = tuple(problems[:MAX_PROBLEMS])
        super().__init__("; ".join(str(one) for one in self.problems))
        self.errors = [msgspec.to_builtins(one) for one in self.problems]


def not_among(at: str, what: str, value: object, allowed: Iterable[str]) -> DefinitionProblem:
    """Returns the problem of a name that is none of those allowed, with the nearest of them."""
    names = list(allowed)
    near = get_close_matches(str(value), names, 1)
    return DefinitionProblem(at, f"{what}: {_shown(value)}", tuple(names[:MAX_ALLOWED]), near[0] if near else None)


def pointer(at: str, part: str | int) -> str:
    """Returns the JSON pointer of a member."""
    return f"{at}/{str(part).replace('~', '~0').replace('/', '~1')}"


def problems_of(document: object, kind: type, *, at: str = "") -> list[DefinitionProblem]:
    """Returns everything about a document that its type does not allow, in the document's order.

    `at` is the pointer of the document itself.
    """
    return list(_wrong(document, _type_of(kind), at))


@lru_cache
def _type_of(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


def _wrong(value: Any, kind: inspect.Type, at: str) -> Iterator[DefinitionProblem]:
    match kind:
        case inspect.Metadata(type=inner):
            yield from _wrong(value, inner, at)
        case inspect.StructType():
            yield from _wrong_struct(value, kind, at)
        case inspect.UnionType(types=types):
            yield from _wrong_union(value, types, at)
        case inspect.LiteralType(values=values):
            if value not in values:
                yield not_among(at, "there is no such value", value, [str(one) for one in values])
        case inspect.IntType():
            yield from _wrong_number(value, kind, at)
        case inspect.StrType():
            yield from _wrong_text(value, kind, at)
        case inspect.VarTupleType() | inspect.ListType():
            yield from _wrong_list(value, kind, at)
        case inspect.DictType():
            yield from _wrong_mapping(value, kind, at)
        case inspect.BoolType():
            if not isinstance(value, bool):
                yield DefinitionProblem(at, "must be true or false")
        case inspect.FloatType():
            if isinstance(value, bool) or not isinstance(value, int | float):
                yield DefinitionProblem(at, "must be a number")
        case inspect.NoneType():
            if value is not None:
                yield DefinitionProblem(at, "must be null")
        case _:
            raise TypeError(f"{kind!r}: no type of a definition")


def _wrong_struct(value: Any, kind: inspect.StructType, at: str) -> Iterator[DefinitionProblem]:
    names = [one.encode_name for one in kind.fields]
    if not isinstance(value, Mapping):
        yield DefinitionProblem(at, f"must be an object with {', '.join(names)}")
        return
    known = {one.encode_name: one for one in kind.fields}
    for name, member in value.items():
        if name in known:
            yield from _wrong(member, known[name].type, pointer(at, name))
        elif name != kind.tag_field:
            yield not_among(pointer(at, name), "there is no such field", name, names)
    for one in kind.fields:
        if one.required and one.encode_name not in value:
            yield DefinitionProblem(pointer(at, one.encode_name), "is missing")


def _wrong_union(value: Any, types: Sequence[inspect.Type], at: str) -> Iterator[DefinitionProblem]:
    if value is None and any(isinstance(one, inspect.NoneType) for one in types):
        return
    others = [one for one in types if not isinstance(one, inspect.NoneType)]
    tagged = {one.tag: one for one in others if isinstance(one, inspect.StructType) and one.tag_field}
    if tagged and len(tagged) == len(others):
        field = next(iter(tagged.values())).tag_field or ""
        if not isinstance(value, Mapping) or field not in value:
            yield DefinitionProblem(at, f"must be an object with {field}", tuple(str(one) for one in tagged))
        elif not isinstance(value[field], str) or value[field] not in tagged:
            allowed = [str(one) for one in tagged]
            yield not_among(pointer(at, field), f"there is no such {field}", value[field], allowed)
        else:
            yield from _wrong(value, tagged[value[field]], at)
        return
    found = [list(_wrong(value, one, at)) for one in others]
    if all(found):
        yield min(found, key=len)[0]


def _wrong_number(value: Any, kind: inspect.IntType, at: str) -> Iterator[DefinitionProblem]:
    if isinstance(value, bool) or not isinstance(value, int):
        yield DefinitionProblem(at, "must be a whole number")
    elif kind.ge is not None and value < kind.ge:
        yield DefinitionProblem(at, f"must be at least {kind.ge}")
    elif kind.le is not None and value > kind.le:
        yield DefinitionProblem(at, f"must be at most {kind.le}")


def _wrong_text(value: Any, kind: inspect.StrType, at: str) -> Iterator[DefinitionProblem]:
    if not isinstance(value, str):
        yield DefinitionProblem(at, "must be a text")
    elif kind.min_length is not None and len(value) < kind.min_length:
        yield DefinitionProblem(at, "must not be empty")
    elif kind.max_length is not None and len(value) > kind.max_length:
        yield DefinitionProblem(at, f"must have at most {kind.max_length} characters")
    elif kind.pattern is not None and not re.search(kind.pattern, value):
        yield DefinitionProblem(at, f"must match {kind.pattern}")


def _wrong_list(value: Any, kind: inspect.VarTupleType | inspect.ListType, at: str) -> Iterator[DefinitionProblem]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        yield DefinitionProblem(at, "must be a list")
        return
    if kind.min_length is not None and len(value) < kind.min_length:
        yield DefinitionProblem(at, f"must have at least {kind.min_length}")
    if kind.max_length is not None and len(value) > kind.max_length:
        yield DefinitionProblem(at, f"must have at most {kind.max_length}")
        return
    for place, member in enumerate(value):
        yield from _wrong(member, kind.item_type, pointer(at, place))


def _wrong_mapping(value: Any, kind: inspect.DictType, at: str) -> Iterator[DefinitionProblem]:
    if not isinstance(value, Mapping):
        yield DefinitionProblem(at, "must be an object")
        return
    if kind.max_length is not None and len(value) > kind.max_length:
        yield DefinitionProblem(at, f"must have at most {kind.max_length} members")
        return
    for name, member in value.items():
        yield from _wrong(name, kind.key_type, pointer(at, name))
        yield from _wrong(member, kind.value_type, pointer(at, name))


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:80]}…"
