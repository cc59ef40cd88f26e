"""Random buckets by a stable hash: the same customer is always in the same one."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from services.segment.domain.conditions.base import Check, Condition, Limits, Problem
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.query import Query

MAX_BUCKETS = 10_000


class Bucket(Condition, frozen=True, kw_only=True, tag="bucket", tag_field="kind"):
    """The customer's bucket, of `of` many, numbered from 0, is `first` or more and less than `end`.

    The bucket is the first 56 bits of SHA-256 over `salt`, a colon and the customer's id in its usual text, modulo
    `of`. Another salt gives another, independent division.
    """

    salt: str
    first: int = 0
    end: int
    of: int = 100

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        salt, of, first, end = self.salt, self.of, self.first, self.end

        def check(customer: Customer, _: datetime) -> Truth:
            return first <= bucket(salt, customer.profile_id, of) < end

        return check

    def sql(self, query: Query) -> str:
        """Returns the expression over `c.profile_id`."""
        salted = f"{query.value(self.salt + ':', 'text')} || CAST(c.profile_id AS text)"
        digest = f"encode(substr(sha256(convert_to({salted}, 'UTF8')), 1, 7), 'hex')"
        number = f"CAST(CAST('x' || {digest} AS bit(56)) AS bigint) % {query.value(self.of, 'bigint')}"
        return f"({number} >= {query.value(self.first, 'bigint')} AND {number} < {query.value(self.end, 'bigint')})"

    def touches(self) -> Iterable[str]:
        """Returns nothing: it never changes."""
        return ()

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the numbers."""
        if not 2 <= self.of <= MAX_BUCKETS:
            yield Problem("/of", f"must be from 2 to {MAX_BUCKETS}")
        elif not 0 <= self.first < self.end <= self.of:
            yield Problem("/end", f"must be more than first and at most {self.of}; buckets are numbered from 0")
        if not self.salt:
            yield Problem("/salt", "must be a text that is not empty, as the name of an experiment")


def bucket(salt: str, profile_id: UUID, of: int) -> int:
    """Returns a customer's bucket, from 0."""
    digest = hashlib.sha256(f"{salt}:{profile_id}".encode()).digest()
    return int.from_bytes(digest[:7], "big") % of
