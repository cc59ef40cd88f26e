"""The SQL of conditions: one statement for any number of them, over the whole base or a part of it.

Every condition is an expression over `c` (standings), `p` (customers) and `a`, in which one pass over the history has
counted what the events' conditions ask for: ten conditions cost one scan, not ten.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.contracts.property_filter import exact

Value = str | int | float | bool | Decimal | date | timedelta | None | Sequence[Any]


class Query:
    """Collects the parameters of one statement, and what has to be counted for it.

    `among` bounds the customers, by `{id}`, in all parts of the statement.
    """

    def __init__(self, now: datetime, *, among: str = "TRUE") -> None:
        self.now = now
        self._among = among
        self.parameters: dict[str, Any] = {"now": now}
        self._names: dict[tuple[str, str], str] = {}
        self._counted: dict[str, str] = {}
        self._events: set[str] = set()
        self._earliest: datetime | None = now

    def value(self, value: Value, kind: str) -> str:
        """Returns a parameter with this value, as an expression of this SQL type."""
        if kind.startswith("numeric"):
            value = _numeric(value)
        key = (repr(value), kind)
        if key not in self._names:
            self._names[key] = name = f"v{len(self._names)}"
            self.parameters[name] = value
        return f"CAST(:{self._names[key]} AS {kind})"

    def counted(self, expression: str, *, event: str, where: str, since: datetime | None) -> str:
        """Returns the column of what an aggregate gives over a customer's events of a name, by row `h` of the history.

        `where` picks the rows, `since` is the moment after which they all lie. Without any such row it is NULL.
        """
        self._events.add(event)
        if since is None or self._earliest is None:
            self._earliest = None
        else:
            self._earliest = min(self._earliest, since)
        filtered = f"{expression} FILTER (WHERE h.name = {self.value(event, 'text')} AND {where})"
        if filtered not in self._counted:
            self._counted[filtered] = f"e{len(self._counted)}"
        return f"a.{self._counted[filtered]}"

    def among(self, profile_id: str) -> str:
        """Returns the expression that bounds the customers, of a column that has their ids."""
        return self._among.format(id=profile_id)

    def statement(self, verdicts: Mapping[str, str]) -> str:
        """Returns the statement of these expressions, by column."""
        columns = "".join(f",\n               {expression} AS {name}" for name, expression in verdicts.items())
        return f"""
        SELECT c.profile_id{columns}
          FROM standings c
          LEFT JOIN customers p ON p.profile_id = c.profile_id{self._aggregated()}
         WHERE {self.among("c.profile_id")}
        """

    def _aggregated(self) -> str:
        if not self._counted:
            return ""
        columns = "".join(f",\n                      {sql} AS {name}" for sql, name in self._counted.items())
        since = f"AND h.at > {self.value(self._earliest, 'timestamptz')}" if self._earliest else ""
        return f"""
          LEFT JOIN (
               SELECT h.profile_id{columns}
                 FROM history h
                WHERE h.name = ANY({self.value(sorted(self._events), "text[]")}) AND h.at <= :now {since}
                  AND {self.among("h.profile_id")}
                GROUP BY h.profile_id
               ) a ON a.profile_id = c.profile_id"""


def _numeric(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_numeric(one) for one in value]
    return value if value is None else Decimal(exact(value))
