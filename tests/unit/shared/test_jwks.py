"""Keys that are published as a set (RFC 7517) and read over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from shared.errors import Unauthorized
from shared.http.auth import Verifier
from shared.http.key_set import RETRY_SECONDS, KeysAway, KeySet
from shared.service.clock import SystemClock

KEY = Ed25519PrivateKey.generate()
CACHE_SECONDS = 100


class Issuer:
    """A server that publishes keys, what it answers with, how often it was asked, and a clock that tests move."""

    def __init__(self, body: bytes, status: str) -> None:
        self.body = body
        self.status = status
        self.asked = 0
        self.seconds = 1_000.0
        self.keys: KeySet

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + self.body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    def verifier(self) -> Verifier:
        """A verifier of tokens by these keys."""
        found = Verifier(public_key="", jwks_url="http://unused.invalid", algorithm="EdDSA", issuer="rapport")
        found._key_set = self.keys
        return found


@asynccontextmanager
async def published(body: bytes, status: str = "200 OK") -> AsyncIterator[tuple[Verifier, Issuer]]:
    """A verifier of the keys that a server answers with, and that server."""
    issuer = Issuer(body, status)
    server = await asyncio.start_server(issuer.answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    issuer.keys = KeySet(url, cache_seconds=CACHE_SECONDS, now=lambda: issuer.seconds)
    async with server:
        yield issuer.verifier(), issuer


def key_set(key_id: str = "one") -> bytes:
    """The public half of the key, as a set."""
    key = json.loads(OKPAlgorithm.to_jwk(KEY.public_key()))
    return json.dumps({"keys": [{**key, "kid": key_id, "alg": "EdDSA", "use": "sig"}]}).encode()


def token(key_id: str = "one") -> str:
    """A good token that names its key."""
    claims = {"sub": "eve", "iss": "rapport", "aud": "rapport", "exp": SystemClock().now() + timedelta(hours=1)}
    return jwt.encode(claims, KEY, algorithm="EdDSA", headers={"kid": key_id})


async def test_a_token_is_verified_with_the_key_that_it_names_and_the_set_is_read_once() -> None:
    async with published(key_set()) as (verifier, issuer):
        found = await asyncio.gather(*(verifier.verify(token()) for _ in range(10)))
        assert {one.subject for one in found} == {"eve"}
        assert issuer.asked == 1


async def test_a_token_of_an_unknown_key_is_refused_and_does_not_make_the_set_be_read_again_at_once() -> None:
    async with published(key_set()) as (verifier, issuer):
        for _ in range(3):
            with pytest.raises(Unauthorized, match="has no key 'two'"):
                await verifier.verify(token("two"))
        assert issuer.asked == 1


async def test_a_key_that_the_issuer_adds_is_found_within_ten_seconds() -> None:
    async with published(key_set()) as (verifier, issuer):
        await verifier.verify(token())
        issuer.body = key_set("two")
        issuer.seconds += RETRY_SECONDS

        assert (await verifier.verify(token("two"))).subject == "eve"


async def test_a_key_that_the_issuer_withdraws_is_honoured_for_the_time_of_the_cache_at_most() -> None:
    async with published(key_set()) as (verifier, issuer):
        await verifier.verify(token())
        issuer.body = key_set("two")
        issuer.seconds += CACHE_SECONDS

        with pytest.raises(Unauthorized, match="has no key 'one'"):
            await verifier.verify(token())


async def test_an_issuer_that_is_away_is_not_noticed_at_first_and_then_is_503() -> None:
    async with published(key_set()) as (verifier, issuer):
        await verifier.verify(token())
        issuer.status = "503 Service Unavailable"
        issuer.seconds += CACHE_SECONDS * 0.9
        assert (await verifier.verify(token())).subject == "eve"
        with pytest.raises(KeysAway):
            await verifier.verify(token("two"))  # nobody can tell whether there is such a key by now

        issuer.seconds += CACHE_SECONDS * 0.1
        with pytest.raises(KeysAway):
            await verifier.verify(token())

        issuer.status = "200 OK"
        issuer.seconds += RETRY_SECONDS
        assert (await verifier.verify(token())).subject == "eve"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", "200 OK"),
        (b"\xff", "200 OK"),
        (b"[]", "200 OK"),
        (b"null", "200 OK"),
        (b"{}", "200 OK"),
        (b'{"keys": {}}', "200 OK"),
        (b"", "503 Service Unavailable"),
    ],
)
async def test_a_set_that_can_not_be_read_is_503_with_a_time_to_try_again(body: bytes, status: str) -> None:
    async with published(body, status) as (verifier, issuer):
        for _ in range(2):
            with pytest.raises(KeysAway) as raised:
                await verifier.verify(token())
            assert (raised.value.status, raised.value.headers) == (503, {"Retry-After": str(RETRY_SECONDS)})
        assert issuer.asked == 1


@pytest.mark.parametrize(
    "keys",
    [[], [None], [1, "x", []], [{}], [{"kty": "OKP"}], [{"kty": "?", "kid": "one"}], [{"kty": 1, "kid": {}}]],
    ids=str,
)
async def test_a_set_without_a_key_of_use_refuses_every_token(keys: Any) -> None:
    async with published(json.dumps({"keys": keys}).encode()) as (verifier, _):
        with pytest.raises(Unauthorized, match="has no key 'one'"):
            await verifier.verify(token())


async def test_a_key_that_can_not_be_read_does_not_hide_the_others() -> None:
    good = json.loads(key_set())["keys"]
    async with published(json.dumps({"keys": [{"kty": "?"}, None, *good]}).encode()) as (verifier, _):
        assert (await verifier.verify(token())).subject == "eve"


async def test_a_token_that_is_no_token_is_refused_without_asking_the_issuer() -> None:
    async with published(key_set()) as (verifier, issuer):
        with pytest.raises(Unauthorized):
            await verifier.verify("nonsense")
        assert issuer.asked == 0
