"""A jump to another node: the same as leading there, drawn as a jump."""

from services.campaign.domain.journey.nodes.node import At, Passing
from services.campaign.domain.journey.run import Leave, Outcome


class GoTo(Passing, frozen=True, kw_only=True, tag="go_to"):
    """Goes on at `next`."""

    def enter(self, at: At) -> Outcome:
        """Returns the way on."""
        return Leave("next")
