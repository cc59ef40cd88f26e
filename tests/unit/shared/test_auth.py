"""Bearer tokens: one algorithm, one issuer, one audience, and nothing by default."""

import base64
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.errors import Forbidden, Unauthorized
from shared.http.auth import Principal, Verifier
from shared.service.clock import SystemClock

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def verifier(**changes: Any) -> Verifier:
    fields: dict[str, Any] = {"public_key": PUBLIC, "jwks_url": "", "algorithm": "EdDSA", "issuer": "rapport"} | changes
    return Verifier(**fields)


def token(key: Any = KEY, algorithm: str | None = "EdDSA", **changes: Any) -> str:
    """A good token with claims changed (a duration is counted from now), or (None) taken away."""
    now = SystemClock().now()
    claims = {
        "sub": "eve",
        "iss": "rapport",
        "aud": "rapport",
        "exp": timedelta(hours=1),
        "scope": "profile:read segment:admin",
    } | changes
    claims = {name: now + value if isinstance(value, timedelta) else value for name, value in claims.items()}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm=algorithm)


async def test_a_good_token_says_who_and_what() -> None:
    assert await verifier().verify(token()) == Principal("eve", frozenset({"profile:read", "segment:admin"}))


async def test_a_key_may_come_on_one_line() -> None:
    assert (await verifier(public_key=PUBLIC.replace("\n", "\\n")).verify(token())).subject == "eve"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": timedelta(minutes=-1)},
        {"nbf": timedelta(minutes=5)},
        {"aud": "elsewhere"},
        {"iss": "elsewhere"},
        {"exp": None},
        {"aud": None},
        {"iss": None},
        {"sub": None},
    ],
    ids=str,
)
async def test_a_token_that_is_old_early_incomplete_or_meant_for_others_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        await verifier().verify(token(**changes))


@pytest.mark.parametrize("exp", [timedelta(days=401), 10**12, 10**400, 1e300, float("inf")], ids=repr)
async def test_a_token_that_lasts_for_longer_than_is_plausible_is_refused_and_never_fails(exp: Any) -> None:
    with pytest.raises(Unauthorized):
        await verifier().verify(token(exp=exp))


async def test_a_token_may_last_for_as_long_as_is_set() -> None:
    assert (await verifier().verify(token(exp=timedelta(days=399)))).subject == "eve"
    with pytest.raises(Unauthorized, match="more than 1 days ahead"):
        await verifier(max_life=timedelta(days=1)).verify(token(exp=timedelta(days=2)))


async def test_a_header_that_is_nested_more_deeply_than_it_is_read_is_refused() -> None:
    nested = base64.urlsafe_b64encode(b'{"alg":"EdDSA","x":' + b"[" * 3_000 + b"]" * 3_000 + b"}").decode().rstrip("=")

    with pytest.raises(Unauthorized):
        await verifier().verify(f"{nested}.e30.AA")


async def test_a_token_signed_by_another_is_refused() -> None:
    with pytest.raises(Unauthorized):
        await verifier().verify(token(Ed25519PrivateKey.generate()))


async def test_a_token_without_a_signature_is_refused() -> None:
    with pytest.raises(Unauthorized):
        await verifier().verify(token(key=None, algorithm="none"))


async def test_a_token_of_another_algorithm_is_refused() -> None:
    with pytest.raises(Unauthorized):
        await verifier().verify(token(key="a shared secret of thirty-two bytes or more", algorithm="HS256"))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "...", "eyJhbGciOiJFZERTQSJ9..", "\x00", "谢谢"])
async def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(Unauthorized):
        await verifier().verify(text)


async def test_without_a_key_nothing_passes() -> None:
    with pytest.raises(Unauthorized, match="no key"):
        await verifier(public_key="").verify(token())


@pytest.mark.parametrize(
    ("has", "needs", "passes"),
    [
        ("profile:read", "profile:read", True),
        ("profile:write", "profile:read", True),
        ("profile:admin", "profile:read", True),
        ("profile:admin", "profile:write", True),
        ("profile:admin", "profile:admin", True),
        ("profile:read", "profile:write", False),
        ("profile:write", "profile:admin", False),
        ("segment:admin", "profile:read", False),
        ("profile", "profile:read", False),
        ("*", "profile:read", False),
    ],
)
def test_admin_includes_write_and_write_includes_read_of_one_service(has: str, needs: str, passes: bool) -> None:
    principal = Principal("eve", frozenset({has}))

    if passes:
        principal.require(needs)
    else:
        with pytest.raises(Forbidden, match=needs):
            principal.require(needs)


def test_a_token_without_scopes_may_do_nothing_that_needs_one() -> None:
    customer = Principal("42", frozenset())

    with pytest.raises(Forbidden):
        customer.require("profile:read")
