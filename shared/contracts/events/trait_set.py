"""A service or a server says traits of a customer, which identifies nobody."""

from typing import Any, ClassVar

from shared.contracts.events.body import WithExtra


class TraitSet(WithExtra, frozen=True, kw_only=True):
    """A service or a server says traits of a customer, which identifies nobody: no address is named by them.

    They override those of before as the traits of a `CustomerIdentified` do.
    """

    TYPE: ClassVar = "rapport.trait_set.v1"
    SERVERS_ONLY: ClassVar = True

    traits: dict[str, Any]
