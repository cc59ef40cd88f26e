"""Whether something that was refused, as it came, names a customer."""

import csv
import json
import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from shared.contracts import normal_form
from shared.contracts.identity import Identity, Namespace

MAX_DEPTH: Final = 100  # of nested lists and objects; what lies deeper is searched as text
PHONE_DIGITS: Final = 9  # from the end: a national number and its international form agree on them
_PHONE: Final = re.compile(r"[+()\d\s./-]{7,40}")
_OF_IDS: Final = re.compile(r"(id|user|customer|contact|subject)s?$", re.IGNORECASE)
_NOT_DIGITS: Final = re.compile(r"\D")
_MAILS: Final = re.compile(r"[^\s<>\"',;:()\[\]]+@[^\s<>\"',;:()\[\]]+")


def names_one_of(raw: bytes, identities: Collection[Identity]) -> bool:
    """Returns whether any value in a payload is one of these identities, in whatever form it is written there.

    Values are those of JSON, else the cells of a line of CSV. Mail addresses are found inside longer texts, too. An own
    id counts where it is the whole value of something that is called an id, a user or a customer, or of a cell: 42 is
    found in every order otherwise. A national phone number is taken for each number that ends like it: rather too much
    is found than too little.
    """
    wanted = {(one.namespace.kind, one.value) for one in identities}
    tails = {_tail(value) for kind, value in wanted if kind is Namespace.PHONE}
    return any(_names(name, leaf, wanted, tails) for name, leaf in _values(raw.decode(errors="replace")))


def _names(name: str, leaf: str, wanted: Collection[tuple[Namespace, str]], tails: Collection[str]) -> bool:
    for kind in {kind for kind, _ in wanted}:
        if kind is Namespace.EMAIL:
            if any((kind, normal_form.email(found)) in wanted for found in _MAILS.findall(leaf)):
                return True
        elif kind is Namespace.PHONE:
            if _PHONE.fullmatch(leaf.strip()) and _tail(leaf) in tails:
                return True
        elif (not name or _OF_IDS.search(name)) and (kind, normal_form.of(kind, leaf)) in wanted:
            return True
    return False


def _tail(number: str) -> str:
    digits = _NOT_DIGITS.sub("", number)
    return digits[-PHONE_DIGITS:]


def _values(text: str) -> Iterator[tuple[str, str]]:
    """The values, each with the name under which it stands; an empty name where there is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        yield "text", text
        for row in csv.reader(text.splitlines()[:1]):
            yield from (("", cell) for cell in row)
        return
    yield from _leaves("", found, MAX_DEPTH)


def _leaves(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if depth == 0:
        yield name, json.dumps(value)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield "key", key
            yield from _leaves(key, one, depth - 1)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(name, one, depth - 1)
    elif isinstance(value, str):
        yield name, value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield name, str(value)
