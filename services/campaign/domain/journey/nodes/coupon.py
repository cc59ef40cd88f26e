"""A coupon of the customer's own."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from services.campaign.domain.coupon import Value
from services.campaign.domain.journey.lengths import problems_of_length
from services.campaign.domain.journey.nodes.node import At, Known, Passing
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import IssueCoupon, Leave, Outcome


class GiveCoupon(Passing, frozen=True, kw_only=True, tag="coupon"):
    """Issues a coupon by `name`, worth `value`, redeemed once within `valid`, for orders of `minimum_minor` or more.

    Templates of the same run have it as `coupon`.
    """

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    value: Value
    minimum_minor: Annotated[int, Meta(ge=0)] | None = None
    valid: str = "P30D"

    def enter(self, at: At) -> Outcome:
        """Returns the coupon to issue, and the way on."""
        return Leave("next", effects=(IssueCoupon(at.id, at.run.visit),))

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields an invalid length."""
        yield from problems_of_length(self.valid, f"{pointer}/valid")
