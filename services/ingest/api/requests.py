"""What routes need of a request beside its body: the process's intake, and who sends."""

from dataclasses import dataclass

from fastapi import Request

from services.ingest.service.intake import Intake


def intake_of(request: Request) -> Intake:
    """Returns the process's intake."""
    found: Intake = request.app.state.intake
    return found


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
