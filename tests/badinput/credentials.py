"""Credentials that must open nothing. All are made here; none was ever valid anywhere."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as elliptic_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa_key
from jwt.algorithms import OKPAlgorithm

from tests.support.applications import KEY, PUBLIC_KEY, SERVICES

FOREIGN: Final = Ed25519PrivateKey.generate()
EVERY_SCOPE: Final = " ".join(f"{service}:admin" for service in SERVICES)
KEY_SET_URL: Final = "https://keys.example/set.json"


def _claims(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)  # noqa: TID251 - PyJWT reads the machine's clock, too
    claims = {"sub": "operator", "scope": EVERY_SCOPE, "iss": "rapport", "aud": "rapport", "exp": timedelta(minutes=5)}
    moved = {name: now + value if isinstance(value, timedelta) else value for name, value in (claims | changes).items()}
    return {name: value for name, value in moved.items() if value is not None}


def _signed(key: Any = KEY, algorithm: str = "EdDSA", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(_claims(**changes), key, algorithm=algorithm, headers=headers)


def _by_hand(header: Mapping[str, Any], signature: bytes = b"") -> str:
    """A token that PyJWT would not make."""
    claims = {**_claims(exp=None), "exp": 4_000_000_000}
    parts = [_base64(json.dumps(part).encode()) for part in (header, claims)]
    return ".".join([*parts, _base64(signature)])


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _with_public_key_as_secret() -> str:
    """Signed by HMAC with the public key for its secret."""
    unsigned = _by_hand({"alg": "HS256", "typ": "JWT"}).rpartition(".")[0]
    made = hmac.new(PUBLIC_KEY.encode(), unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{_base64(made)}"


def _foreign_jwk() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(OKPAlgorithm.to_jwk(FOREIGN.public_key()))
    return found


def tokens() -> dict[str, str]:
    """By what is wrong with it, each bad token; all but one thing is as in a good one of every scope."""
    good = _signed()
    header, payload, signature = good.split(".")
    other_claims = _base64(json.dumps({**_claims(exp=None), "exp": 4_000_000_000}).encode())
    return {
        "empty": "",
        "nonsense": "nonsense",
        "two parts": f"{header}.{payload}",
        "four parts": f"{good}.{signature}",
        "no base64": "!!!.!!!.!!!",
        "no JSON": ".".join([_base64(b"{"), _base64(b"{"), signature]),
        "very long": "x" * 5_000,
        "no signature": f"{header}.{payload}.",
        "a cut signature": good[:-4],
        "other claims under a good signature": f"{header}.{other_claims}.{signature}",
        "expired": _signed(exp=timedelta(minutes=-1)),
        "not yet": _signed(nbf=timedelta(minutes=5)),
        "another issuer": _signed(iss="elsewhere"),
        "another audience": _signed(aud="elsewhere"),
        "several audiences, not this one": _signed(aud=["elsewhere", "rapport2"]),
        "no exp": _signed(exp=None),
        "no iss": _signed(iss=None),
        "no aud": _signed(aud=None),
        "no sub": _signed(sub=None),
        "exp is a text": _signed(exp="tomorrow"),
        "another key": _signed(FOREIGN),
        "another key, by kid": _signed(FOREIGN, headers={"kid": "one"}),
        "another key, in jwk": _signed(FOREIGN, headers={"jwk": _foreign_jwk()}),
        "another key, at jku": _signed(FOREIGN, headers={"jku": KEY_SET_URL, "kid": "one"}),
        "another key, at x5u": _signed(FOREIGN, headers={"x5u": KEY_SET_URL}),
        "kid is a path": _signed(FOREIGN, headers={"kid": "../../dev/null"}),
        "alg none": _by_hand({"alg": "none", "typ": "JWT"}),
        "alg NoNe": _by_hand({"alg": "NoNe", "typ": "JWT"}),
        "no alg": _by_hand({"typ": "JWT"}),
        "alg is unknown": _by_hand({"alg": "XX999"}),
        "HS256 with the public key": _with_public_key_as_secret(),
        "RS256": _signed(rsa_key(65537, 2048), "RS256"),
        "ES256": _signed(elliptic_key(SECP256R1()), "ES256"),
        "an extension that must be known": _signed(FOREIGN, headers={"crit": ["exp2"], "exp2": 1}),
    }


def headers(write_key: str) -> dict[str, dict[str, str]]:
    """By what is wrong, the headers of requests that must be refused with 401."""
    good = _signed()
    basic = base64.b64encode(f"{write_key}:".encode()).decode()
    schemes = {
        "nothing": {},
        "no scheme": {"Authorization": good},
        "another scheme": {"Authorization": f"Token {good}"},
        "Bearer alone": {"Authorization": "Bearer"},
        "in another header": {"X-Authorization": f"Bearer {good}"},
        "in a cookie": {"Cookie": f"token={good}; access_token={good}"},
        "a write key as bearer": {"Authorization": f"Bearer {write_key}"},
        "a write key as user name": {"Authorization": f"Basic {basic}"},
        "basic, no base64": {"Authorization": "Basic !!!"},
    }
    return schemes | {what: {"Authorization": f"Bearer {one}"} for what, one in tokens().items()}


# Scopes that look like one and are none, for a token that is valid otherwise: S stands for the service.
NO_SCOPES: Final = (
    *("S", "S:", ":admin", "S:*", "*:admin", "*", "admin", "S:ADMIN", "s:admin,S:admin", "S.admin", "S:admin:x"),
    *("S:read:admin", "Xadmin S", "S: admin", "S:Admin", "S:root", "'S:admin'"),
)
