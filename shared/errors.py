"""Errors that carry their meaning. The docstring is the title a caller reads; the message says what was wrong."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar


class AppError(Exception):
    """The request could not be carried out."""

    status: ClassVar[int] = HTTPStatus.BAD_REQUEST
    known_as: ClassVar[str] = ""
    """The last part of the problem type where that is not the class's name: clients know it, so it never changes."""
    errors: Sequence[Mapping[str, Any]] = ()
    """What is wrong, one by one, for a program to read: each with its place, as `at`, and a `message`."""

    def __init__(self, detail: str = "", *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail or self.title())
        self.detail = detail
        self.headers = headers or {}

    @classmethod
    def title(cls) -> str:
        """Returns one line for people: the first line of the class's docstring."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0]

    @classmethod
    def slug(cls) -> str:
        """Returns the last part of the problem type: `JourneyClosed` becomes `journey-closed`."""
        return cls.known_as or "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("-")


class NotFound(AppError):
    """There is no such thing."""

    status = HTTPStatus.NOT_FOUND


class Conflict(AppError):
    """The request contradicts what is already there."""

    status = HTTPStatus.CONFLICT


class PreconditionRequired(AppError):
    """An edit must name the version that it changes."""

    status = HTTPStatus.PRECONDITION_REQUIRED


class PreconditionFailed(AppError):
    """The resource has changed since it was read."""

    status = HTTPStatus.PRECONDITION_FAILED


class Invalid(AppError):
    """The request is not valid."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class Unauthorized(AppError):
    """The request carries no valid credential."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, detail: str = "", *, challenge: str = 'Bearer error="invalid_token"') -> None:
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class Forbidden(AppError):
    """The credential does not allow this."""

    status = HTTPStatus.FORBIDDEN


class Unavailable(AppError):
    """The service can't do this right now; try again later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class Refused(Exception):
    """An event that can never be taken in as it is. The runtime sends it to the dead letters with this reason.

    `unattributed` says that the event's own word on its source is worth nothing: the refusal counts as one of the
    unknown source, however many names its sender makes up.
    """

    def __init__(self, reason: str, *, unattributed: bool = False) -> None:
        super().__init__(reason)
        self.unattributed = unattributed


class TryAgain(Exception):
    """A concurrent writer came first; the same batch will succeed when run again."""
