"""Signatures of webhooks: a delivery is accepted only if exactly these bytes are signed with this secret."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.formats.webhooks import registry
from services.ingest.domain.formats.webhooks.delivery import Delivery
from services.ingest.domain.formats.webhooks.registry import VENDORS
from services.ingest.domain.formats.webhooks.signature import TOLERANCE, BadSignature
from tests.support.webhooks import NOW, hexmac, mac, signed

BODY = b'{"id": 820982911946154508, "note": "\xe8\x8c\xb6"}\n'
STAMP = int(NOW.timestamp())
KEY = b"twenty-four random bytes"
SECRETS = {
    "shopify": "shpss_9f2c",
    "woocommerce": "w$c & <secret>",
    "stripe": "whsec_stripes own, as it is shown",
    "standard-webhooks": "whsec_" + base64.b64encode(KEY).decode(),
    "json": "a shared secret",
}
FORMATS = sorted(SECRETS)
TIMED = ["stripe", "standard-webhooks"]
BODIES = st.binary(max_size=200)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=8, max_size=40)


def check(
    form: str,
    headers: Mapping[str, str],
    *,
    body: bytes = BODY,
    secret: str | None = "",
    late: timedelta = timedelta(),
) -> None:
    """Verifies a delivery; the secret is the format's own unless another one is given."""
    text = SECRETS[form] if secret == "" else secret
    key = None if text is None else text.encode()
    registry.verify(form, key, Delivery(raw=body, headers=headers), now=NOW + late)


def refusal(
    form: str,
    headers: Mapping[str, str],
    *,
    body: bytes = BODY,
    secret: str | None = "",
    late: timedelta = timedelta(),
) -> str:
    with pytest.raises(BadSignature) as refused:
        check(form, headers, body=body, secret=secret, late=late)
    return str(refused.value)


def secret_of(form: str, text: str) -> str:
    """A secret in the form in which its vendor shows it."""
    return "whsec_" + base64.b64encode(text.encode()).decode() if form == "standard-webhooks" else text


def test_every_format_of_webhooks_is_checked() -> None:
    assert set(SECRETS) == set(VENDORS)


def test_shopifys_and_woocommerces_are_base64_of_the_macs_bytes() -> None:
    for form, header in (("shopify", "x-shopify-hmac-sha256"), ("woocommerce", "x-wc-webhook-signature")):
        digest = hmac.digest(SECRETS[form].encode(), BODY, hashlib.sha256)
        check(form, {header: base64.b64encode(digest).decode()})
        assert "not the signature of this body" in refusal(form, {header: digest.hex()})


def test_stripes_is_over_the_time_and_the_body_with_the_secret_as_it_is_shown() -> None:
    digest = hmac.digest(SECRETS["stripe"].encode(), b"%d." % STAMP + BODY, hashlib.sha256).hex()
    check("stripe", {"stripe-signature": f"t={STAMP},v1={digest}"})
    check("stripe", {"stripe-signature": f"t={STAMP}, v0=00, v1={digest}"})
    assert "missing" in refusal("stripe", {"stripe-signature": f"t={STAMP},v0={digest}"})


def test_standard_webhooks_is_over_id_time_and_body_with_the_decoded_secret() -> None:
    digest = base64.b64encode(hmac.digest(KEY, b"msg_7.%d." % STAMP + BODY, hashlib.sha256)).decode()
    headers = {"webhook-id": "msg_7", "webhook-timestamp": str(STAMP), "webhook-signature": f"v1,{digest}"}
    check("standard-webhooks", headers)
    check("standard-webhooks", headers, secret=base64.b64encode(KEY).decode())
    assert "not the signature" in refusal("standard-webhooks", {**headers, "webhook-id": "msg_8"})
    assert refusal("standard-webhooks", {**headers, "webhook-id": ""}) == "webhook-id: missing"
    assert "missing" in refusal("standard-webhooks", {**headers, "webhook-signature": f"v1a,{digest}"})


