"""What waits do with runs that are moved late, such as after an outage."""

from collections.abc import Iterator

from services.campaign.domain.journey.lengths import length, problems_of_length
from services.campaign.domain.journey.nodes.node import At, Waiting
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import Leave, Outcome


def when_due(node: Waiting, at: At, port: str = "next") -> Outcome:
    """Returns the way on for a run whose time has come: by this port, or by `too_late` where it is too late."""
    due = at.run.due_at
    if node.too_late is not None and due is not None and at.now - due > length(node.too_late):
        return Leave("too_late", f"due {due.isoformat()}")
    return Leave(port)


def problems_of_lateness(node: Waiting, pointer: str) -> Iterator[Problem]:
    """Yields an invalid length, and a way out that no length leads to."""
    if node.too_late is not None:
        yield from problems_of_length(node.too_late, f"{pointer}/too_late")
    elif node.on_too_late is not None:
        yield Problem(f"{pointer}/on_too_late", "needs too_late: after how long it is too late, such as P1D")
