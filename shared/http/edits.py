"""Edits: each says which version it is of."""

from typing import Annotated, Final

from fastapi import Depends, Header

from shared.errors import PreconditionFailed, PreconditionRequired

MAX_VERSION_DIGITS: Final = 18  # of a version in an ETag; what PostgreSQL counts in has 19


def etag(version: int) -> str:
    """Returns a version as a strong entity tag."""
    return f'"{version}"'


def if_match(
    header: Annotated[str | None, Header(alias="If-Match", description="the ETag that was read")] = None,
) -> int:
    """Returns the version that an edit is of.

    Raises `PreconditionRequired`, or `PreconditionFailed` for no tag of ours.
    """
    if header is None:
        raise PreconditionRequired("read it first, and send its ETag as If-Match")
    text = header.strip().removeprefix("W/").strip('"')
    if not text.isdecimal() or len(text) > MAX_VERSION_DIGITS:
        raise PreconditionFailed("If-Match: not an ETag of this API")
    return int(text)


EditOf = Annotated[int, Depends(if_match)]
