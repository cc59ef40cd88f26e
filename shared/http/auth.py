"""Bearer tokens: JWTs checked offline. One algorithm, one issuer, audience `rapport`, scopes per route."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import jwt

from shared.errors import Forbidden, Unauthorized
from shared.http.key_set import KeySet
from shared.service.clock import SystemClock
from shared.service.setting_kinds import pem

AUDIENCE: Final = "rapport"
LEEWAY_SECONDS: Final = 10
MAX_LIFE: Final = timedelta(days=400)  # that a token may have left: a year, and some
KEY_SET_SECONDS: Final = 300  # that a key of the issuer's set is believed after it was withdrawn, at most

# What PyJWT raises of tokens that nobody signed: its own errors, and those of reading JSON that is nested too deeply or
# says numbers beyond all bounds.
_NO_TOKEN: Final = (jwt.PyJWTError, RecursionError, ArithmeticError, ValueError, TypeError)


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
    """Verifies tokens against a configured key or a JWKS URL. Default deny: without either, nothing passes.

    A token that is valid for longer than `max_life` from now on is refused, whoever signed it: it could not be
    withdrawn but with its key.
    """

    def __init__(
        self,
        *,
        public_key: str,
        jwks_url: str,
        algorithm: str,
        issuer: str,
        max_life: timedelta = MAX_LIFE,
        key_set_seconds: float = KEY_SET_SECONDS,
    ) -> None:
        self._public_key = pem(public_key)
        self._key_set = KeySet(jwks_url, cache_seconds=key_set_seconds) if jwks_url else None
        self._algorithm = algorithm
        self._issuer = issuer
        self._max_life = max_life
        self._clock = SystemClock()  # as PyJWT's own: what a drill moves is not how long a token lasts

    async def verify(self, token: str) -> Principal:
        """Returns the token's principal.

        Raises `Unauthorized` with the reason, and `KeysAway` while the issuer's keys can't be read.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key=await self._key(token),
                algorithms=[self._algorithm],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            lasts_too_long = int(claims["exp"]) > int((self._clock.now() + self._max_life).timestamp())
        except _NO_TOKEN as error:
            raise Unauthorized(f"bearer token: {error}") from None
        if lasts_too_long:
            raise Unauthorized(f"bearer token: exp is more than {self._max_life.days} days ahead; shorten it")
        return Principal(str(claims["sub"]), frozenset(str(claims.get("scope", "")).split()))

    async def _key(self, token: str) -> jwt.PyJWK | str:
        if self._key_set is not None:
            return await self._key_set.key(str(jwt.get_unverified_header(token).get("kid", "")))
        if not self._public_key:
            raise Unauthorized("no key is configured to verify tokens with")
        return self._public_key
