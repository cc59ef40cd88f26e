"""What routes need of a request beside its body: the process's intake, and who sends."""

from dataclasses import dataclass

from fastapi import Request
from starlette.requests import ClientDisconnect

from services.ingest.domain.errors import BadRequest
from services.ingest.domain.request import body
from services.ingest.service.intake import Intake


def intake_of(request: Request) -> Intake:
    """Returns the process's intake."""
    found: Intake = request.app.state.intake
    return found


async def body_of(request: Request, *, limit_bytes: int = body.MAX_BODY_BYTES) -> bytes:
    """Returns a request's whole body, unpacked. Raises `BadRequest`."""
    reader = body.BodyReader(limit_bytes=limit_bytes)
    try:
        async for chunk in request.stream():
            reader.feed(chunk)
    except ClientDisconnect:
        raise BadRequest("disconnected", "body: the connection ended before it was complete") from None
    return reader.finish()


@dataclass(frozen=True, slots=True)
class RequestSender:
    """Who sends a request. The page's origin is what the browser says, unless `page` is given."""

    request: Request
    page: str | None = None

    @property
    def address(self) -> str:
        """The connection's address; for a trusted proxy, its client's."""
        return self.request.client.host if self.request.client else ""

    @property
    def forwarded_for(self) -> str:
        """What a proxy says of the client, trusted or not."""
        return self.request.headers.get("x-forwarded-for", "")

    @property
    def origin(self) -> str:
        """The page that sends."""
        return self.request.headers.get("origin", "") if self.page is None else self.page

    @property
    def user_agent(self) -> str:
        """What the client calls itself."""
        return self.request.headers.get("user-agent", "")
