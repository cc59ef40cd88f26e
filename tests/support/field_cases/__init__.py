"""Small inputs as the field really sends them, and what a careful user expects of each.

`case` says what a case is, `player` plays all of them on one stack; the others have them by what they are about.
"""

from tests.support.field_cases import events, files, payments, people, shops
from tests.support.field_cases.case import Case

CASES: tuple[Case, ...] = (*shops.CASES, *payments.CASES, *events.CASES, *people.CASES, *files.CASES)