@pytest.mark.parametrize("secret", ["whsec_no base64 !", "no base64 at all", "п’ять чаїв 茶"])
def test_a_standard_secret_that_is_no_base64_is_taken_as_it_is(secret: str) -> None:
    found = mac(secret.encode(), b"m.%d." % STAMP + BODY)
    headers = {"webhook-id": "m", "webhook-timestamp": str(STAMP), "webhook-signature": f"v1,{found}"}
    check("standard-webhooks", headers, secret=secret)


def test_a_generic_ones_says_its_algorithm() -> None:
    digest = hmac.digest(SECRETS["json"].encode(), BODY, hashlib.sha256).hex()
    check("json", {"x-hub-signature-256": f"sha256={digest}"})
    assert "not the signature" in refusal("json", {"x-hub-signature-256": digest})


@pytest.mark.parametrize("form", FORMATS)
@given(body=BODIES, text=TEXTS)
def test_a_right_signature_verifies_whatever_the_body_and_the_secret(form: str, body: bytes, text: str) -> None:
    secret = secret_of(form, text)
    check(form, signed(form, secret, body), body=body, secret=secret)


@pytest.mark.parametrize("form", FORMATS)
@given(body=st.binary(min_size=1, max_size=200), at=st.integers(0), bits=st.integers(1, 255))
def test_any_changed_byte_is_refused(form: str, body: bytes, at: int, bits: int) -> None:
    headers, at = signed(form, SECRETS[form], body), at % len(body)
    changed = body[:at] + bytes([body[at] ^ bits]) + body[at + 1 :]
    assert "not the signature of this body" in refusal(form, headers, body=changed)


@pytest.mark.parametrize("form", FORMATS)
@given(secret=TEXTS, other=TEXTS)
def test_another_secret_is_refused(form: str, secret: str, other: str) -> None:
    headers = signed(form, secret_of(form, secret), BODY)
    if secret == other:
        check(form, headers, secret=secret_of(form, other))
    else:
        assert "with this source's secret" in refusal(form, headers, secret=secret_of(form, other))


@pytest.mark.parametrize("form", FORMATS)
def test_a_body_that_was_cut_or_lengthened_is_refused(form: str) -> None:
    headers = signed(form, SECRETS[form], BODY)
    for body in (b"", BODY[:-1], BODY + b" ", BODY * 2):
        assert "not the signature" in refusal(form, headers, body=body)


@pytest.mark.parametrize("form", FORMATS)
def test_a_delivery_without_its_signature_says_which_header_it_misses(form: str) -> None:
    headers = signed(form, SECRETS[form], BODY)
    for name in headers:
        reason = refusal(form, {other: value for other, value in headers.items() if other != name})
        assert reason.lower().startswith(f"{name}: ")


@pytest.mark.parametrize("form", FORMATS)
@given(given=st.text(st.characters(codec="latin-1"), max_size=80))
def test_no_header_whatever_it_says_passes_or_raises_anything_else(form: str, given: str) -> None:
    for name in signed(form, SECRETS[form], BODY):
        refusal(form, {**signed(form, SECRETS[form], BODY), name: given + "?"})


def test_while_a_secret_is_rotated_one_right_signature_among_several_is_enough() -> None:
    old, new = b"the old secret", SECRETS["stripe"].encode()
    both = [hexmac(key, b"%d." % STAMP + BODY) for key in (old, new)]
    for order in (both, both[::-1]):
        check("stripe", {"stripe-signature": f"t={STAMP}," + ",".join(f"v1={one}" for one in order)})
    assert "not the signature" in refusal("stripe", {"stripe-signature": f"t={STAMP},v1={both[0]}"})

    content = b"m.%d." % STAMP + BODY
    signatures = [f"v1,{mac(key, content)}" for key in (b"another key of old", KEY)]
    signed_headers = {"webhook-id": "m", "webhook-timestamp": str(STAMP)}
    for order in (signatures, signatures[::-1], [*signatures, "v1a,of+another+kind=="]):
        check("standard-webhooks", {**signed_headers, "webhook-signature": " ".join(order)})
    assert "not the signature" in refusal("standard-webhooks", {**signed_headers, "webhook-signature": signatures[0]})


