"""Which withdrawals of consent a later yes lifts: that of somebody who was known to be the same customer.

Two names were known to be one customer's at a time if trusted sources had joined them by then. What two users share,
then or since, joins them no more here than it does profiles, and a word of one of them is none of the other: only an
explicit merge, which names both, and was known at that time, does. A chain of names that leads from one such user to
another says of none of its links whose it is; each user's own word remains.

All of it is one walk through time, in which groups of names only grow together: n log n steps for n joins and words.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import chain
from typing import Final, NamedTuple
from uuid import UUID

from services.profile.domain import bounds
from shared.contracts.identity import Namespace

Joined = dict[str, dict[str, datetime]]

_USER: Final = (f"{Namespace.USER_ID.value}:", f"{Namespace.USER_ID.value}@")  # of whatever space


class Grant(NamedTuple):
    """A yes to what is spelt so, under one name."""

    spelt: str
    name: str
    at: datetime
    by: UUID


class Withdrawal(NamedTuple):
    """A no under one name; `since` when it was first received, if a public key stated it."""

    spelt: str
    name: str
    at: datetime
    by: UUID
    since: datetime | None = None


def unlifted(
    withdrawals: Sequence[Withdrawal], grants: Iterable[Grant], joined: Joined, verified: Mapping[str, datetime]
) -> list[Withdrawal]:
    """Returns the withdrawals that stand.

    A later yes lifts one. One by a public key counts only if nobody knew its visitor, when it was first received, by a
    user id or by an address that was verified then.
    """
    if not withdrawals:
        return []
    about = {one.spelt for one in withdrawals}
    words: list[tuple[datetime, Grant | int]] = [(one.at, one) for one in grants if one.spelt in about]
    words += [(one.since, place) for place, one in enumerate(withdrawals) if one.since is not None]
    words.sort(key=lambda item: item[0])
    walk = _Walk(withdrawals, joined, verified)
    gone: set[int] = set()
    for at, word in words:
        walk.go_on_to(at)
        if isinstance(word, Grant):
            gone.update(walk.lifted_by(word))
        elif walk.is_verified(withdrawals[word].name, at):
            gone.add(word)
    return [one for place, one in enumerate(withdrawals) if place not in gone]


class _Groups:
    """Names that belong together: disjoint sets."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._size: dict[str, int] = {}

    def root(self, name: str) -> str:
        parent = self._parent
        while (above := parent.get(name, name)) != name:
            parent[name] = parent.get(above, above)
            name = parent[name]
        return name

    def join(self, one: str, other: str) -> tuple[str, str] | None:
        """Returns which root stands for both, and which no longer stands for any; None if they were together."""
        kept, gone = self.root(one), self.root(other)
        if kept == gone:
            return None
        sizes = self._size.get(kept, 1), self._size.get(gone, 1)
        if sizes[0] < sizes[1]:
            kept, gone = gone, kept
        self._parent[gone] = kept
        self._size[kept] = sum(sizes)
        return kept, gone


