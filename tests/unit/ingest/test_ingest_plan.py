"""Tracking plans: what they say of an event, and what follows from it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain import judge as normalising
from services.ingest.domain.definitions.plan import NO_PLAN, Mode, Plan, PlanDocument, Planned
from services.ingest.domain.errors import BadDefinition, BadEvent, Reason
from tests.unit.ingest.test_ingest_normalise import JSON, request_context

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["size"],
    "properties": {"size": {"type": "integer", "minimum": 1}, "colours": {"items": {"enum": ["red", "green"]}}},
}


def plan(mode: Mode = Mode.WARN, *, unplanned: Mode = Mode.OBSERVE, schema: dict[str, Any] = SCHEMA) -> Plan:
    return Plan(PlanDocument(events={"Sized": Planned(properties=schema, mode=mode)}, unplanned=unplanned), 3)


def judged(by: Plan, event: str, properties: Any) -> str | None:
    found = by.judge(event, json.dumps(properties).encode())
    return None if found is None else f"{found.mode}: {found.text}"


def test_what_is_as_planned_is_no_violation() -> None:
    assert judged(plan(), "Sized", {"size": 3, "colours": ["red"], "more": None}) is None


def test_every_violation_says_where_and_what() -> None:
    assert judged(plan(), "Sized", {}) == 'warn: properties: "size" is a required property'
    assert judged(plan(), "Sized", {"size": 0, "colours": ["red", "blue"]}) == (
        "warn: properties.size: 0 is less than the minimum of 1; "
        'properties.colours[1]: "blue" is not one of "red" or "green"'
    )


def test_an_event_that_is_not_planned_has_a_mode_of_its_own() -> None:
    assert judged(plan(), "Weighed", {}) == "observe: event 'Weighed': not in the plan"
    assert judged(plan(unplanned=Mode.ENFORCE), "Weighed", {}) == "enforce: event 'Weighed': not in the plan"


def test_without_a_plan_nothing_is_wrong() -> None:
    assert judged(NO_PLAN, "Sized", {}) is None
    assert not NO_PLAN
    assert plan()


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "sausage"}, "events.Sized.properties: not a JSON Schema"),
        ({"$ref": "https://example.com/schema"}, "only references within the schema"),
        ({"$ref": "#/nowhere"}, "events.Sized.properties: not a JSON Schema"),
        ({"description": "x" * 70_000}, "larger than 65536 bytes"),
        ({"pattern": "("}, "events.Sized.properties: not a JSON Schema"),
    ],
)
def test_a_plan_that_cant_be_used_says_where_and_why(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadDefinition, match=r"events\.Sized") as refused:
        plan(schema=schema)
    assert reason in str(refused.value)


def test_a_plan_has_a_limit_of_events() -> None:
    with pytest.raises(BadDefinition, match="at most 500"):
        Plan(PlanDocument(events={str(n): Planned() for n in range(501)}))


def normal(by: Plan, **message: Any) -> normalising.Normal:
    raw = json.dumps({"userId": "42", "messageId": "m-1", **message}).encode()
    return normalising.normalise(raw, request_context(plan=by))


def test_an_enforced_plan_refuses_and_a_warning_one_changes_nothing_of_the_event() -> None:
    call = {"type": "track", "event": "Sized", "properties": {}}
    free, warned = normal(NO_PLAN, **call), normal(plan(Mode.WARN), **call)
    assert free.violation is None
    assert warned.violation is not None
    assert (warned.event, warned.violation.mode) == (free.event, Mode.WARN)
    with pytest.raises(BadEvent, match='"size" is a required property; send what the plan says') as refused:
        normal(plan(Mode.ENFORCE), **call)
    assert refused.value.reason is Reason.PLAN


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ({"type": "identify", "traits": {"size": 1}}, "Identify"),
        ({"type": "page", "properties": {"size": 1}}, "Page"),
        ({"type": "group", "groupId": "g", "traits": {"size": 1}}, "Group"),
    ],
)
def test_calls_without_a_name_are_planned_under_that_of_their_kind(call: dict[str, Any], name: str) -> None:
    by = Plan(PlanDocument(events={name: Planned(properties=SCHEMA)}))
    assert normal(by, **call).violation is None
    wrong = {key: {"size": "x"} if value == {"size": 1} else value for key, value in call.items()}
    violation = normal(by, **wrong).violation
    assert violation is not None
    assert violation.event == name


@given(properties=st.dictionaries(st.sampled_from(["size", "colours", "x"]), JSON), mode=st.sampled_from(Mode))
def test_a_plan_never_raises_and_its_mode_never_changes_its_word(properties: dict[str, Any], mode: Mode) -> None:
    raw = msgspec.json.encode(properties)
    found, other = plan(mode).judge("Sized", raw), plan().judge("Sized", raw)
    assert (found is None) == (other is None)
    if found is not None and other is not None:
        assert (found.mode, found.text) == (mode, other.text)
