"""What the demo sends, how it checks it, and how it says how far it is."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deploy.demo import cdnow, newcomers, segments
from deploy.demo.bars import bars
from deploy.demo.figures import Figures, Journey
from deploy.demo.job import history, plan_of
from deploy.demo.progress import State
from deploy.demo.summary import differences, message_ids, money
from deploy.local.settings import CHECKOUT
from services.segment.service.conditions import in_words, parsed
from services.segment.service.definitions import LIMITS

STATE = State(today=date(2026, 11, 30), slice_orders=300, newcomers=True, mails_after_import=0)


@cache  # whoever collects the tests does not read the whole file
def the_plan() -> cdnow.Plan:
    return plan_of(STATE)


def test_nobody_is_called_by_a_name_of_another_language_than_they_are_written_to_in() -> None:
    for customer in the_plan().customers:
        traits = cdnow.identify(customer, cdnow.moment(the_plan().lines[0], 0))["traits"]
        assert traits["first_name"].isascii() == (traits["language"] == "en"), traits
        assert (traits["language"] == "zh") == (traits["country"] == "CN")


def test_newcomers_are_none_of_the_files_customers_and_their_orders_none_of_its_lines() -> None:
    lines = cdnow.read(cdnow.path())
    assert {one.number for one in lines}.isdisjoint(one.number for one in the_plan().first_orders)
    assert {one.customer for one in lines}.isdisjoint((*newcomers.BUYERS, *newcomers.PROSPECTS))
    mine = set(the_plan().lines)
    assert cdnow.total_cents(the_plan().lines) == cdnow.total_cents(one for one in lines if one in mine)
    assert len(the_plan().lines) == 300


def test_the_import_introduces_everybody_once() -> None:
    sent = list(history(the_plan()))
    introduced = [one["userId"] for one in sent if one["type"] == "identify"]
    assert sorted(introduced) == sorted(the_plan().customers)
    assert {one["messageId"] for one in sent} < set(message_ids(the_plan()))


def test_a_demo_that_an_earlier_release_began_has_no_newcomers() -> None:
    plan = plan_of(replace_state(newcomers=False))
    assert (plan.first_orders, plan.prospects) == ((), ())
    assert not [one for one in plan.customers if one.startswith("newcomer")]


def replace_state(**changes: Any) -> State:
    return State(**{name: getattr(STATE, name) for name in STATE.__struct_fields__} | changes)


def as_sent() -> Figures:
    """What the databases say when all is as it was sent."""
    lines, customers = [*the_plan().lines, *the_plan().first_orders], len(the_plan().customers)
    found = Figures(customers=customers, profiles=customers, orders=len(lines), cents=cdnow.total_cents(lines))
    found.events, found.profiles_of_events = len(message_ids(the_plan())), customers
    found.tiers["bronze"] = customers
    found.journeys = [Journey("win-back", 5, 2, None)]
    return found


MAIL = {"distinct": 7, "duplicates": []}


def test_what_is_as_it_was_sent_has_no_difference_whatever_others_sent() -> None:
    others = replace(as_sent(), others_orders=3, others_customers=2, others_minor={"EUR": 1}, others_standings=2)
    assert differences(the_plan(), as_sent(), MAIL, STATE) == []
    assert differences(the_plan(), others, MAIL, STATE) == []


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("name", ["customers", "profiles", "orders", "cents", "events", "profiles_of_events"])
def test_a_total_that_is_off_by_one_is_told(name: str, by: int) -> None:
    found = as_sent()
    setattr(found, name, getattr(found, name) + by)
    assert differences(the_plan(), found, MAIL, STATE)


@pytest.mark.parametrize("name", ["other_amounts", "displaced"])
def test_an_order_of_another_amount_or_at_another_customer_is_told(name: str) -> None:
    found = as_sent()
    setattr(found, name, 1)
    assert differences(the_plan(), found, MAIL, STATE)


def test_a_mail_too_many_too_few_or_twice_is_told() -> None:
    for mail in ({**MAIL, "distinct": 6}, {**MAIL, "distinct": 8}, {**MAIL, "duplicates": [{}]}):
        assert differences(the_plan(), as_sent(), mail, STATE)
    assert differences(the_plan(), as_sent(), MAIL, replace_state(mails_after_import=1))


def test_a_message_of_which_nobody_knows_whether_it_left_may_be_among_the_mails() -> None:
    found = replace(as_sent(), unknown_messages=1)
    assert differences(the_plan(), found, MAIL, STATE) == []
    assert differences(the_plan(), found, {**MAIL, "distinct": 8}, STATE) == []
    assert differences(the_plan(), found, {**MAIL, "distinct": 9}, STATE)


def test_two_customers_that_became_one_are_told_unless_somebody_joined_them() -> None:
    merged = replace(
        as_sent(), profiles=len(the_plan().customers) - 1, profiles_of_events=len(the_plan().customers) - 1
    )
    merged.tiers["bronze"] -= 1
    assert differences(the_plan(), merged, MAIL, STATE)
    assert differences(the_plan(), replace(merged, joined=1), MAIL, STATE) == []


@pytest.mark.parametrize(
    ("currency", "text"), [("USD", "USD 1,234.50"), ("JPY", "JPY 123,450"), ("KWD", "KWD 123.450")]
)
def test_amounts_have_their_currencys_decimals(currency: str, text: str) -> None:
    assert money(currency, 123_450) == text


class Clock:
    """Seconds that the test counts."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_file_gets_a_plain_line_at_each_tenth_and_at_the_end() -> None:
    printed, clock = StringIO(), Clock()
    with bars(Console(file=printed, width=120), clock) as shown:
        bar = shown.add("Events sent", 10_000)
        for done in range(100, 10_001, 100):
            clock.now += 0.2
            bar.update(done)
            bar.update(done)
    lines = printed.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "Events sent: 1,000 of 10,000 (10 %), 500/s"
    assert lines[-1] == "Events sent: 10,000 of 10,000 (100 %), 500/s"
    assert "\x1b" not in printed.getvalue()


