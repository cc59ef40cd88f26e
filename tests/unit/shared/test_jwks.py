"""Keys that are published as a set (RFC 7517) and read over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from shared.auth import Verifier
from shared.clock import SystemClock
from shared.errors import Unauthorized

KEY = Ed25519PrivateKey.generate()


@asynccontextmanager
async def published(body: bytes, status: str = "200 OK") -> AsyncIterator[tuple[Verifier, list[int]]]:
    """A verifier of the keys that a server answers with, and how often it was asked."""
    asked: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.append(1)
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    async with server:
        yield Verifier(public_key="", jwks_url=url, algorithm="EdDSA", issuer="rapport"), asked


def key_set(key_id: str = "one") -> bytes:
    """The public half of the key, as a set."""
    key = json.loads(OKPAlgorithm.to_jwk(KEY.public_key()))
    return json.dumps({"keys": [{**key, "kid": key_id, "alg": "EdDSA", "use": "sig"}]}).encode()


def token(key_id: str = "one") -> str:
    """A good token that names its key."""
    claims = {"sub": "eve", "iss": "rapport", "aud": "rapport", "exp": SystemClock().now() + timedelta(hours=1)}
    return jwt.encode(claims, KEY, algorithm="EdDSA", headers={"kid": key_id})


async def test_a_token_is_verified_with_the_key_that_it_names_and_the_set_is_read_once() -> None:
    async with published(key_set()) as (verifier, asked):
        assert (await verifier.verify(token())).subject == "eve"
        assert (await verifier.verify(token())).subject == "eve"
        assert len(asked) == 1


async def test_a_token_of_an_unknown_key_is_refused_and_does_not_make_the_set_be_read_again_at_once() -> None:
    async with published(key_set()) as (verifier, asked):
        for _ in range(3):
            with pytest.raises(Unauthorized, match="no key 'two'"):
                await verifier.verify(token("two"))
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"not json", "200 OK"), (b"{}", "200 OK"), (b'{"keys": []}', "200 OK"), (b"", "503 Service Unavailable")],
)
async def test_a_set_that_can_not_be_read_refuses_every_token(body: bytes, status: str) -> None:
    async with published(body, status) as (verifier, _):
        with pytest.raises(Unauthorized):
            await verifier.verify(token())


async def test_a_token_that_is_no_token_is_refused() -> None:
    async with published(key_set()) as (verifier, _):
        with pytest.raises(Unauthorized):
            await verifier.verify("nonsense")