class _Waiting:
    """Withdrawals that nothing has lifted, the earliest first, by group and by what they are of."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, list[tuple[datetime, int]]]] = {}

    def add(self, group: str, spelt: str, at: datetime, place: int) -> None:
        self._of.setdefault(group, {}).setdefault(spelt, []).append((at, place))

    def ready(self) -> None:
        for heap in chain.from_iterable(waiting.values() for waiting in self._of.values()):
            heapify(heap)

    def join(self, kept: str, gone: str) -> None:
        small, large = sorted((self._of.pop(kept, {}), self._of.pop(gone, {})), key=_total)
        for spelt, heap in small.items():
            less, more = sorted((heap, large.get(spelt, [])), key=len)
            for item in less:
                heappush(more, item)
            large[spelt] = more
        if large:
            self._of[kept] = large

    def before(self, group: str, spelt: str, at: datetime) -> Iterator[int]:
        """Takes out those from before this moment."""
        heap = self._of.get(group, {}).get(spelt, [])
        while heap and heap[0][0] < at:
            yield heappop(heap)[1]


def _total(heaps: Mapping[str, Sequence[object]]) -> int:
    return sum(map(len, heaps.values()))


class _Walk:
    """Who was known as whom, as time goes on.

    `_merged` are the users whom explicit merges made one. `_chains` are what stands with what at any time, but for
    users with users, of whom only what is known by now counts; `_people` says how many different users are in a chain.
    `_near` are the names known by now to be one customer's. In the last two a name is alone while it is `_shared`:
    while users stand with it whom no explicit merge has made one. `_blind`: too much was told to know who is who.
    """

    def __init__(self, withdrawals: Sequence[Withdrawal], joined: Joined, verified: Mapping[str, datetime]) -> None:
        self._blind = sum(map(len, joined.values())) >= bounds.MAX_JOINED
        pairs = [] if self._blind else [(at, one, two) for one, some in joined.items() for two, at in some.items()]
        self._pairs = sorted(pairs, reverse=True)
        self._merged, self._chains, self._near = _Groups(), _Groups(), _Groups()
        self._beside: dict[str, list[tuple[str, datetime]]] = {}
        for at, one, two in pairs:
            self._beside.setdefault(one, []).append((two, at))
            self._beside.setdefault(two, []).append((one, at))
        names = {*self._beside, *(one.name for one in withdrawals)}
        self._people = dict.fromkeys(filter(is_user, names), 1)
        self._has_user = set(self._people)
        self._verified = {name: at for name, at in verified.items() if name in names}
        self._waiting, self._waiting_of_users = _Waiting(), _Waiting()
        for place, no in enumerate(withdrawals):
            self._waiting.add(no.name, no.spelt, no.at, place)
            if is_user(no.name):
                self._waiting_of_users.add(no.name, no.spelt, no.at, place)
        self._waiting.ready()
        self._waiting_of_users.ready()
        self._find_shared()
        for _, one, two in pairs:
            if not (is_user(one) and is_user(two)):
                self._chain(one, two)

    def _find_shared(self) -> None:
        """Beside what different users stand, and beside what each does."""
        users = {
            name: {other for other, _ in beside if is_user(other)}
            for name, beside in self._beside.items()
            if not is_user(name)
        }
        self._shared = {name: len(whose) for name, whose in users.items() if len(whose) > 1}
        self._shared_by: dict[str, set[str]] = {}
        for name in self._shared:
            for user in users[name]:
                self._shared_by.setdefault(user, set()).add(name)

    def go_on_to(self, at: datetime) -> None:
        """Takes in what was known by then."""
        while self._pairs and self._pairs[-1][0] <= at:
            _, one, two = self._pairs.pop()
            if is_user(one) and is_user(two):
                self._merge(one, two, at)
            elif one not in self._shared and two not in self._shared:
                self._bring_near(one, two)

    def lifted_by(self, yes: Grant) -> Iterator[int]:
        """Takes out the places of the withdrawals that this yes, given now, lifts."""
        if self._is_whose(yes.name):
            return self._waiting.before(self._near.root(yes.name), yes.spelt, yes.at)
        if is_user(yes.name):
            return self._waiting_of_users.before(self._merged.root(yes.name), yes.spelt, yes.at)
        return iter(())

    def is_verified(self, name: str, at: datetime) -> bool:
        """Returns whether this name is known now to be that of a user, or of an address that was verified by then."""
        if not self._is_whose(name):
            return False
        group = self._near.root(name)
        return group in self._has_user or (group in self._verified and self._verified[group] <= at)

    def _is_whose(self, name: str) -> bool:
        """Whether the names that it stands with are known to be those of one customer."""
        return not self._blind and name not in self._shared and self._people.get(self._chains.root(name), 0) <= 1

    def _merge(self, one: str, other: str, at: datetime) -> None:
        if (joined := self._merged.join(one, other)) is None:
            return
        self._waiting_of_users.join(*joined)
        self._chain(one, other)
        self._people[self._chains.root(one)] -= 1
        self._bring_near(one, other)
        small, large = sorted((self._shared_by.pop(root, set()) for root in joined), key=len)
        of_both = small & large
        large |= small
        self._shared_by[joined[0]] = large
        for name in of_both:
            self._shared[name] -= 1
        for name in of_both:
            if self._shared[name] == 1:
                self._release(name, at)

    def _release(self, name: str, at: datetime) -> None:
        """From now on this name joins what it stands with."""
        del self._shared[name]
        for other, since in self._beside[name]:
            self._chain(name, other)
            if since <= at and other not in self._shared:
                self._bring_near(name, other)

    def _chain(self, one: str, other: str) -> None:
        if one in self._shared or other in self._shared:
            return
        if (joined := self._chains.join(one, other)) is not None:
            kept, gone = joined
            self._people[kept] = self._people.get(kept, 0) + self._people.pop(gone, 0)

    def _bring_near(self, one: str, other: str) -> None:
        if (joined := self._near.join(one, other)) is None:
            return
        kept, gone = joined
        self._waiting.join(kept, gone)
        if gone in self._has_user:
            self._has_user.add(kept)
        if gone in self._verified:
            self._verified[kept] = min(self._verified[gone], self._verified.get(kept, self._verified[gone]))


def is_user(name: str) -> bool:
    """Returns whether a name is a user id."""
    return name.startswith(_USER)