def test_a_slow_job_gets_a_line_now_and_then_and_a_fast_one_few() -> None:
    slow, clock = StringIO(), Clock()
    with bars(Console(file=slow, width=120), clock) as shown:
        bar = shown.add("Orders", 1_000_000)
        for done in range(1, 101):
            clock.now += 1
            bar.update(done)
    assert len(slow.getvalue().splitlines()) == 20
    fast = StringIO()
    with bars(Console(file=fast, width=120), clock) as shown:
        bar = shown.add("Orders", 1_000)
        for done in range(1, 1_001):
            bar.update(done)
    assert fast.getvalue().splitlines() == ["Orders: 1,000 of 1,000 (100 %), 1,000,000/s"]


def test_the_demos_segments_are_in_words_that_both_languages_read_alike() -> None:
    assert {one.language for one in segments.SEGMENTS} == {"en", "zh"}
    for one in segments.SEGMENTS:
        condition = parsed(one.words, one.language, LIMITS).condition
        for language, words in in_words(condition).items():
            assert parsed(words, language, LIMITS).condition == condition
    readme = (CHECKOUT / "README.md").read_text()
    for one in segments.SEGMENTS[:2]:
        assert f"`{one.words}`" in readme


def test_what_cannot_be_shown_ends_no_command(tmp_path: Path) -> None:
    home = tmp_path / "客群"
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "reset", "--yes"],
        cwd=CHECKOUT,
        env={**os.environ, "RAPPORT_HOME": str(home), "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Deleted the data in" in done.stdout


def _clause(
    kind: str, answer: bool | None, *parts: Any, words: str = "", turns_at: str | None = None
) -> dict[str, Any]:
    told = {"en": words} if words else None
    return {"kind": kind, "words": told, "answer": answer, "turns_at": turns_at, "parts": list(parts)}


def test_an_explanation_is_a_tree_of_what_is_true_false_and_unknown() -> None:
    clause = _clause(
        "all",
        False,
        _clause("did", False, words="did not order in the last 30 days", turns_at="2026-12-19T06:34:12Z"),
        _clause(
            "any",
            True,
            _clause("tier", True, words="tier is gold"),
            _clause("trait", None, words='trait city is "Berlin"'),
        ),
        _clause("not", True, _clause("tier", False, words="tier is gold"), words="tier is not gold"),
    )
    printed = StringIO()
    explanation = {"profile_id": "p", "segment_id": "s", "member": False, "clause": clause}
    Console(file=printed, width=120).print(segments.tree(explanation))
    assert [line.rstrip() for line in printed.getvalue().splitlines()] == [
        "Why the customer p is not in s",
        "└── false   all of these",
        "    ├── false   did not order in the last 30 days; turns by itself on 2026-12-19 at 06:34:12 UTC",
        "    ├── true    any of these",
        "    │   ├── true    tier is gold",
        '    │   └── unknown trait city is "Berlin"',
        "    └── true    tier is not gold",
    ]
