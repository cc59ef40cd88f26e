"""The laws of the dry run: at last it says what is true now, and it turns when the live path would have turned."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from services.segment.domain.conditions.base import Condition, Limits
from services.segment.domain.conditions.customer import ORDERS, Customer, Happening, Occurrence
from services.segment.domain.conditions.document import read
from services.segment.domain.conditions.program import compiled
from services.segment.domain.definitions import definitions, ready
from services.segment.domain.dry_run import Day, Replayed, as_of, per_day, replay
from services.segment.domain.membership import MembershipState, look, pass_time
from tests.support.conditions import bare, customers, dated_documents, undated_documents
from tests.support.events import NOON
from tests.support.examples import at_least

LIMITS = Limits()
START = NOON - timedelta(days=100)
TICK = timedelta(microseconds=1)
DOCUMENTS = st.one_of(undated_documents, undated_documents, bare, dated_documents)


def fed(customer: Customer) -> Iterator[tuple[datetime, set[str], Customer]]:
    """The customer as each moment's events come in, one after the other: when, which, and how the customer then is."""
    events = sorted(
        ((one.at, name, one) for name, of in customer.history.items() for one in of),
        key=lambda event: (event[0], event[2].event_id),
    )
    history: dict[str, tuple[Happening, ...]] = {}
    occurrences: dict[str, Occurrence] = {}
    yield START, set(), structs.replace(customer, history={}, occurrences={})
    for at, group in groupby(events, key=lambda event: event[0]):
        names = set()
        for _, name, one in group:
            names.add(name)
            history = {**history, name: (*history.get(name, ()), one)}
            if name != ORDERS:
                known = occurrences.get(name)
                counted = Occurrence(1, at, at) if known is None else Occurrence(known.times + 1, known.first_at, at)
                occurrences = {**occurrences, name: counted}
        yield at, names, structs.replace(customer, history=history, occurrences=occurrences)


def lived(condition: Condition, customer: Customer) -> tuple[bool, list[tuple[datetime, bool]]]:
    """Whether the live path has the customer in at first, and what it publishes until noon."""
    made = definitions([ready("live", 1, "Live", condition, START, backfilling=False)])
    known: Mapping[str, MembershipState] = {}
    turns: list[tuple[datetime, bool]] = []
    before, current = False, customer
    for at, names, then in fed(customer):
        if not names:
            looked = look(made, [0], then, known, at, "defined")
            before = bool(looked.turns)
        else:
            timed = pass_time(made, current, known, at - TICK)
            turns += [(turn.at, turn.member) for turn in timed.turns]
            known = {**known, **timed.known}
            looked = look(made, made.touched(f"event:{name}" for name in names), then, known, at, "event")
            turns += [(turn.at, turn.member) for turn in looked.turns]
        known, current = {**known, **looked.known}, then
    timed = pass_time(made, current, known, NOON)
    return before, turns + [(turn.at, turn.member) for turn in timed.turns]


@settings(max_examples=at_least(500))
@given(DOCUMENTS, customers())
def test_a_dry_run_turns_when_the_live_path_would_have_and_ends_as_it_is_now(
    document: dict[str, Any], customer: Customer
) -> None:
    condition = read(document, LIMITS)
    program = compiled(condition)

    found = replay(program, customer, START, NOON, known_at=NOON)

    assert (found.before, list(found.entries())) == lived(condition, customer)
    assert found.member is program.holds(customer, NOON)


@settings(max_examples=at_least(150))
@given(DOCUMENTS, customers(), st.integers(1, 99))
def test_a_dry_run_of_a_part_of_the_time_is_that_part_of_the_whole(
    document: dict[str, Any], customer: Customer, days: int
) -> None:
    program, middle = compiled(read(document, LIMITS)), START + timedelta(days=days)
    whole = replay(program, customer, START, NOON, known_at=NOON)
    first = replay(program, customer, START, middle, known_at=NOON)
    second = replay(program, customer, middle, NOON, known_at=NOON)

    assert first.turns + second.turns == whole.turns
    assert (first.before, second.before) == (whole.before, first.member)


def test_what_histories_keep_no_more_was_before_all_that_they_keep() -> None:
    kept = tuple(Happening(NOON - timedelta(days=n)) for n in (3, 2, 1))
    years_ago = NOON - timedelta(days=2_000)
    customer = Customer(
        profile_id=UUID(int=1),
        history={"seen": kept},
        occurrences={"seen": Occurrence(1_003, years_ago, kept[-1].at)},
    )

    then = as_of(customer, NOON - timedelta(days=2), NOON)

    assert then.occurrences["seen"] == Occurrence(1_002, years_ago, NOON - timedelta(days=2))
    assert as_of(customer, years_ago - TICK, NOON).occurrences == {}


def test_days_have_who_entered_who_left_and_who_was_in_at_their_end() -> None:
    first, second = NOON, NOON + timedelta(days=1)
    replayed = [
        Replayed(before=False, turns=(first, second)),
        Replayed(before=True, turns=(second,)),
        Replayed(before=False, turns=(first, first + TICK, first + 2 * TICK)),
    ]

    assert per_day(replayed, NOON - timedelta(hours=1), second + timedelta(days=1)) == {
        date(2026, 3, 1): Day(entered=3, left=1, size=3),
        date(2026, 3, 2): Day(entered=0, left=2, size=1),
        date(2026, 3, 3): Day(entered=0, left=0, size=1),
    }
