"""What the profile service says of customers, over HTTP."""

from typing import Any, Final

import httpx2

from tests.support.running import eventually

ALL_AT_ONCE: Final = 200  # the longest page of a timeline


class Profiles:
    """What the profile service says of customers."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def of(self, who: str) -> dict[str, Any]:
        """A customer's profile; empty while nobody is known by this user id."""
        answer = await self._http.get(f"/v1/profiles/user_id:{who}")
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return {}
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def timeline(self, who: str) -> list[dict[str, Any]]:
        """A customer's events, newest first."""
        answer = await self._http.get(f"/v1/profiles/user_id:{who}/timeline", params={"limit": ALL_AT_ONCE})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["events"]
        return found

    async def with_events(self, who: str, events: int) -> dict[str, Any]:
        """A customer's profile once it holds so many events, or more."""
        return await eventually(lambda: self.of(who), lambda found: found.get("events", 0) >= events)
