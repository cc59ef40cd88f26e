"""What a stop is, and which of them an order makes.

A call is on the order's way if the order is among what it is given: its id, or, after the tier has changed, the id of
that change or of the message. So are both ends of such a call:

- a **stop** is a file of a service that hands the order on, which is a file of every room but `domain` and
  `repository`; and a mechanism of `shared/`, which is one stop however many files it has and however often it carries.
  `shared/contracts` is no stop: it is the language in which the order is handed on.
- `domain` and `repository` only answer whoever asks them (the arrows allow them nothing else). Their files are listed
  with the stop that asks; those count that were asked on the order's behalf, whatever they were given of it.
- a file is **entered** once from each stop that hands it the order, or asks it, however many calls that takes; what
  answering files ask of each other is between them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from tests.walk.tracing import Call

LANGUAGE: Final = "shared/contracts"
LAST_SERVICE: Final = "services/campaign/"
LAST: Final = "services/campaign/channels"
MECHANISMS: Final = {"relay.py": "outbox"}  # two halves of one mechanism: what is written, and what is sent of it
ANSWERING: Final = ("domain", "repository")


@dataclass
class Stop:
    """A stop, the function by which it was entered first, from where it was entered, and whom it asked."""

    place: str
    function: str
    entered_from: list[str] = field(default_factory=list)
    asks: list[str] = field(default_factory=list)


@dataclass
class Walk:
    """The stops in the order in which they were entered, and from which stops each file of a service was."""

    stops: dict[str, Stop]
    entries: dict[str, list[str]]

    def hand_over(self, call: Call) -> None:
        """Notes that the order was given with a call: both its ends are on the way."""
        callers = [(place_of(file), function) for file, function in call.callers]
        caller = callers[0][0] if callers else ""
        if caller and caller not in self.stops and not is_answering(caller):
            # To it the order came with more, such as a whole request, or as what it asked for.
            inside = list(takewhile(lambda one: one[0] == caller, callers))
            outside = callers[len(inside)][0] if len(callers) > len(inside) else ""
            self._enter(*inside[-1], outside)
        if is_answering(call.file):
            self.ask(call)
        else:
            self._enter(place_of(call.file), call.function, caller)

    def ask(self, call: Call) -> None:
        """Notes that a stop asked a file that only answers."""
        place, caller = call.file, place_of(call.callers[0][0])
        if caller in self.stops:
            _note(self.entries.setdefault(place, []), caller)
            _note(self.stops[caller].asks, place)

    def _enter(self, place: str, function: str, caller: str) -> None:
        stop = self.stops.setdefault(place, Stop(place, function))
        if caller:
            _note(stop.entered_from, caller)
            if place.startswith("services/"):
                _note(self.entries.setdefault(place, []), caller)


def walk_of(calls: Sequence[Call], marks: Iterable[str]) -> Walk:
    """Returns the walk of what is marked by these texts, up to the first call of a channel."""
    known = tuple(marks)
    walk = Walk({}, {})
    for call in calls:
        place, caller = place_of(call.file), place_of(call.callers[0][0]) if call.callers else ""
        if place in (LANGUAGE, caller) or caller == LANGUAGE:
            continue
        if any(mark in call.given for mark in known):
            walk.hand_over(call)
        elif caller and is_answering(place) and any(mark in call.around for mark in known):
            walk.ask(call)
        if place.startswith(LAST) and place in walk.stops:
            break
    # Two services read one topic, each in its own time: the one that hands the order on stands before the last one.
    stops = sorted(walk.stops.items(), key=lambda one: one[0].startswith(LAST_SERVICE))
    return Walk(dict(stops), walk.entries)


def place_of(file: str) -> str:
    """Returns the stop that a file belongs to: a file of a service is its own, one of shared/ its mechanism's."""
    root, first, *_ = file.split("/")
    if root == "services":
        return file
    return f"{root}/{MECHANISMS.get(first, first.removesuffix('.py'))}"


def is_answering(file: str) -> bool:
    """Returns whether a file only answers: it is in `domain` or `repository`."""
    root, _, room, *_ = [*file.split("/"), ""]
    return root == "services" and room.removesuffix(".py") in ANSWERING


def _note(seen: list[str], one: str) -> None:
    if one not in seen:
        seen.append(one)
