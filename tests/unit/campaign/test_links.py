"""Links in mails: whoever did not get one can make none."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.domain import links
from services.campaign.domain.links import CONFIRM_VALID, MAX_TOKEN_LENGTH, Link, Links

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS: Final = Links("https://mail.shop.example/", b"a secret of 32 characters or more")
ONE: Final = links.confirm(UUID(int=1), "zh", NOON)
OTHER: Final = links.unsubscribe(UUID(int=2), UUID(int=3), "email:newsletter", "en", NOON)


def token_of(link: Link, made_by: Links = OURS) -> str:
    return made_by.url(link).rpartition("/")[2]


@pytest.mark.parametrize("link", [ONE, OTHER])
def test_a_link_says_what_it_was_made_of(link: Link) -> None:
    assert OURS.url(link).startswith(f"https://mail.shop.example/v1/{link.kind}/")
    assert OURS.read(link.kind, token_of(link), NOON) == link


def test_a_link_ends() -> None:
    assert OURS.read("confirm", token_of(ONE), NOON + CONFIRM_VALID - timedelta(seconds=1)) == ONE
    assert OURS.read("confirm", token_of(ONE), NOON + CONFIRM_VALID) is None


def test_a_link_does_only_what_it_was_made_for_and_only_here() -> None:
    assert OURS.read("unsubscribe", token_of(ONE), NOON) is None
    assert Links("https://mail.shop.example", b"another secret").read("confirm", token_of(ONE), NOON) is None


def test_the_longest_link_can_be_read() -> None:
    longest = links.unsubscribe(UUID(int=2), UUID(int=3), "x" * 40 + ":" + "y" * 40, "zh", NOON)
    assert len(token_of(longest)) <= MAX_TOKEN_LENGTH


@given(st.data())
def test_a_token_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    token = token_of(OTHER)
    at = data.draw(st.integers(0, len(token) - 2))  # of the last one some bits say nothing
    character = data.draw(st.sampled_from("AZaz09-_=é "))
    if token[at] == character:
        return
    assert OURS.read("unsubscribe", token[:at] + character + token[at + 1 :], NOON) is None


@given(st.text(max_size=MAX_TOKEN_LENGTH + 10))
def test_whatever_else_is_sent_is_refused(token: str) -> None:
    assert OURS.read("confirm", token, NOON) is None
