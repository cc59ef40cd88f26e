"""What a check of the gate is."""

from typing import Protocol

from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Verdict


class Check(Protocol):
    """One question about a message that would leave now. `docs/campaign-gate.md` lists all, with their reasons.

    `name` is unique: decisions keep which check decided. `check` returns None if it has nothing against the message;
    else that the message is held, until when, or refused, and why. A reason is a word of letters, digits, `_`, `-` and
    `/`: figures sum by it. A member is asked only if all before it had nothing against the message. It looks at nothing
    but its arguments, and a held message passes it, or is refused, at some time.
    """

    @property
    def name(self) -> str:
        """The check's name."""
        ...

    def check(self, candidate: Candidate, situation: Situation, /) -> Verdict | None:
        """Returns what it has against the message, if anything."""
        ...
