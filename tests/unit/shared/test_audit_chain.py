"""Whatever is done to a chain of audit entries, it shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.audit.chain import Actor, Break, Entry, Head, breaks, difference, entry_after

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXTS: Final = st.text(max_size=8)
CONTENT: Final = ("at", "subject", "scopes", "action", "object_kind", "object_id", "change")


def chain(*actions: str) -> list[Entry]:
    head, made = Head(), list[Entry]()
    for n, action in enumerate(actions):
        at = NOON + timedelta(seconds=n)
        by = Actor("operator", ("profile:admin",))
        made.append(entry_after(head, at=at, by=by, action=action, kind="source", object_id=str(n), change={"n": n}))
        head = Head(made[-1].sequence, made[-1].hash)
    return made


def found(entries: Sequence[Entry], head: Head) -> list[Break]:
    """What a verification finds that knows where the chain should end."""
    *broken, end = breaks(entries, before=Head())
    return [one for one in broken if isinstance(one, Break)] + ([] if end == head else [Break(0, "another end")])


chains: Final = st.lists(TEXTS, min_size=1, max_size=6).map(lambda actions: chain(*actions))


@dataclass(frozen=True)
class Tampering:
    """A chain as it was, and as it is after somebody was at it."""

    before: list[Entry]
    after: list[Entry]


@st.composite
def tamperings(draw: st.DrawFn) -> Tampering:
    before = draw(chains)
    at = draw(st.integers(0, len(before) - 1))
    after = list(before)
    match draw(st.sampled_from(["change", "rehash", "remove", "repeat", "swap", "renumber", "cut"])):
        case "change" | "rehash" as how:
            name = draw(st.sampled_from(CONTENT))
            old: Any = getattr(after[at], name)
            new = old + timedelta(microseconds=1) if name == "at" else old + "."
            after[at] = msgspec.structs.replace(after[at], **{name: new})
            if how == "rehash":  # somebody who knows how the hash is made
                after[at] = msgspec.structs.replace(after[at], hash=after[at].computed())
        case "remove":
            del after[at]
        case "repeat":
            after.insert(at, after[at])
        case "swap":
            after[at], after[at - 1] = after[at - 1], after[at]
            after = after if at else [*after, after[0]]
        case "renumber":
            after = [msgspec.structs.replace(one, sequence=n) for n, one in enumerate(after[at:], 1)][at == 0 :]
        case _:
            after = after[:at]
    return Tampering(before, after)


def end_of(entries: Sequence[Entry]) -> Head:
    return Head(entries[-1].sequence, entries[-1].hash)


@given(chains)
def test_a_chain_that_nobody_touched_holds(made: list[Entry]) -> None:
    assert found(made, end_of(made)) == []


@given(tamperings())
def test_changing_removing_repeating_or_moving_an_entry_shows(tampering: Tampering) -> None:
    assert found(tampering.after, end_of(tampering.before)) != []


@given(subject=st.text(alphabet=st.characters(codec=None), max_size=5))
def test_an_entry_can_be_kept_whatever_a_token_says_of_its_subject(subject: str) -> None:
    made = entry_after(Head(), at=NOON, by=Actor(subject), action="a", kind="b", object_id=subject, change={})
    assert "\x00" not in made.subject + made.object_id
    made.subject.encode()


def test_a_difference_names_what_changed_and_nothing_else() -> None:
    assert difference({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == {"b": [2, 3], "c": [None, 4]}
