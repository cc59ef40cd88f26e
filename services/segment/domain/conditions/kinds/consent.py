"""A customer's consent to a channel and a purpose."""

from collections.abc import Iterable, Iterator
from typing import Literal

from services.segment.domain.conditions.base import Check, Condition, Limits, Problem
from services.segment.domain.conditions.query import Query
from shared.contracts.events import MARKETING


class Consented(Condition, frozen=True, kw_only=True, tag="consent", tag_field="kind"):
    """Consent to a channel for a purpose: that it stands, that it was withdrawn, or that nobody ever stated it."""

    channel: str
    purpose: str = MARKETING
    state: Literal["granted", "withdrawn", "never"] = "granted"

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        wanted = {"granted": True, "withdrawn": False, "never": None}[self.state]
        key = f"{self.channel}:{self.purpose}"
        return lambda customer, _: customer.consents.get(key) is wanted

    def sql(self, query: Query) -> str:
        """Returns the expression over `p.consents`."""
        found = f"(p.consents ->> {query.value(f'{self.channel}:{self.purpose}', 'text')})"
        if self.state == "never":
            return f"{found} IS NULL"
        return f"coalesce({found} = '{'true' if self.state == 'granted' else 'false'}', FALSE)"

    def touches(self) -> Iterable[str]:
        """Returns consent."""
        return ("consent",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the names."""
        if not self.channel or ":" in self.channel:
            yield Problem("/channel", "must be the name of a channel, as email")
        if not self.purpose or ":" in self.purpose:
            yield Problem("/purpose", "must be the name of a purpose, as marketing")
