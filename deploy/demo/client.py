"""The demo's side of the APIs: a storefront's server that sends, and a person who looks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import httpx2

from deploy.local.process import StackError
from deploy.local.settings import SERVICES
from deploy.local.stack import Stack, still_to_do

TIMEOUT_SECONDS: Final = 30.0
RETRIES: Final = 10
RETRY_SECONDS: Final = 1.0
IDLE_LOOKS: Final = 3  # facts hop between services: idle once may be between two hops
LOOK_SECONDS: Final = 0.1


class Outdated(StackError):
    """What was to be changed is not as it was read."""


class Client:
    """Talks to a running stack; `async with` it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._http = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)
        self._bearer = {"Authorization": f"Bearer {stack.admin_token}"}

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(self, events: Sequence[dict[str, Any]], *, historical: bool) -> None:
        """Sends a batch to ingest; sends it again, under the same ids, until it is acknowledged."""
        body = {"batch": list(events), "historical": historical}
        failure = ""
        for attempt in range(RETRIES):
            try:
                response = await self._http.post(
                    f"{self.stack.url('ingest')}/v1/batch", json=body, auth=(self.stack.write_key, "")
                )
                if response.status_code == httpx2.codes.OK:
                    return
                failure = f"{response.status_code} {response.text[:200]}"
                if response.status_code < httpx2.codes.INTERNAL_SERVER_ERROR:
                    break
            except httpx2.TransportError as error:
                failure = repr(error)
            await asyncio.sleep(RETRY_SECONDS * min(attempt + 1, 5))
        raise StackError(f"ingest did not accept a batch of {len(events)} events: {failure}")

    async def submit_feedback(self, body: dict[str, Any], *, key: str) -> None:
        """Answers a survey, once per key."""
        url, headers = f"{self.stack.url('feedback')}/v1/feedback", {**self._bearer, "Idempotency-Key": key}
        response = await self._repeated(lambda: self._http.post(url, json=body, headers=headers))
        if response.is_error:
            raise StackError(f"feedback did not accept a response: {response.status_code} {response.text[:200]}")

    async def get(self, service: str, path: str, **parameters: Any) -> Any:
        """Reads from a service's API."""
        return (await self._read(service, path, parameters)).json()

    async def text(self, service: str, path: str, **parameters: Any) -> str:
        """Reads a text from a service's API."""
        return (await self._read(service, path, parameters)).text

    async def find(self, service: str, path: str) -> Any | None:
        """Reads what need not be there from a service's API; None if it is not."""
        response = await self._read(service, path, {}, beside=httpx2.codes.NOT_FOUND)
        return None if response.status_code == httpx2.codes.NOT_FOUND else response.json()

    async def post(self, service: str, path: str, body: Any, *, revision: int | None = None) -> Any:
        """Writes to a service's API; `revision` is the one that is edited.

        Raises `Outdated` where somebody was first, be it an attempt of this call whose answer was lost.
        """
        url, headers = f"{self.stack.url(service)}{path}", dict(self._bearer)
        if revision is not None:
            headers["If-Match"] = f'"{revision}"'
        response = await self._repeated(lambda: self._http.post(url, json=body, headers=headers))
        if response.status_code in (httpx2.codes.CONFLICT, httpx2.codes.PRECONDITION_FAILED):
            raise Outdated(_told(service, path, response))
        if response.is_error:
            raise StackError(_told(service, path, response))
        return response.json()

    async def _read(
        self, service: str, path: str, parameters: Mapping[str, Any], *, beside: int | None = None
    ) -> httpx2.Response:
        url = f"{self.stack.url(service)}{path}"
        response = await self._repeated(lambda: self._http.get(url, params=parameters, headers=self._bearer))
        if response.is_error and response.status_code != beside:
            raise StackError(_told(service, path, response))
        return response

    async def _repeated(self, ask: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
        """Asks again while the service is being started; whatever comes of the last attempt is returned."""
        for attempt in range(RETRIES):
            try:
                response = await ask()
                if response.status_code != httpx2.codes.SERVICE_UNAVAILABLE:
                    return response
            except httpx2.TransportError:
                pass
            await asyncio.sleep(RETRY_SECONDS * min(attempt + 1, 5))
        try:
            return await ask()
        except httpx2.TransportError as error:
            raise StackError(f"a service does not response: {error!r}") from None

    async def waiting(self) -> int:
        """Records and outbox rows that some service has still to handle, at least 1 while that is not known.

        What ingest has is its spool: nothing here goes by the topic that it reads.
        """
        total = 0
        for service in SERVICES:
            report = await self._lag(service)
            if report is None:
                return 1
            if report["stopped"]:
                raise StackError(f"{service} waits for an operator: {'; '.join(report['stopped'])}")
            total += still_to_do(report, self.stack.broker.cluster_id)
        return total

    async def _lag(self, service: str) -> Any:
        try:
            response = await self._http.get(f"{self.stack.url(service)}/health/lag")
        except httpx2.TransportError:
            return None
        return response.json() if response.is_success else None

    async def until_idle(self, *, deadline_seconds: float) -> None:
        """Returns when nothing is left to read or to publish; raises if for so long as much is left as before."""
        idle, last = 0, 0
        now = asyncio.get_running_loop().time
        changed = now()
        while idle < IDLE_LOOKS:
            waiting = await self.waiting()
            idle = 0 if waiting else idle + 1
            if waiting != last:
                last, changed = waiting, now()
            if now() - changed > deadline_seconds:
                raise StackError(f"the services did nothing for {deadline_seconds:.0f} s, and {last} records wait")
            await asyncio.sleep(LOOK_SECONDS)


def _told(service: str, path: str, response: httpx2.Response) -> str:
    return f"{service} answered {response.status_code} to {path}: {response.text[:200]}"
