"""A definition is refused with all that is wrong with it, each with its place, what is allowed, and a near name."""

import string
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.documents import InvalidDefinition
from services.segment.domain.programmes.definition import DEFAULT_PROGRAMME, Programme, parse, schema
from services.segment.domain.programmes.simulation import SAMPLE, Simulation
from services.segment.domain.programmes.tier_standing import TierStanding
from services.segment.domain.programmes.versions import ProgrammesInForce, ProgrammeVersion
from tests.support.events import NOON, days
from tests.support.examples import at_least

VALID = jsonschema_rs.validator_for(schema())


def document(**changes: Any) -> dict[str, Any]:
    """The programme that comes with the service, as JSON."""
    found: dict[str, Any] = msgspec.to_builtins(DEFAULT_PROGRAMME)
    return {**found, **changes}


def tiers(*amounts: Any, names: Sequence[Any] = string.ascii_lowercase) -> list[dict[str, Any]]:
    return [{"name": name, "at_least": amount} for name, amount in zip(names, amounts, strict=False)]


def problems(wrong: object) -> dict[str, str | None]:
    """Where something is wrong, and the nearest name there."""
    with pytest.raises(InvalidDefinition) as refused:
        parse(wrong)
    return {one.at: one.nearest for one in refused.value.problems}


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"window": {"kind": "roling", "days": 3}}, {"/window/kind": "rolling"}),
        ({"window": {"kind": "rolling", "days": 0}}, {"/window/days": None}),
        ({"window": {"kind": "rolling", "days": 36_501}}, {"/window/days": None}),
        ({"window": {"kind": "rolling", "days": True}}, {"/window/days": None}),
        ({"window": {"kind": "rolling", "days": 1.5}}, {"/window/days": None}),
        ({"window": {"kind": "rolling"}}, {"/window/days": None}),
        ({"window": {"days": 3}}, {"/window": None}),
        ({"window": {"kind": ["rolling"]}}, {"/window/kind": "rolling"}),
        ({"window": None}, {"/window": None}),
        ({"window": {"kind": "calendar", "unit": "years"}}, {"/window/unit": "year"}),
        ({"basis": "spent"}, {"/basis": "spend"}),
        ({"basis": "points"}, {"/basis": None}),
        ({"currency": "usd"}, {"/currency": None}),
        ({"currency": 5}, {"/currency": None}),
        ({"zone": "Europe/Berlim"}, {"/zone": "Europe/Berlin"}),
        ({"zone": "../UTC"}, {"/zone": "UTC"}),
        ({"zone": ""}, {"/zone": None}),
        ({"downgrade": {"kind": "grace", "days": 3, "one_steps": True}}, {"/downgrade/one_steps": "one_step"}),
        ({"downgrade": {"kind": "anniversary", "of": "member"}}, {"/downgrade/of": "membership"}),
        ({"warn_days": -1}, {"/warn_days": None}),
        ({"warn": 3}, {"/warn": "warn_days"}),
        ({"tiers": []}, {"/tiers": None}),
        ({"tiers": "bronze"}, {"/tiers": None}),
        ({"tiers": tiers(1)}, {"/tiers/0/at_least": None}),
        ({"tiers": tiers(0, 5, 5)}, {"/tiers/2/at_least": None}),
        ({"tiers": tiers(0, 9, 5)}, {"/tiers/2/at_least": None}),
        ({"tiers": tiers(0, 5, names=["a", "a"])}, {"/tiers/1/name": None}),
        ({"tiers": tiers(0, names=[""])}, {"/tiers/0/name": None}),
        ({"tiers": tiers(0, "5")}, {"/tiers/1/at_least": None}),
        ({"tiers": tiers(*range(21))}, {"/tiers": None}),
        ({"tiers": [{"name": "a", "at_least": 0, "benefits": [{"title": "x"}]}]}, {
            "/tiers/0/benefits/0/title": None,
            "/tiers/0/benefits/0/name": None,
        }),
        ({"a/b": 1, "c~": 2}, {"/a~1b": None, "/c~0": None}),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place_and_the_nearest_name(
    wrong: dict[str, Any], where: dict[str, str | None]
) -> None:
    assert problems(document(**wrong)) == where