@pytest.mark.parametrize("form", TIMED)
@pytest.mark.parametrize("direction", [1, -1])
def test_a_signed_time_may_be_five_minutes_off_either_way_and_no_more(form: str, direction: int) -> None:
    headers = signed(form, SECRETS[form], BODY)
    check(form, headers, late=direction * TOLERANCE)
    reason = refusal(form, headers, late=direction * (TOLERANCE + timedelta(seconds=1)))
    assert reason.endswith(": signed at 2026-01-31 12:00:00Z, more than 5 minutes from now")


@pytest.mark.parametrize("form", TIMED)
@pytest.mark.parametrize(
    "stamp", ["", "now", "1.5", "2026-01-31T12:00:00Z", "9" * 20, "9" * 18, "-" + "9" * 18, "9" * 5_000, "0x10", "٣x"]
)
def test_a_time_that_is_none_is_refused_as_one(form: str, stamp: str) -> None:
    headers = {"webhook-id": "m", "webhook-timestamp": stamp, "stripe-signature": f"t={stamp},v1=00"}
    assert refusal(form, headers).endswith("is not a time in seconds since 1970")


@pytest.mark.parametrize("form", TIMED)
def test_a_right_signature_under_another_time_is_refused(form: str) -> None:
    headers = signed(form, SECRETS[form], BODY)
    later = {name: value.replace(str(STAMP), str(STAMP + 60)) for name, value in headers.items()}
    assert "not the signature" in refusal(form, later)


@pytest.mark.parametrize("form", sorted(set(VENDORS) - {"json"}))
def test_a_vendors_source_without_a_secret_hears_nobody(form: str) -> None:
    assert "no secret yet" in refusal(form, signed(form, SECRETS[form], BODY), secret=None)


def test_a_generic_source_without_a_secret_is_known_by_its_write_key() -> None:
    check("json", {}, secret=None)
    registry.verify("tracking", None, Delivery(raw=BODY, headers={}), now=NOW)


def test_woocommerces_trial_of_a_new_webhook_is_unsigned_and_nothing_else_may_be() -> None:
    check("woocommerce", {}, body=b"webhook_id=17")
    for headers, body in (
        ({"x-wc-webhook-topic": "order.created"}, b"webhook_id=17"),
        ({}, b"webhook_id=17\n"),
        ({}, b"webhook_id="),
        ({}, b'{"id": 7}'),
    ):
        assert refusal("woocommerce", headers, body=body) == "X-WC-Webhook-Signature: missing"
    assert "missing" in refusal("shopify", {}, body=b"webhook_id=17")


@pytest.mark.parametrize("key", [b"twenty-five random bytes.", b"twenty-six random bytes..", KEY], ids=len)
@pytest.mark.parametrize("end", ["", "\n", " ", "\r\n"], ids=repr)
@pytest.mark.parametrize("padded", [True, False])
def test_a_standard_secret_may_lack_its_padding_or_end_in_a_space(key: bytes, end: str, padded: bool) -> None:
    encoded = base64.b64encode(key).decode()
    secret = "whsec_" + (encoded if padded else encoded.rstrip("=")) + end
    found = mac(key, b"m.%d." % STAMP + BODY)
    headers = {"webhook-id": "m", "webhook-timestamp": str(STAMP), "webhook-signature": f"v1,{found}"}
    check("standard-webhooks", headers, secret=secret)


def test_svixs_names_of_the_standards_headers_are_understood() -> None:
    found = mac(KEY, b"m.%d." % STAMP + BODY)
    sent = {"svix-id": "m", "svix-timestamp": str(STAMP), "svix-signature": f"v1,{found}", "host": "x"}
    headers = registry.headers_of(sent.items())
    assert headers == {"webhook-id": "m", "webhook-timestamp": str(STAMP), "webhook-signature": f"v1,{found}"}
    check("standard-webhooks", headers)
    assert registry.vouched("json", b"a shared secret", headers) == {}
    both = registry.headers_of({**sent, "webhook-id": "n"}.items())
    assert both["webhook-id"] == "n"
    assert "not the signature" in refusal("standard-webhooks", both)
