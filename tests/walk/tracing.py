"""Which calls of our code were handed something: every call is noted with the texts of what it was given."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final
from uuid import UUID

import msgspec

ROOT: Final = Path(__file__).resolve().parents[2]
OURS: Final = tuple(f"{ROOT / name}/" for name in ("services", "shared"))
DEPTH: Final = 5  # of what is nested in an argument: a batch holds events, which hold a body, which holds an order id


@dataclass(frozen=True, slots=True)
class Call:
    """A call from one file of ours to another, or of a task's first function, whom nobody of ours calls.

    `callers` are (file, function), the nearest first; `given` is the text of its arguments, `around` that of theirs.
    """

    file: str
    function: str
    callers: Sequence[tuple[str, str]]
    given: str
    around: str


@dataclass
class Tracer:
    """Notes the calls between our files while `noting`; of this thread, so of one event loop."""

    calls: list[Call] = field(default_factory=list)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Notes what is called inside the block."""
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not _is_ours(frame) or frame.f_code.co_name.startswith("<"):
            return
        callers = list(_callers(frame))
        if callers and _file(callers[0]) == _file(frame):
            return
        around = " ".join(_given(one) for one in callers)
        places = [(_file(one), one.f_code.co_qualname) for one in callers]
        self.calls.append(Call(_file(frame), frame.f_code.co_qualname, places, _given(frame), around))


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(OURS)


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename.removeprefix(f"{ROOT}/")


def _callers(frame: FrameType) -> Iterator[FrameType]:
    """Our frames above this one, the nearest first: whoever calls or awaits it, up to a task's begin."""
    above = frame.f_back
    while above is not None:
        if _is_ours(above):
            yield above
        above = above.f_back


def _given(frame: FrameType) -> str:
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return " ".join(text for name in names for text in _texts(frame.f_locals.get(name), DEPTH))


def _texts(value: Any, depth: int) -> Iterator[str]:
    """The texts in a value of plain data; what a service's own objects hold was not given with the call."""
    match value:
        case str():
            yield value
        case UUID():
            yield str(value)
        case bytes() | bytearray() | memoryview():
            yield bytes(value).decode(errors="replace")
        case _ if depth == 0:
            return
        case Mapping():
            for key, one in value.items():
                yield from (*_texts(key, depth - 1), *_texts(one, depth - 1))
        case list() | tuple() | set() | frozenset():
            for one in value:
                yield from _texts(one, depth - 1)
        case msgspec.Struct():
            for name in value.__struct_fields__:
                yield from _texts(getattr(value, name, None), depth - 1)
        case _ if is_dataclass(value):
            for one in fields(value):
                yield from _texts(getattr(value, one.name, None), depth - 1)
