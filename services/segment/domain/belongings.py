"""Statements on tags and lists, and how they rank."""

from typing import Final

from msgspec import structs

from shared.contracts.envelope import Event, Stamp

_ALIKE: Final = 0  # the trust of all who may state such things at all


def rank(event: Event) -> Stamp:
    """Returns a statement's place among others on one tag or list: the later counts.

    Tags and lists are the company's own word, and none of its systems outranks another: what a server takes back had
    been set by hand, or the other way round.
    """
    return structs.replace(event.stamp, trust=_ALIKE)
