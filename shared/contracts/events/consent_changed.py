"""A customer gave consent to a channel and a purpose, or withdrew it. `evidence` is how: a form, its wording, …"""

from typing import Any, ClassVar

from shared.contracts.events.body import MARKETING, WithExtra


class ConsentChanged(WithExtra, frozen=True, kw_only=True):
    """A customer gave consent to a channel and a purpose, or withdrew it. `evidence` is how: a form, its wording, …

    `confirm_at` is the mail address at which a visitor of a public source is asked to confirm; such a consent counts
    once it is confirmed.
    """

    TYPE: ClassVar = "rapport.consent_changed.v2"
    FIRST: ClassVar = "rapport.consent_changed.v1"

    channel: str
    granted: bool
    purpose: str = MARKETING
    evidence: dict[str, Any] = {}
    confirm_at: str = ""
