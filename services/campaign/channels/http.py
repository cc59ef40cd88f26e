"""One POST to a provider over HTTP, and what came of it: what SMS and webhooks have in common."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final

import httpx2
import msgspec

from services.campaign.domain.delivery import Deferred, Lost, Reply
from services.campaign.domain.http_replies import ErrorBody, error_body, http_reply, untrusted

IDLE_SECONDS: Final = 2.0  # less than servers keep an idle connection: on one that ends meanwhile a message is lost
MAX_REPLY_BYTES: Final = 16 * 1024
REASON_CHARACTERS: Final = 300

# Nothing of the message was sent.
_NOT_SENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
    httpx2.InvalidURL,
)


class HttpProvider:
    """Hands messages over by POST. Follows no redirect, and reads no more of a reply than it needs.

    `may_lose` says that nobody can tell, after silence, whether a message was taken; else it is tried again.
    """

    def __init__(self, *, may_lose: bool, seconds: float, concurrency: int) -> None:
        self._may_lose = may_lose
        self._seconds = seconds
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(seconds, connect=seconds / 2),
            limits=httpx2.Limits(
                max_connections=concurrency, max_keepalive_connections=concurrency, keepalive_expiry=IDLE_SECONDS
            ),
            follow_redirects=False,
            trust_env=False,
        )

    async def post(
        self,
        url: str,
        content: bytes,
        headers: Mapping[str, str],
        *,
        without: str = "",
        extensions: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Hands content over. Returns within the time it was given, and raises nothing that HTTP or the network do.

        Replies are shown to operators: `without`, the recipient's address, is taken out of them.
        """
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream(
                    "POST", url, content=content, headers=dict(headers), extensions=dict(extensions or {})
                ) as response,
            ):
                body = error_body(await _beginning(response))
                return http_reply(response.status_code, _stripped(body, without), may_lose=self._may_lose)
        except _NOT_SENT as error:
            if (why := _not_trusted(error)) is not None:
                return untrusted(f"no TLS: {why}")
            return Deferred(_reason("provider", error), counted=False)
        except (httpx2.HTTPError, httpx2.StreamError, OSError, TimeoutError) as error:
            reason = _reason("no answer", error)
            return Lost(reason) if self._may_lose else Deferred(reason)

    async def close(self) -> None:
        """Ends idle connections."""
        await self._client.aclose()


async def _beginning(response: httpx2.Response) -> bytes:
    """Returns the beginning of an error's body; that of a success does not matter."""
    content = bytearray()
    if not response.is_success:
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) >= MAX_REPLY_BYTES:
                break
    return bytes(content[:MAX_REPLY_BYTES])


def _stripped(body: ErrorBody, address: str) -> ErrorBody:
    if not address:
        return body
    return msgspec.structs.replace(body, message=body.message.replace(address, "the recipient"))


def _not_trusted(error: BaseException) -> str | None:
    """Why the other side's certificate is invalid; None if that is not what went wrong."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        cause = cause.__cause__ or cause.__context__
    return None


def _reason(what: str, error: BaseException) -> str:
    return f"{what}: {error}"[:REASON_CHARACTERS] if str(error) else f"{what}: {type(error).__name__}"
