"""Bearer tokens: JWTs checked offline. One algorithm, one issuer, audience `rapport`, scopes per route."""

import asyncio
from dataclasses import dataclass
from typing import Final

import httpx2
import jwt

from shared.errors import Forbidden, Unauthorized

AUDIENCE: Final = "rapport"
JWKS_SECONDS: Final = 5
JWKS_REFRESH_SECONDS: Final = 60  # an unknown key id asks for the set again, this often at most
LEEWAY_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, and what they may do. A token without scopes is a customer's: it may see that customer only."""

    subject: str
    scopes: frozenset[str]

    def require(self, scope: str) -> None:
        """Raises `Forbidden` unless the token has this scope. `admin` includes `write`, `write` includes `read`."""
        service, _, level = scope.partition(":")
        levels = ("read", "write", "admin")
        if not any(f"{service}:{higher}" in self.scopes for higher in levels[levels.index(level) :]):
            raise Forbidden(f"this needs the scope {scope}")


class Verifier:
    """Verifies tokens against a configured key or a JWKS URL. Default deny: without either, nothing passes."""

    def __init__(self, *, public_key: str, jwks_url: str, algorithm: str, issuer: str) -> None:
        self._public_key = public_key.replace("\\n", "\n")
        self._jwks_url = jwks_url
        self._algorithm = algorithm
        self._issuer = issuer
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at = float("-inf")

    async def verify(self, token: str) -> Principal:
        """The token's principal; raises `Unauthorized` with the reason."""
        try:
            claims: dict[str, object] = jwt.decode(
                token,
                key=await self._key(token),
                algorithms=[self._algorithm],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise Unauthorized(f"bearer token: {error}") from None
        return Principal(str(claims["sub"]), frozenset(str(claims.get("scope", "")).split()))

    async def _key(self, token: str) -> jwt.PyJWK | str:
        if not self._jwks_url:
            if not self._public_key:
                raise Unauthorized("no key is configured to verify tokens with")
            return self._public_key
        key_id = str(jwt.get_unverified_header(token).get("kid", ""))
        now = asyncio.get_running_loop().time()
        if key_id not in self._keys and now - self._asked_at > JWKS_REFRESH_SECONDS:
            self._asked_at = now
            async with httpx2.AsyncClient(timeout=JWKS_SECONDS) as client:
                try:
                    answer = (await client.get(self._jwks_url)).raise_for_status()
                except httpx2.HTTPError as error:
                    raise Unauthorized(f"the key set could not be read: {error!r}") from None
            try:
                self._keys = {str(key.key_id): key for key in jwt.PyJWKSet.from_dict(answer.json()).keys}
            except ValueError as error:
                raise Unauthorized(f"the key set is no JSON: {error}") from None
        if key_id not in self._keys:
            raise Unauthorized(f"no key {key_id!r} in the key set")
        return self._keys[key_id]
