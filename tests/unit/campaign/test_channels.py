"""What channels can do, whom they reach, what their providers' replies over HTTP mean, and where a webhook may go."""

import base64
import hmac
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.channels.registry import ADAPTERS
from services.campaign.channels.webhook.destination import ForbiddenDestination, destination_of, is_public
from services.campaign.channels.webhook.signing import signed_headers
from services.campaign.domain.channels.capabilities import AddressKind
from services.campaign.domain.channels.registry import CAPABILITIES, SMS, address_of, agreed_to
from services.campaign.domain.contact import Contact
from services.campaign.domain.delivery import (
    Accepted,
    Deferred,
    Lost,
    Rejected,
    Reply,
    Undeliverable,
    Withheld,
)
from services.campaign.domain.http_replies import ErrorBody, error_body, http_reply
from services.campaign.domain.provider import ProviderStop, takes_mail_again
from services.campaign.domain.replies import Trouble
from services.ingest.domain.formats.webhooks.delivery import Delivery
from services.ingest.domain.formats.webhooks.standard import VENDOR

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN: Final = Contact(UUID(int=1), "ann@example.com", {}, phone="+8613800138000")
NOBODY: Final = Contact(UUID(int=2), None, {})


def test_every_channel_has_capabilities_and_an_adapter() -> None:
    assert set(CAPABILITIES) == set(ADAPTERS)
    assert {name: one.name for name, one in CAPABILITIES.items()} == {name: name for name in CAPABILITIES}


def test_a_channel_reaches_a_customer_by_its_own_kind_of_address() -> None:
    assert address_of(ANN, "email") == "ann@example.com"
    assert address_of(ANN, "sms") == "+8613800138000"
    assert address_of(ANN, "inbox") == address_of(ANN, "webhook") == str(ANN.profile_id)
    without = {name for name in CAPABILITIES if address_of(NOBODY, name) is None}
    assert without == {
        name for name, one in CAPABILITIES.items() if one.address in (AddressKind.EMAIL, AddressKind.PHONE)
    }
    assert address_of(ANN, "telepathy") is None


@pytest.mark.parametrize(
    ("channel", "stated", "expected"),
    [
        ("email", {}, None),
        ("email", {"email": True}, True),
        ("sms", {"email": True}, None),
        ("sms", {"sms": False}, False),
        ("inbox", {}, True),
        ("inbox", {"inbox": False}, False),
        ("webhook", {}, True),
        ("telepathy", {"telepathy": True}, None),
    ],
)
def test_consent_is_asked_by_channel(channel: str, stated: dict[str, bool], expected: bool | None) -> None:
    assert agreed_to(Contact(ANN.profile_id, None, stated), channel, "marketing") is expected


def test_a_text_that_a_channel_does_not_carry_is_named() -> None:
    assert SMS.problem({"sms": "您好"}) == ""
    assert SMS.problem({"text": "Hello"}) == "sms: sms needs it, and there is none"
    assert SMS.problem({"sms": "a" * 1_601}) == "sms: 1601 characters; sms takes 1600 at most"


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (202, "", Accepted),
        (401, "bad_token", Withheld),
        (402, "", Withheld),
        (403, "", Withheld),
        (404, "", Withheld),
        (307, "", Withheld),
        (422, "no_credit", Withheld),
        (408, "", Deferred),
        (429, "", Deferred),
        (503, "", Deferred),
        (400, "", Rejected),
        (413, "", Rejected),
        (422, "text_refused", Rejected),
        (422, "invalid_number", Undeliverable),
        (422, "opted_out", Undeliverable),
        (500, "", Lost),
        (504, "", Lost),
    ],
)
def test_a_reply_over_http_is_of_one_of_the_classes(status: int, error: str, expected: type[Reply]) -> None:
    assert isinstance(http_reply(status, ErrorBody(error, "because"), may_lose=True), expected)


@given(st.integers(100, 599), st.binary(max_size=60))
def test_any_reply_means_something_and_nothing_is_lost_by_a_channel_that_loses_nothing(
    status: int, body: bytes
) -> None:
    reply = http_reply(status, error_body(body), may_lose=False)
    assert not isinstance(reply, Lost)
    assert isinstance(reply, Accepted) == (200 <= status <= 299)


def test_a_reply_about_the_message_shows_that_a_provider_takes_messages_again() -> None:
    refused = http_reply(402, ErrorBody("", "no credit"), may_lose=True)
    assert isinstance(refused, Withheld)
    stop = ProviderStop(channel="sms", stopped_at=NOON, reply=refused.reply, replied_at=NOON, probes=0, probe_at=NOON)
    assert stop.trouble is Trouble.LIMIT
    assert "credit" in stop.advice
    answers = {status: http_reply(status, ErrorBody(), may_lose=True) for status in (202, 401, 422, 429, 500, 503)}
    assert {status for status, one in answers.items() if takes_mail_again(stop, one)} == {202, 422}


@given(st.binary(max_size=200), st.binary(min_size=24, max_size=64))
def test_what_we_sign_is_what_standard_webhooks_verifies(content: bytes, key: bytes) -> None:
    headers = dict(signed_headers(key, UUID(int=7), NOON, content))
    wanted = hmac.digest(key, f"{UUID(int=7)}.{int(NOON.timestamp())}.".encode() + content, "sha256")
    assert headers["webhook-signature"] == "v1," + base64.b64encode(wanted).decode()
    secret = b"whsec_" + base64.b64encode(key)
    assert VENDOR.verify is not None
    VENDOR.verify(secret, Delivery(raw=content, headers=headers), NOON)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - no socket is bound
        ("224.0.0.251", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_no_private_address_counts_as_public(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_a_webhook_goes_to_no_private_address_and_by_https_alone() -> None:
    for url in ("https://127.0.0.1/hook", "https://[::1]/hook", "https://localhost/hook", "http://93.184.215.14/hook"):
        with pytest.raises(ForbiddenDestination):
            await destination_of(url, allow_private=False)
    to = await destination_of("https://93.184.215.14:8443/hook?a=b", allow_private=False)
    assert to == ("https://93.184.215.14:8443/hook?a=b", "93.184.215.14:8443", "93.184.215.14")
    assert (await destination_of("http://127.0.0.1:9/hook", allow_private=True)).host == "127.0.0.1:9"
