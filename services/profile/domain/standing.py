"""What stands of a customer's consent: withdrawn if any no stands, else granted if anybody agreed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.profile.domain import bounds
from services.profile.domain.lifting import Grant, Joined, Withdrawal, unlifted
from services.profile.domain.permission import OTHERS, Permissions, Refusals
from shared.contracts.consent import Pair, pair_of
from shared.contracts.identity import Namespace
from shared.contracts.moments import EARLIEST

_ANONYMOUS: Final = f"{Namespace.ANONYMOUS_ID.value}:"


class Standing(NamedTuple):
    """What stands of a customer's consent to one pair, since when, and which event states it, if that is known.

    `changed_at` is the earliest moment that an event may speak of, `EARLIEST`, if nobody knows when that was.
    """

    pair: Pair
    granted: bool
    changed_at: datetime
    event_id: UUID


def agreed(
    permissions: Permissions,
    joined: Joined,
    vouched: Iterable[str],
    refusals: Refusals,
    verified: Mapping[str, datetime],
) -> list[Standing]:
    """Returns consent by pair: withdrawn if any no stands, else granted if anybody agreed.

    A statement about an anonymous id counts only if a trusted source says whose it is. A withdrawal by a public key
    counts only if it came before such a source knew the visitor by a user id or a verified address.
    """
    known = {f"{_ANONYMOUS}{value}" for value in vouched}
    any_may_be = len(known) >= bounds.MAX_VOUCHED  # more may have been vouched for: a no of whoever it is counts
    granted = [
        Grant(spelt, name, one.granted, one.granted_by)
        for name, by_pair in permissions.items()
        if name in known or not name.startswith(_ANONYMOUS)
        for spelt, one in by_pair.items()
        if one.granted is not None
    ]
    withdrawn = [
        Withdrawal(spelt, name, one.withdrawn, one.withdrawn_by)
        for name, by_pair in permissions.items()
        for spelt, one in by_pair.items()
        if one.withdrawn is not None
    ]
    many = {spelt for spelt, names in Counter(no.spelt for no in withdrawn).items() if names >= bounds.MAX_NAMES}
    counting = [no for no in withdrawn if any_may_be or no.name in known or not no.name.startswith(_ANONYMOUS)]
    spoken_of = {one.spelt for one in granted}
    counting += _refused(refusals, refusals.keys() | known if any_may_be else known, spoken_of)
    standing = unlifted(counting, granted, joined, verified)
    standing += [no for no in withdrawn if no.spelt in many]  # nobody knows who else withdrew it
    newest_no, newest_yes = _newest_of(standing), _newest_of(granted)
    words = {**newest_yes, **newest_no}
    return [
        Standing(pair_of(spelt), spelt not in newest_no, max(words[spelt][0], EARLIEST), words[spelt][1])
        for spelt in sorted(words)
    ]


def _newest_of(words: Iterable[Grant] | Iterable[Withdrawal]) -> dict[str, tuple[datetime, UUID]]:
    found: dict[str, tuple[datetime, UUID]] = {}
    for one in words:
        word = (one.at, one.by)
        found[one.spelt] = max(word, found.get(one.spelt, word))
    return found


def _refused(refusals: Refusals, visitors: Iterable[str], spoken_of: Set[str]) -> Iterable[Withdrawal]:
    """What these visitors withdrew; `OTHERS` stands for each visitor, and each pair, of whom nothing else is kept."""
    for name in visitors:
        stated = refusals.get(name, refusals.get(OTHERS, {}))
        for spelt in (stated.keys() - {OTHERS}) | (spoken_of if OTHERS in stated else set()):
            no = stated.get(spelt) or stated[OTHERS]
            yield Withdrawal(spelt, name, no.at, no.by, no.since)


def newest(permissions: Permissions) -> dict[str, datetime]:
    """Returns by channel when somebody stated anything of it last."""
    found: dict[str, datetime] = {}
    for by_pair in permissions.values():
        for channel, one in by_pair.items():
            for moment in (one.granted, one.withdrawn):
                if moment is not None:
                    found[channel] = max(moment, found.get(channel, moment))
    return found
