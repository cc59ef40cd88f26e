"""A message, through the gate. The run waits until it is known what became of it."""

from collections.abc import Iterator, Mapping
from typing import Final

from services.campaign.domain.journey.nodes.node import At, Known, NodeId, Waiting
from services.campaign.domain.journey.problems import Problem, nearest
from services.campaign.domain.journey.run import End, Leave, Outcome, Send, Signal, Stay
from services.campaign.domain.message_definition import Cap, Purpose, Slug
from shared.contracts.events import MARKETING

MESSAGE: Final = "message"
"""What a run awaits here, and the signal that comes: its detail is the state that the message ended in."""
LEFT: Final = frozenset({"sent", "unknown"})  # an unknown one may have reached its customer, and is never sent again


class SendMessage(Waiting, frozen=True, kw_only=True, tag="message"):
    """Sends a message by `template` over `channel`, for which a customer must have agreed to `purpose`.

    Goes on by `next` once it was handed over. A message that the gate refuses, or that its provider does, goes on by
    `otherwise`; without that the run ends there, and says why.
    """

    channel: str = "email"
    template: Slug
    purpose: Purpose = MARKETING
    otherwise: NodeId | None = None
    cap: Cap | None = None

    def ports(self) -> Mapping[str, NodeId | None]:
        """Returns its ways out."""
        return {"next": self.next, **({"otherwise": self.otherwise} if self.otherwise else {})}

    def enter(self, at: At) -> Outcome:
        """Returns that the message is to be sent, and that the run stays."""
        return Stay(awaits=MESSAGE, effects=(Send(at.id, at.run.visit),))

    def resume(self, at: At, signal: Signal) -> Outcome:
        """Returns the way on, by what became of the message."""
        state, _, reason = signal.detail.partition(": ")
        if state in LEFT:
            return Leave("next", state)
        if self.otherwise is not None:
            return Leave("otherwise", signal.detail)
        return End(f"not sent: {reason or state}")

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields a channel or a template that there is not, and languages that the template lacks."""
        if self.channel not in known.channels:
            channels = ", ".join(sorted(known.channels))
            yield Problem(f"{pointer}/channel", f"there is no channel {self.channel}; the channels are {channels}")
        languages = known.templates.get(self.template)
        if languages is None:
            close = nearest(self.template, known.templates)
            yield Problem(f"{pointer}/template", f"there is no template {self.template}{close}")
        elif missing := sorted(known.languages - languages):
            message = f"the template has no text in {', '.join(missing)}: those customers get another language"
            yield Problem(f"{pointer}/template", message, warning=True)
        if self.too_late is not None or self.on_too_late is not None:
            yield Problem(f"{pointer}/too_late", "must be left out: a message has the journey's max_age")
