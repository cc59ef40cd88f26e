"""Requests that may come twice, and have their effect once."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from shared.database.database import Work
from shared.errors import Invalid
from shared.http.auth import Principal


def scoped_key(caller: Principal, scope: str, key: str | None) -> str | None:
    """Returns an `Idempotency-Key` as `once` keeps it: the caller's own, for one kind of request. None stays None.

    No two of (subject, scope, key) give the same text: slashes inside the parts are written otherwise. `scope` is a
    word of ours, without one.
    """
    return None if key is None else f"{_without_slash(caller.subject)}/{scope}/{_without_slash(key)}"


def _without_slash(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")


async def once(work: Work, key: str | None, fingerprint: str, make: Callable[[], Awaitable[UUID]]) -> tuple[UUID, bool]:
    """Runs `make` once per `Idempotency-Key`, as `scoped_key` gives it. Returns its id and whether it was made now.

    The same key with another request raises `Invalid`: it is a mistake of the caller.
    """
    if key is None:
        return await make(), True
    taken = await work.row(
        "INSERT INTO idempotency_keys (key, fingerprint) VALUES (:key, :fingerprint) "
        "ON CONFLICT (key) DO NOTHING RETURNING key",
        key=key,
        fingerprint=fingerprint,
    )
    if taken is None:
        row = await work.row("SELECT fingerprint, result FROM idempotency_keys WHERE key = :key", key=key)
        assert row is not None
        if row.fingerprint != fingerprint:
            raise Invalid("Idempotency-Key: already used for another request")
        return row.result, False
    made = await make()
    await work.run("UPDATE idempotency_keys SET result = :result WHERE key = :key", result=made, key=key)
    return made, True
