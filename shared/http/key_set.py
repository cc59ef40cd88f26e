"""The issuer's public keys (RFC 7517), read over HTTP and kept for a while."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import httpx2
import jwt

from shared.errors import Unauthorized, Unavailable
from shared.service.logging import get_logger

READ_SECONDS: Final = 5
RETRY_SECONDS: Final = 10  # between two readings: tokens of invented keys must not make us a client that never rests

log = get_logger(__name__)


class KeysAway(Unavailable):
    """The keys that tokens are verified with can't be read right now."""


class KeySet:
    """The keys at a URL.

    Guarantees: a key that the issuer withdraws is honoured for at most `cache_seconds` more; a key that it adds is
    found within `RETRY_SECONDS`. From half of that time on the set is read again, so that an issuer that is away for
    less than the other half goes unnoticed. `now` is a monotonic clock, in seconds.
    """

    def __init__(self, url: str, *, cache_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._cache_seconds = cache_seconds
        self._now = now
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = float("-inf")  # when the set that is known was asked for
        self._asked_at = float("-inf")
        self._failed = False  # the last reading
        self._reading = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK:
        """Returns the key of this id.

        Raises `Unauthorized` if the set has none, and `KeysAway` if that can't be told because the set can't be read.
        """
        if self._due(key_id) or (self._reading.locked() and not self._usable(key_id)):
            async with self._reading:
                if self._due(key_id):  # nobody has read it meanwhile
                    await self._read()
        if not self._fresh() or (self._failed and key_id not in self._keys):
            raise KeysAway("the issuer's key set can't be read", headers={"Retry-After": str(RETRY_SECONDS)})
        if key_id not in self._keys:
            raise Unauthorized(f"bearer token: the issuer's key set has no key {key_id!r}")
        return self._keys[key_id]

    def _due(self, key_id: str) -> bool:
        """Whether the set should be read before this key is looked for."""
        now = self._now()
        if now - self._asked_at < RETRY_SECONDS:
            return False
        return key_id not in self._keys or now - self._read_at >= self._cache_seconds / 2

    def _usable(self, key_id: str) -> bool:
        return self._fresh() and key_id in self._keys

    def _fresh(self) -> bool:
        return self._now() - self._read_at < self._cache_seconds

    async def _read(self) -> None:
        self._asked_at = self._now()
        try:
            async with httpx2.AsyncClient(timeout=READ_SECONDS) as client:
                answer = (await client.get(self._url)).raise_for_status()
            self._keys = _keys_of(answer.json())
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError) as error:
            self._failed = True
            log.warning("auth.key_set_not_read", error=repr(error))
            return
        self._failed = False
        self._read_at = self._asked_at


def _keys_of(document: Any) -> dict[str, jwt.PyJWK]:
    """By their ids, the keys of a set; those of kinds that are not known here are left out. Raises ValueError."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not an object with a list of keys")
    found: dict[str, jwt.PyJWK] = {}
    for one in listed:
        try:
            key = jwt.PyJWK(one)
        except (jwt.PyJWTError, AttributeError, TypeError, ValueError):
            continue  # of a kind, or in a form, that nothing here can verify with
        if isinstance(key.key_id, str):
            found[key.key_id] = key
    return found