def test_all_that_is_wrong_is_told_at_once_and_below_the_place_of_the_document() -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse(document(zone="Mars", tiers=tiers(3, 2), colour="red"), at="/definition")
    assert [one["at"] for one in refused.value.errors] == [
        *("/definition/colour", "/definition/zone", "/definition/tiers/0/at_least", "/definition/tiers/1/at_least"),
    ]


@pytest.mark.parametrize("wrong", [None, 5, "tiers", [], {}, {"tiers": [None]}, {"tiers": {"0": {}}}], ids=str)
def test_what_is_no_definition_at_all_is_refused(wrong: object) -> None:
    assert problems(wrong)


json = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 40_000) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
parts = st.fixed_dictionaries(
    {},
    optional={
        "title": json,
        "basis": json | st.sampled_from(["orders", "margin"]),
        "currency": json | st.sampled_from(["EUR"]),
        "zone": json | st.sampled_from(["Asia/Tokyo"]),
        "window": json
        | st.fixed_dictionaries({"kind": st.sampled_from(["rolling", "lifetime"]) | json}, optional={"days": json}),
        "tiers": json | st.lists(st.fixed_dictionaries({"name": json, "at_least": json}), max_size=3),
        "downgrade": json | st.fixed_dictionaries({"kind": st.sampled_from(["none", "grace"]) | json, "days": json}),
        "warn_days": json,
    },
)


@given(parts)
@settings(max_examples=at_least(150), deadline=None)
def test_a_document_is_read_or_refused_and_what_is_read_is_what_the_schema_allows(changes: dict[str, Any]) -> None:
    wrong = document(**changes)
    try:
        found = parse(wrong)
    except InvalidDefinition:
        assert problems(wrong)
        return
    assert isinstance(found, Programme)
    assert VALID.is_valid(wrong)
    assert parse(msgspec.to_builtins(found)) == found


# Versions


def version(number: int, effective: int) -> ProgrammeVersion:
    return ProgrammeVersion(
        id="default", version=number, programme=DEFAULT_PROGRAMME, effective_at=NOON + days(effective)
    )


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.integers(-1, 6))
def test_of_the_versions_whose_time_has_come_the_highest_is_in_force(starts: list[int], day: int) -> None:
    versions = [version(number, start) for number, start in enumerate(starts, 1)]
    come = [one.version for one in versions if one.effective_at <= NOON + days(day)]

    assert ProgrammesInForce(versions).at(NOON + days(day))["default"].version == max(come, default=1)


def test_without_a_stored_version_the_programme_that_comes_with_the_service_is_in_force() -> None:
    assert ProgrammesInForce([]).default(NOON) == DEFAULT_PROGRAMME


# Simulations


def in_tier(name: str) -> TierStanding:
    return TierStanding(tier=name, figure=0, reason="")


def test_a_simulation_counts_who_moves_where_and_what_it_costs() -> None:
    candidate = parse(
        document(
            tiers=[
                {"name": "bronze", "at_least": 0},
                {"name": "gold", "at_least": 5, "benefits": [{"name": "tea", "cost_minor_per_year": 3}]},
                {"name": "platinum", "at_least": 9, "benefits": [{"name": "tea", "cost_minor_per_year": 10}]},
            ]
        )
    )
    found = Simulation(DEFAULT_PROGRAMME, candidate)
    moves = [("bronze", "bronze"), ("gold", "platinum"), ("diamond", "gold"), ("silver", "bronze")]
    for number, (before, after) in enumerate(moves):
        found.add(UUID(int=number), in_tier(before), in_tier(after))
    found.add_without_orders(7)

    assert found.customers["bronze", "bronze"] == 8
    assert (found.up, found.down, found.cost_now, found.cost_then) == (1, 2, 0, 13)
    assert [one.profile_id.int for one in found.sample] == [1, 2, 3]


def test_a_simulation_shows_some_of_those_who_move_and_of_a_new_programme_nobody_moves() -> None:
    found = Simulation(DEFAULT_PROGRAMME, DEFAULT_PROGRAMME)
    for number in range(SAMPLE + 5):
        found.add(UUID(int=number), in_tier("gold"), in_tier("silver"))
    assert (len(found.sample), found.down) == (SAMPLE, SAMPLE + 5)

    new = Simulation(None, DEFAULT_PROGRAMME)
    new.add(UUID(int=1), None, in_tier("gold"))
    assert (new.up, new.down, new.sample, new.cost_now) == (0, 0, [], None)
