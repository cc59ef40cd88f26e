"""Conditions as documents: read from JSON with every mistake named at its place, and written back."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from services.segment.domain.conditions.base import Condition, Limits, Problem
from services.segment.domain.conditions.registry import KINDS
from services.segment.domain.conditions.tree import AllOf, AnyOf, Not
from shared.errors import Invalid

MAX_DEPTH: Final = 12
MAX_CONDITIONS: Final = 200

_PLACE: Final = re.compile(r"^(.*?)(?: - at `\$?([^`]*)`)?$", re.DOTALL)
_UNKNOWN_FIELD: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING_FIELD: Final = re.compile(r"Object missing required field `(.*)`", re.DOTALL)


class InvalidCondition(Invalid):
    """The condition is not valid."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{one.pointer or '/'}: {one.detail}" for one in problems[:10]))
        self.problems = tuple(problems)
        self.errors = [{"at": one.pointer or "/", "message": one.detail} for one in problems]


def read(document: Any, limits: Limits, *, pointer: str = "") -> Condition:
    """Returns the condition that a JSON document states. Raises `InvalidCondition` with all that is wrong with it."""
    counted = [0]
    found: list[Problem] = []
    condition = _read(document, pointer, 0, counted, found)
    if condition is not None:
        found += _problems(condition, limits, pointer)
    if found or condition is None:
        raise InvalidCondition(found)
    return condition


def written(condition: Condition) -> Any:
    """Returns the JSON document of a condition, as plain objects; `read` reads it back."""
    return msgspec.to_builtins(condition)


def nearest(name: str, known: Sequence[str]) -> str:
    """Returns a hint at the known name that is most like another; nothing if none is."""
    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _read(document: Any, pointer: str, depth: int, counted: list[int], found: list[Problem]) -> Condition | None:
    counted[0] += 1
    if counted[0] > MAX_CONDITIONS:
        if counted[0] == MAX_CONDITIONS + 1:
            found.append(Problem(pointer, f"there are more than {MAX_CONDITIONS} conditions"))
        return None
    if depth > MAX_DEPTH:
        found.append(Problem(pointer, f"conditions may lie {MAX_DEPTH} deep"))
        return None
    if not isinstance(document, Mapping):
        found.append(Problem(pointer, 'must be a condition: an object with the field "kind"'))
        return None
    name = document.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        hint = nearest(name, list(KINDS)) if isinstance(name, str) else ""
        found.append(Problem(f"{pointer}/kind", f"must be one of {', '.join(KINDS)}{hint}"))
        return None
    if kind in (AllOf, AnyOf):
        return _joined(kind, document, pointer, depth, counted, found)
    if kind is Not:
        found += _unknown_fields(Not, document, pointer)
        part = _read(document.get("of"), f"{pointer}/of", depth + 1, counted, found)
        return None if part is None else Not(of=part)
    return _converted(kind, document, pointer, found)


def _joined(
    kind: type[Condition],
    document: Mapping[str, Any],
    pointer: str,
    depth: int,
    counted: list[int],
    found: list[Problem],
) -> Condition | None:
    found += _unknown_fields(kind, document, pointer)
    parts = document.get("of")
    if not isinstance(parts, list | tuple):
        found.append(Problem(f"{pointer}/of", "must be a list of conditions"))
        return None
    read = [_read(one, f"{pointer}/of/{n}", depth + 1, counted, found) for n, one in enumerate(parts)]
    whole = tuple(one for one in read if one is not None)
    if len(whole) < len(parts):
        return None
    return AllOf(of=whole) if kind is AllOf else AnyOf(of=whole)


def _unknown_fields(kind: type[Condition], document: Mapping[str, Any], pointer: str) -> Iterator[Problem]:
    known = ("kind", *kind.__struct_fields__)
    for name in document:
        if name not in known:
            yield Problem(
                f"{pointer}/{name}", f"is not a field here; there are {', '.join(known)}{nearest(name, known)}"
            )


def _converted(
    kind: type[Condition], document: Mapping[str, Any], pointer: str, found: list[Problem]
) -> Condition | None:
    unknown = list(_unknown_fields(kind, document, pointer))
    if unknown:
        found += unknown
        return None
    try:
        return msgspec.convert(_frozen(document), type=kind)
    except msgspec.ValidationError as error:
        found.append(_problem(str(error), pointer, kind))
        return None


def _frozen(value: Any) -> Any:
    """Returns a document whose lists are tuples: a condition is immutable, and can be looked up."""
    if isinstance(value, Mapping):
        return {name: _frozen(one) for name, one in value.items()}
    return tuple(_frozen(one) for one in value) if isinstance(value, list | tuple) else value


def _problem(message: str, pointer: str, kind: type[Condition]) -> Problem:
    """Returns what msgspec found wrong, at its place as a JSON pointer, with what is allowed there."""
    match = _PLACE.match(message)
    assert match is not None
    text, path = match.group(1), match.group(2) or ""
    place = pointer + re.sub(r"\[(\d+|\.\.\.)\]", r"/\1", path.replace(".", "/", -1) if path else "")
    if missing := _MISSING_FIELD.match(text):
        return Problem(f"{place}/{missing.group(1)}", "is missing")
    if unknown := _UNKNOWN_FIELD.match(text):
        return Problem(f"{place}/{unknown.group(1)}", "is not a field here")
    if text.startswith("Invalid enum value"):
        allowed = _allowed(kind, place.removeprefix(pointer).strip("/").split("/"))
        given = text.removeprefix("Invalid enum value ").strip("'")
        return Problem(place, f"must be one of {', '.join(allowed)}{nearest(given, allowed)}" if allowed else text)
    return Problem(place, text[0].lower() + text[1:])


def _allowed(kind: type[Any], path: Sequence[str]) -> list[str]:
    """Returns the texts that a field may have, by its type."""
    info: Any = msgspec.inspect.type_info(kind)
    for name in path:
        if isinstance(info, msgspec.inspect.UnionType):
            info = next((one for one in info.types if isinstance(one, msgspec.inspect.StructType)), None)
        if isinstance(info, msgspec.inspect.VarTupleType):
            info = info.item_type
            continue
        if not isinstance(info, msgspec.inspect.StructType):
            return []
        info = next((field.type for field in info.fields if field.encode_name == name), None)
    return [str(one) for one in info.values] if isinstance(info, msgspec.inspect.LiteralType) else []


def _problems(condition: Condition, limits: Limits, pointer: str) -> Iterator[Problem]:
    for one in condition.problems(limits):
        yield Problem(pointer + one.pointer, one.detail)
    parts = condition.parts()
    for n, part in enumerate(parts):
        place = f"{pointer}/of" if isinstance(condition, Not) else f"{pointer}/of/{n}"
        yield from _problems(part, limits, place)
