"""What a run promised, held against what it left behind. Pure: evidence in, broken rules out.

It knows what the customers did from the ledger, and adds it up by itself: nothing of the services' folds is used.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from tests.faults.evidence import Evidence, Record
from tests.faults.ledger import Outcome

SHOWN: Final = 3  # examples of each kind of damage

FINAL_STATES: Final = frozenset({"sent", "refused", "failed", "unknown"})


class Broken(NamedTuple):
    """A promise that was not kept, and by what."""

    rule: str
    what: str


def check(evidence: Evidence) -> list[Broken]:
    """Every broken rule, with examples."""
    return [Broken(rule, what) for rule, law in RULES.items() for what in law(evidence)]


def _kept(e: Evidence) -> Iterator[str]:
    there = {one.event_id for one in e.timeline}
    good = {event_id for event_id, sent in e.sent.items() if sent.fate is Outcome.OK and not sent.bad}
    yield from _some("acknowledged, and in no profile", good - there)
    refused = {sent.message_id for sent in e.sent.values() if sent.fate is Outcome.OK and sent.bad}
    yield from _some("acknowledged, bad, and not in the quarantine", refused - set(e.quarantine))
    yield from _some("in the quarantine twice", _twice(e.quarantine))
    yield from _some("under somebody else's profile", _misplaced(e))
    rows = Counter(one.profile_id for one in e.timeline)
    viewed = [one for one in e.timeline if one.type.startswith("rapport.page_viewed.")]
    views = Counter(one.profile_id for one in viewed if not one.claim)
    for profile_id, profile in e.profiles.items():
        if (profile.events, profile.page_views) != (rows[profile_id], views[profile_id]):
            yield f"profile {profile_id} counts {profile.events} events and has {rows[profile_id]}"
            break
    yield from _some("of no profile", rows.keys() - e.profiles.keys())
    if e.tally is not None:
        yield from _some("applied more than once by a reader", {i for i, times in e.tally.items() if times > 1})
        yield from _some("never applied by a reader", there - e.tally.keys())
    answers = Counter(e.responses)
    yield from _some("an answer acknowledged, and not stored once", {k for k in e.answered if answers[k] != 1})


def _misplaced(e: Evidence) -> Iterator[UUID]:
    for one in e.timeline:
        sent = e.sent.get(one.event_id)
        if sent is not None and sent.user and e.owners.get(sent.user) != one.profile_id:
            yield one.event_id


def _nothing_invented(e: Evidence) -> Iterator[str]:
    ours = [one.event_id for one in e.timeline if one.source_id == str(e.source_id)]
    yield from _some("in a profile, and never sent", set(ours) - e.sent.keys())
    failed = {event_id for event_id, sent in e.sent.items() if sent.fate is Outcome.FAILED or sent.bad}
    yield from _some("in a profile, though its call failed or it is bad", failed.intersection(ours))
    yield from _some("an answer stored twice", _twice(e.responses))


def _figures(e: Evidence) -> Iterator[str]:
    expected = _expected_orders(e)
    for name, found in (("profile", e.profile_orders), ("segment", e.segment_orders)):
        if found is None:
            continue
        wrong = {key for key in expected.keys() | found.keys() if expected.get(key, NONE) != found.get(key, NONE)}
        for key in sorted(wrong)[:SHOWN]:
            yield f"{len(wrong)} orders wrong at {name}: {key} is {found.get(key)}, should be {expected.get(key)}"
    totals: dict[UUID, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for (profile_id, _), (counts, net) in expected.items():
        orders, spend = totals[profile_id]
        totals[profile_id] = (orders + counts, spend + net)
    for profile_id, profile in e.profiles.items():
        found_total = (profile.orders, profile.spend_minor)
        if found_total != totals[profile_id]:
            yield f"profile {profile_id}: (orders, cents) are {found_total}, should be {totals[profile_id]}"
            break


def _expected_orders(e: Evidence) -> Mapping[tuple[UUID, str], tuple[bool, int]]:
    """By (profile, order id): whether it counts, and its net amount; of the events that are there.

    The newest word on an order counts. Customers here send no times, so ingest's clock says which is the newest, and
    where a fault sets that back between the two, a cancellation is older than its order.
    """
    placed: dict[tuple[UUID, str], int] = {}
    placed_at: dict[tuple[UUID, str], datetime] = {}
    refunded: Counter[tuple[UUID, str]] = Counter()
    cancelled_at: dict[tuple[UUID, str], datetime] = {}
    keys: set[tuple[UUID, str]] = set()
    for one in e.timeline:
        sent = e.sent.get(one.event_id)
        properties: Mapping[str, Any] = sent.content.get("properties") or {} if sent else {}
        if sent is None or sent.name not in ORDER_FACTS:
            continue
        key = (one.profile_id, str(properties["order_id"]))
        keys.add(key)
        if sent.name == "Order Completed":
            placed[key], placed_at[key] = _cents(properties["total"]), one.occurred_at
        elif sent.name == "Order Refunded":
            refunded[key] += _cents(properties["total"])
        elif sent.name == "Order Cancelled":
            cancelled_at[key] = one.occurred_at
    gone = {key for key, at in cancelled_at.items() if key not in placed_at or at >= placed_at[key]}
    counts = {key: key in placed and key not in gone for key in keys}
    return {key: (counts[key], placed[key] - refunded[key] if counts[key] else 0) for key in keys}


NONE: Final = (False, 0)  # an order of which nothing is known that counts
ORDER_FACTS: Final = frozenset({"Order Completed", "Order Refunded", "Order Cancelled", "Order Shipped"})


def _cents(text: str) -> int:
    whole, _, cents = text.partition(".")
    return int(whole) * 100 + int(cents)


def _order(e: Evidence) -> Iterator[str]:
    lanes: dict[tuple[int, int], list[int]] = defaultdict(list)
    origins: dict[int, set[int]] = defaultdict(set)
    for record in e.logs.get("rapport.profile-events.v1", ()):
        if record.origin is not None and record.sequence is not None:
            lanes[record.partition, record.origin].append(record.sequence)
            origins[record.origin].add(record.sequence)
    for (partition, origin), sequences in lanes.items():
        yield from _falls(f"profile-events/{partition}, origin {origin}", sequences)
    for origin, seen in origins.items() if e.whole_logs else ():
        yield from _some(f"origin {origin}: sequences missing", set(range(max(seen) + 1)) - seen)
    for topic in ("rapport.profiles.v1", "rapport.segments.v1"):
        versions: dict[str, list[int]] = defaultdict(list)
        for record in e.logs.get(topic, ()):
            if record.version is not None and record.profile_id is not None:
                versions[record.profile_id].append(record.version)
        for profile_id, found in versions.items():
            yield from _falls(f"{topic}, versions of {profile_id}", found)
            if e.whole_logs:
                yield from _some(f"{topic}, {profile_id}: versions missing", set(range(1, max(found) + 1)) - set(found))


def _memberships(e: Evidence) -> Iterator[str]:
    """What was published of each customer and segment alternates, and ends at what is stored, merged customers aside.

    What was sent again, which readers know by its version, is passed over.
    """
    if e.memberships is None or not e.whole_logs:
        return
    known: dict[tuple[str, str], bool] = {}
    seen = set[tuple[str, int]]()
    twice = set[str]()
    for record in e.logs.get("rapport.segments.v1", ()):
        if record.segment_id is None or record.profile_id is None or record.version is None:
            continue
        if (record.profile_id, record.version) in seen:
            continue
        seen.add((record.profile_id, record.version))
        key = (record.profile_id, record.segment_id)
        if known.get(key, False) is record.enters:
            twice.add(f"{record.profile_id} and {record.segment_id} at version {record.version}")
        known[key] = record.enters
    yield from _some("entered, or exited, twice in a row", twice)
    inside = {key for key, enters in known.items() if enters and key[0] not in e.merged}
    yield from _some("in a segment, and readers were not told", e.memberships - inside)
    yield from _some("in no such segment, and readers were told so", inside - e.memberships)


def _falls(where: str, numbers: Sequence[int]) -> Iterator[str]:
    """First appearances must rise; what appears again was sent again, which readers know."""
    highest, seen = -1, set[int]()
    for number in numbers:
        if number in seen:
            continue
        if number < highest:
            yield f"{where}: {number} appears first after {highest}"
            return
        highest = number
        seen.add(number)


def _once(e: Evidence) -> Iterator[str]:
    yield from _some("handed over twice", _twice(one.triple for one in e.handed))


def _unknown_bounded(e: Evidence) -> Iterator[str]:
    unknown = {one.id for one in e.messages if one.state == "unknown"}
    yield from _some("unknown, and not being sent when any sender was killed", unknown - e.sending_at_kills)


def _answered(e: Evidence) -> Iterator[str]:
    yield from _some("no end", {str(one.id) for one in e.messages if one.state not in FINAL_STATES})
    sent = {one.triple for one in e.messages if one.state == "sent"}
    may = {one.triple for one in e.messages if one.state in ("sent", "unknown")}
    handed = {one.triple for one in e.handed}
    yield from _some("sent, and the provider never had it", sent - handed)
    yield from _some("the provider has it, and it is not sent", handed - may)
    decided = {one.trigger_id for one in e.decisions}
    yield from _some("a live rise that nobody decided on", _live_rises(e) - decided)
    made = {one.trigger_id for one in e.messages}
    entered = {one.trigger_id for one in e.decisions if one.outcome == "entered"}
    yield from _some("entered, and no message", entered - made)
    facts = {one.event_id for one in e.timeline if one.type == "rapport.message_sent.v1"}
    yield from _some("sent, and not on the timeline", {one.id for one in e.messages if one.state == "sent"} - facts)


def _live_rises(e: Evidence) -> set[str]:
    if not e.campaign:
        return set()
    rises = (one for one in e.logs.get("rapport.segments.v1", ()) if one.rises and not one.historical)
    return {one.event_id for one in rises if one.event_id}


def _consent(e: Evidence) -> Iterator[str]:
    yield from _some(
        "said no before it left, and got it",
        {one.to for one in e.handed if one.to in e.withdrawn and one.at > e.withdrawn[one.to]},
    )


def _rebuilt(e: Evidence) -> Iterator[str]:
    for table, one in e.rebuilt.items():
        if one.before != one.after:
            yield f"{table} differs from what a rebuild makes: {'; '.join(one.differing)}"


def _dead_letters(e: Evidence) -> Iterator[str]:
    for service, letters in e.dead.items():
        found = {letter.place: letter.value for letter in letters}
        wanted = e.poison.get(service, {})
        yield from _some(f"{service}: dead, and no poison", found.keys() - wanted.keys())
        yield from _some(f"{service}: poison, and no dead letter", wanted.keys() - found.keys())
        yield from _some(f"{service}: bytes changed", {p for p in found if wanted.get(p, found[p]) != found[p]})


def _drained(e: Evidence) -> Iterator[str]:
    yield from (f"{service} says nothing of its lag" for service, lag in e.lag.items() if lag is None)
    yield from (f"{service} has {lag} records unread" for service, lag in e.lag.items() if lag)
    yield from (f"{service} has {rows} rows in its outbox" for service, rows in e.outbox.items() if rows)


def _some(what: str, found: Any) -> Iterator[str]:
    """One line for damage of one kind: how many, and some of them."""
    ordered = sorted(map(str, found))
    if ordered:
        yield f"{len(ordered)} {what}: {', '.join(ordered[:SHOWN])}"


def _twice(things: Any) -> set[Any]:
    return {one for one, times in Counter(things).items() if times > 1}


RULES: Final[Mapping[str, Callable[[Evidence], Iterator[str]]]] = {
    "kept": _kept,
    "nothing-invented": _nothing_invented,
    "figures": _figures,
    "order": _order,
    "memberships": _memberships,
    "once": _once,
    "unknown-bounded": _unknown_bounded,
    "answered": _answered,
    "consent": _consent,
    "rebuilt": _rebuilt,
    "dead-letters": _dead_letters,
    "drained": _drained,
}

__all__ = ["RULES", "Broken", "Record", "check"]
