"""Dated facts as senders write them: what is a day is read, what is none costs itself alone, and nobody's birthday."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.changes import DatedFact
from shared.contracts.dated_facts import BIRTHDAY_TRAITS, MAX_STATED, NAMES, TRAIT, Statement, stated
from tests.support.examples import at_least
from tests.unit.contracts.strategies import json_values


def day(value: Any) -> str | None:
    """The birthday that a plain trait says."""
    return next((one.fact.date for one in stated({"birthday": value}).statements if one.fact), None)


def listed(*facts: Any) -> tuple[list[DatedFact | None], tuple[str, ...]]:
    """What a list says, and what is refused of it."""
    found = stated({TRAIT: list(facts)})
    return [one.fact for one in found.statements], found.refused


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1990-05-17", "1990-05-17"),
        (" 1990-5-7 ", "1990-05-07"),
        ("1990/05/17", "1990-05-17"),
        ("1990.05.17", "1990-05-17"),
        ("19900517", "1990-05-17"),
        ("1990年5月17日", "1990-05-17"),
        ("1990-05-17T00:00:00.000Z", "1990-05-17"),
        ("1990-05-17 00:00:00+08:00", "1990-05-17"),
        ("2000-02-29", "2000-02-29"),
        ("--05-17", "--05-17"),
        ("--0229", "--02-29"),
        ("5月17日", "--05-17"),
        ("0000-05-17", "--05-17"),
        ("1990-05-16T16:00:00.000Z", None),  # of a moment nobody knows which day it was where it was written
        ("05/17/1990", None),
        ("17.05.1990", None),
        ("1990-05/17", None),
        ("1990-02-29", None),
        ("--02-30", None),
        ("0001-01-01", None),
        ("2200-01-01", None),
        ("1990", None),
        ("١٩٩٠-٠٥-١٧", None),
        ("1" * 100_000, None),
        ("", None),
        (None, None),
        (19900517, None),
        (True, None),
        ({"year": 1990}, None),
    ],
)
def test_a_birthday_is_read_where_nobody_has_to_guess(written: Any, read: str | None) -> None:
    assert day(written) == read


@pytest.mark.parametrize("name", BIRTHDAY_TRAITS)
def test_other_names_of_a_birthday_are_the_same_fact(name: str) -> None:
    [one] = stated({name: "1990-05-17"}).statements
    assert one == Statement("birthday", "", DatedFact(kind="birthday", date="1990-05-17"), explicit=False)


def test_of_several_plain_traits_the_first_that_is_a_day_counts() -> None:
    found = stated({"dob": "1991-01-01", "birthday": "soon", "birthdate": "1990-05-17"})
    assert [one.fact and one.fact.date for one in found.statements] == ["1990-05-17"]
    assert found.refused == ("traits.birthday: not a day; send YYYY-MM-DD, or --MM-DD without the year",)


def test_a_list_has_several_facts_of_a_kind_by_label_in_either_calendar() -> None:
    facts, refused = listed(
        {"kind": " Birthday ", "date": "1990-04-23", "calendar": "Lunar", "leap_month": True},
        {"kind": "child_birthday", "label": " Mia ", "date": "2019-06-05"},
        {"kind": "child_birthday", "label": "小明", "date": "--08-15", "calendar": "gregorian", "leap_month": False},
        {"kind": "wedding", "label": None, "date": None},
    )
    assert facts == [
        DatedFact(kind="birthday", date="1990-04-23", calendar="lunar", leap_month=True),
        DatedFact(kind="child_birthday", label="Mia", date="2019-06-05"),
        DatedFact(kind="child_birthday", label="小明", date="--08-15"),
        None,
    ]
    assert refused == ()


def test_a_label_is_one_however_a_keyboard_writes_it() -> None:
    written = ("Zoe\u0301  Li", " Zo\u00e9\u3000Li ")
    facts, refused = listed(*({"kind": "child_birthday", "label": one, "date": "2019-06-05"} for one in written))
    assert facts == [DatedFact(kind="child_birthday", label="Zo\u00e9 Li", date="2019-06-05")]
    assert refused == ()


def test_the_list_counts_before_a_plain_trait_and_the_later_of_two_in_it() -> None:
    lunar = {"kind": "birthday", "date": "1990-04-23", "calendar": "lunar"}
    found = stated({"birthday": "1990-05-17", TRAIT: [{**lunar, "date": "1990-04-22"}, lunar]})
    assert [(one.fact and one.fact.date, one.explicit) for one in found.statements] == [("1990-04-23", True)]


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ("1990-05-17", ""),
        ({"date": "1990-05-17"}, ".kind"),
        ({"kind": "child birthday", "date": "1990-05-17"}, ".kind"),
        ({"kind": "k" * 41, "date": "1990-05-17"}, ".kind"),
        ({"kind": 7, "date": "1990-05-17"}, ".kind"),
        ({"kind": "birthday"}, ".date"),
        ({"kind": "birthday", "date": "17 May"}, ".date"),
        ({"kind": "birthday", "date": 5}, ".date"),
        ({"kind": "birthday", "date": "1990-04-31"}, ".date"),
        ({"kind": "birthday", "date": "1990-04-31", "calendar": "lunar"}, ".date"),
        ({"kind": "birthday", "date": "1990-13-01", "calendar": "lunar"}, ".date"),
        ({"kind": "birthday", "date": "1990-05-17", "calendar": "julian"}, ".calendar"),
        ({"kind": "birthday", "date": "1990-05-17", "leap_month": True}, ".leap_month"),
        ({"kind": "birthday", "date": "1990-05-17", "calendar": "lunar", "leap_month": 1}, ".leap_month"),
        ({"kind": "birthday", "date": "1990-05-17", "label": 7}, ".label"),
        ({"kind": "birthday", "date": "1990-05-17", "label": "x" * 61}, ".label"),
        ({"kind": "birthday", "date": "1990-05-17", "label": "a\nb"}, ".label"),
        ({"kind": "birthday", "date": "1990-05-17", "calender": "lunar"}, ""),
    ],
)
def test_a_fact_that_is_wrong_costs_itself_alone_and_says_where(wrong: Any, where: str) -> None:
    right = {"kind": "wedding", "date": "2010-10-10"}
    facts, [refused] = listed(wrong, right)
    assert facts == [DatedFact(kind="wedding", date="2010-10-10")]
    assert refused.startswith(f"traits.dated_facts[0]{where}: ")


def test_a_list_that_is_none_or_too_long_says_so() -> None:
    assert stated({TRAIT: {"kind": "birthday"}}).refused == (
        "traits.dated_facts: not a list; send a list of objects with kind and date",
    )
    facts, [refused] = listed(*({"kind": "x", "label": str(n), "date": "--01-01"} for n in range(MAX_STATED + 5)))
    assert len(facts) == MAX_STATED
    assert refused == "traits.dated_facts: more than 20; only the first 20 are read"


@settings(max_examples=at_least(150))
@given(st.dictionaries(st.sampled_from(sorted(NAMES)), json_values | st.lists(json_values, max_size=4), max_size=3))
def test_whatever_traits_hold_nothing_is_raised_and_what_is_read_reads_the_same_again(traits: dict[str, Any]) -> None:
    found = stated(traits)
    again = [
        {name: getattr(one.fact, name) for name in DatedFact.__struct_fields__}
        for one in found.statements
        if one.fact is not None
    ]
    facts, refused = listed(*again)
    assert facts == [one.fact for one in found.statements if one.fact is not None]
    assert refused == ()


def test_no_text_repeats_what_may_be_a_birthday() -> None:
    listed = [{"kind": "x", "date": "1789-05-17"}, {"kind": "y", "date": "1790-02-30"}]
    texts = stated({"birthday": "17.05.1789", "dob": "1789-05-17", TRAIT: listed}).refused
    assert len(texts) == 4
    assert not any(part in text for text in texts for part in ("1789", "05-17", "1790"))
