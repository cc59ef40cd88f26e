"""What a customer was put into: tags, lists, and other segments."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from services.segment.domain.conditions.base import Check, Clock, Condition, Limits, Problem
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.query import Query


class Tagged(Condition, frozen=True, kw_only=True, tag="tag", tag_field="kind"):
    """The customer has this tag, and it has not ended."""

    name: str

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        name = self.name

        def check(customer: Customer, now: datetime) -> Truth:
            if name not in customer.tags:
                return False
            ends = customer.tags[name]
            return ends is None or now < ends

        return check

    def clock(self) -> Clock | None:
        """Returns the tag's end."""
        name = self.name
        return lambda customer, now: _after(customer.tags.get(name), now)

    def sql(self, query: Query) -> str:
        """Returns the expression over the tags."""
        return f"""EXISTS (SELECT FROM customer_tags t
                            WHERE t.profile_id = c.profile_id AND t.tag = {query.value(self.name, "text")} AND t.set
                              AND (t.expires_at IS NULL OR t.expires_at > :now))"""

    def touches(self) -> Iterable[str]:
        """Returns the tag."""
        return (f"tag:{self.name}",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields that it has no name."""
        if not self.name:
            yield Problem("/name", "must be the name of a tag")


class Listed(Condition, frozen=True, kw_only=True, tag="list", tag_field="kind"):
    """The customer is on this list, and that has not ended."""

    id: str

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        name = self.id

        def check(customer: Customer, now: datetime) -> Truth:
            if name not in customer.lists:
                return False
            ends = customer.lists[name]
            return ends is None or now < ends

        return check

    def clock(self) -> Clock | None:
        """Returns when the customer's place on the list ends."""
        name = self.id
        return lambda customer, now: _after(customer.lists.get(name), now)

    def sql(self, query: Query) -> str:
        """Returns the expression over the lists."""
        return f"""EXISTS (SELECT FROM list_members l
                            WHERE l.profile_id = c.profile_id AND l.list_id = {query.value(self.id, "text")}
                              AND l.member
                              AND (l.expires_at IS NULL OR l.expires_at > :now))"""

    def touches(self) -> Iterable[str]:
        """Returns the list."""
        return (f"list:{self.id}",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields that it has no id."""
        if not self.id:
            yield Problem("/id", "must be the id of a list")


class InSegment(Condition, frozen=True, kw_only=True, tag="segment", tag_field="kind"):
    """The customer is in another segment."""

    id: str

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        name = self.id
        return lambda customer, _: name in customer.segments

    def sql(self, query: Query) -> str:
        """Returns the expression over the memberships."""
        return f"""EXISTS (SELECT FROM memberships m
                            WHERE m.profile_id = c.profile_id AND m.segment_id = {query.value(self.id, "text")}
                              AND m.member)"""

    def touches(self) -> Iterable[str]:
        """Returns the segment."""
        return (f"segment:{self.id}",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields that it has no id."""
        if not self.id:
            yield Problem("/id", "must be the id of a segment")


def _after(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment is not None and moment > now else None
