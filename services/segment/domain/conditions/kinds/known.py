"""Which identities are known of a customer."""

from collections.abc import Iterable, Iterator
from typing import Literal

from services.segment.domain.conditions.base import Check, Condition, Limits, Problem
from services.segment.domain.conditions.query import Query


class Known(Condition, frozen=True, kw_only=True, tag="identity", tag_field="kind"):
    """Identities of a namespace: whether there is one, or one that equals, begins or ends with a text."""

    namespace: str
    op: Literal["exists", "missing", "eq", "starts_with", "ends_with"]
    value: str = ""

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        name, op, value = self.namespace, self.op, self.value
        if op in ("exists", "missing"):
            return lambda customer, _: bool(customer.identities.get(name)) is (op == "exists")
        if op == "eq":
            return lambda customer, _: value in customer.identities.get(name, ())
        if op == "starts_with":
            return lambda customer, _: any(one.startswith(value) for one in customer.identities.get(name, ()))
        return lambda customer, _: any(one.endswith(value) for one in customer.identities.get(name, ()))

    def sql(self, query: Query) -> str:
        """Returns the expression over `p.identities`."""
        values = f"coalesce(p.identities -> {query.value(self.namespace, 'text')}, '[]')"
        if self.op in ("exists", "missing"):
            return f"jsonb_array_length({values}) {'>' if self.op == 'exists' else '='} 0"
        value = query.value(self.value, "text")
        if self.op == "eq":
            return f"{values} @> to_jsonb({value})"
        test = f"starts_with(x, {value})" if self.op == "starts_with" else f"right(x, length({value})) = {value}"
        return f"EXISTS (SELECT FROM jsonb_array_elements_text({values}) q(x) WHERE {test})"

    def touches(self) -> Iterable[str]:
        """Returns the namespace."""
        return (f"identity:{self.namespace}",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the value."""
        if not self.namespace:
            yield Problem("/namespace", "must be the name of a namespace, as email")
        if self.op in ("exists", "missing") and self.value:
            yield Problem("/value", f"must be left out: {self.op} takes no value")
        elif self.op not in ("exists", "missing") and not self.value:
            yield Problem("/value", "must be a text that is not empty")
