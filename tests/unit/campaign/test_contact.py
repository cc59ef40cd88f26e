"""Whom a mail is for and what it calls them, by the word of trusted sources alone."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.domain.contact import MAX_NAME_LENGTH, Contact, as_name, contact_of
from shared.contracts.changes import Consent, ContactPoint, ProfileChanged
from shared.contracts.consent import Pair

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN: Final = UUID(int=1)


def state(**changes: Any) -> ProfileChanged:
    fields: dict[str, Any] = {"contact_points": (), "public_traits": ()}
    return ProfileChanged(profile_id=ANN, version=1, first_seen=NOON, last_seen=NOON, **(fields | changes))


def mail(value: str, **changes: Any) -> ContactPoint:
    return ContactPoint(namespace="email", value=value, stated_at=NOON, **changes)


def named(**traits: Any) -> Contact:
    return contact_of(state(traits=traits))


def test_a_contact_is_read_from_what_the_profile_says() -> None:
    found = contact_of(
        state(
            identities={"email": ("a@example.com", "b@example.com"), "user_id": ("42",)},
            contact_points=(
                ContactPoint(namespace="phone", value="+4912"),
                mail("b@example.com"),
                mail("a@example.com"),
            ),
            traits={"name": "李\n\x00 雷", "locale": "zh_CN", "country": "CN", "first_name": 7},
            consent={"email": True},
        )
    )
    assert found == Contact(ANN, "b@example.com", {"email": True}, "李", "李 雷", "zh", "CN", phone="+4912")
    assert contact_of(state()) == Contact(ANN, None, {})


def test_an_address_that_no_trusted_source_named_is_not_written_to() -> None:
    assert contact_of(state(identities={"email": ("a@example.com",)})).email is None


def test_names_that_a_public_key_gave_are_none() -> None:
    found = contact_of(state(traits={"first_name": "Eve", "name": "Ann Lee"}, public_traits=("first_name",)))
    assert (found.first_name, found.name) == ("Ann", "Ann Lee")
    assert contact_of(state(traits={"name": "Ann Lee"}, public_traits=("name",))).first_name == ""


def test_a_record_that_does_not_say_who_said_what_has_no_name_and_at_most_one_address() -> None:
    before = {"contact_points": None, "public_traits": None, "traits": {"first_name": "Ann", "language": "zh"}}
    one = contact_of(state(identities={"email": ("a@example.com",)}, **before))
    two = contact_of(state(identities={"email": ("a@example.com", "b@example.com")}, **before))
    assert (one.email, one.first_name, one.language) == ("a@example.com", "", "zh")
    assert two.email is None


@pytest.mark.parametrize(
    "name", ["Ann", "Anne-Marie", "O'Neil", "Dr. Ann", "J.R. Ewing", "李雷", "José", "Ann Smith Jr.", "Ann, the first!"]
)
def test_what_people_are_called_is_a_name(name: str) -> None:
    assert as_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "http://shop.example",
        "//shop.example",
        "see shop.example now",
        "shop\u3002example",
        "shop\uff0eexample",
        "ann@shop",
        "mailto:ann",
        "192.0.2.7",
        "a/b",
        "a\\b",
        "<b>Ann</b>",
        "x" * (MAX_NAME_LENGTH + 1),
    ],
)
def test_what_could_become_a_link_or_is_long_is_no_name(name: str) -> None:
    assert as_name(name) == ""
    assert named(first_name=name).first_name == ""


def test_a_first_name_that_is_none_is_made_up_for_by_the_whole_name() -> None:
    assert named(first_name="http://shop.example", name="Ann Lee").first_name == "Ann"
    assert named(name="Ann http://shop.example").first_name == ""


@given(st.text(max_size=200))
def test_a_name_in_a_mail_is_one_short_line_without_what_links_are_made_of(text: str) -> None:
    found = named(first_name=text, name=text)
    for name in (found.first_name, found.name):
        assert len(name) <= MAX_NAME_LENGTH
        assert name.isprintable()
        assert not set(name) & set(":/@<>")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 5)), max_size=6))
def test_the_first_mail_address_among_the_contact_points_is_used(points: list[tuple[str, bool, int]]) -> None:
    told = tuple(
        ContactPoint(namespace="email", value=value, verified=verified, stated_at=NOON + timedelta(hours=hours))
        for value, verified, hours in points
    )
    assert contact_of(state(contact_points=told)).email == (told[0].value if told else None)


def test_consent_of_a_record_of_before_is_to_marketing_and_of_one_of_now_to_what_it_says() -> None:
    before = ProfileChanged(profile_id=UUID(int=1), version=1, first_seen=NOON, last_seen=NOON, consent={"email": True})
    assert contact_of(before).agreed(Pair("email", "marketing")) is True
    assert contact_of(before).agreed(Pair("email", "newsletter")) is None
    consents = (
        Consent(channel="email", purpose="marketing", granted=True, changed_at=NOON),
        Consent(channel="email", purpose="newsletter", granted=False, changed_at=NOON),
    )
    now = contact_of(msgspec.structs.replace(before, consents=consents))
    assert now.consent == {"email": True, "email:newsletter": False}
    assert now.agreed(Pair("email", "newsletter")) is False
