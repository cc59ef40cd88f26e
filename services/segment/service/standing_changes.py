"""Looking at customers again: where they stand by then, and what is published of what changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from services.segment.domain.causes import order_placed_by
from services.segment.domain.programmes.definition import DEFAULT
from services.segment.domain.programmes.rates import NO_RATES, Rates
from services.segment.domain.programmes.tier_standing import QualifyingOrder, TierStanding, tier
from services.segment.domain.programmes.versions import ProgrammesInForce, ProgrammeVersion
from services.segment.domain.standing import Standing
from services.segment.repository import standings as repository
from services.segment.repository.programmes import customers as stored_tiers
from services.segment.repository.programmes import versions as programme_versions
from services.segment.repository.programmes.customers import StoredOverride, StoredTier
from services.segment.repository.standings import Stored
from services.segment.service import rates
from services.segment.service.measures import Measures, measures_in_force
from shared.contracts import topics
from shared.contracts.changes import StageChanged, TierChanged
from shared.contracts.envelope import Event, SourceKind, derived_id, service_source
from shared.database.database import Work

SOURCE: Final = service_source("segment")

Kind = Literal["event", "time", "redefined"]


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why a standing is looked at: an event, a due instant or a changed definition, which have ids of their own."""

    event_id: UUID
    kind: Kind = "event"
    occurred_at: datetime
    received_at: datetime
    historical: bool = False
    depth: int = 0
    traceparent: str | None = None
    order_id: str | None = None

    @classmethod
    def of_event(cls, event: Event, *, occurred_at: datetime | None = None) -> "Cause":
        """Returns an event as the cause of what has been true since it happened, or since another moment."""
        return cls(
            event_id=event.event_id,
            occurred_at=occurred_at or event.occurred_at,
            received_at=event.received_at,
            historical=event.historical,
            depth=event.depth,
            traceparent=event.traceparent,
            order_id=order_placed_by(event),
        )

    @classmethod
    def of_instant(cls, profile_id: UUID, kind: Literal["time", "redefined"], at: datetime, now: datetime) -> "Cause":
        """Returns the cause of what becomes true at an instant without an event, and is noticed now."""
        named = "due" if kind == "time" else kind
        return cls(
            event_id=derived_id(profile_id, named, at.isoformat(), 1), kind=kind, occurred_at=at, received_at=now
        )


class Look(msgspec.Struct, frozen=True):
    """Where a customer stands at a moment; `tiers` are of programmes besides the default one.

    `kept` names those of which a row is kept: the others say what everybody without a row has.
    """

    standing: Standing
    tiers: Mapping[str, StoredTier]
    kept: frozenset[str] = frozenset()


class Looks:
    """Looks at locked customers, and keeps what came of it until `save`.

    `load` reads what all of them have; it comes after the locks and before anything else is decided.
    """

    def __init__(self, measures: Measures, programmes: ProgrammesInForce) -> None:
        self.measures, self.programmes = measures, programmes
        self._rates: Rates = NO_RATES
        self.orders: dict[UUID, list[QualifyingOrder]] = {}
        self._overrides: dict[UUID, dict[str, StoredOverride]] = {}
        self._tiers: dict[UUID, dict[str, StoredTier]] = {}
        self._results: dict[UUID, tuple[int, Standing, datetime]] = {}
        self._kept: dict[tuple[UUID, str], StoredTier] = {}
        self._dropped: set[tuple[UUID, str]] = set()
        self._published: list[tuple[bytes, Event]] = []

    @classmethod
    async def begin(cls, work: Work, *, since: datetime) -> "Looks":
        """Returns looks by what is in force since a moment, at nobody yet. The caller holds `aliases.lock_merges`."""
        return cls(await measures_in_force(work), await programme_versions.in_force(work, since=since))

    async def load(self, work: Work, profile_ids: Sequence[UUID]) -> None:
        """Reads what these customers bought, and what they have."""
        for one in profile_ids:
            self.orders.pop(one, None)
            self._overrides.pop(one, None)
        every = self.programmes.every()
        margins = any(one.programme.basis == "margin" for one in every)
        self.orders |= await stored_tiers.orders(work, profile_ids, margins=margins)
        self._overrides |= await stored_tiers.overrides(work, profile_ids)
        wanted = {one.programme.currency for one in every if one.programme.basis != "orders"}
        if any(order.currency != one for bought in self.orders.values() for order in bought for one in wanted):
            self._rates = await rates.converter(work)
        if any(one.id != DEFAULT for one in every):
            unknown = [one for one in profile_ids if one not in self._tiers]
            self._tiers |= await stored_tiers.tiers(work, unknown)

    def look(
        self, row: Stored, at: datetime, cause: Cause, *, new_rhythm: bool = False, by: datetime | None = None
    ) -> bool:
        """Looks at a customer at a moment, and moves the row along. Returns whether anything is published of it.

        Of a customer who is being read anew nothing changes.
        The stage goes by the rhythm by which it was evaluated last, or by that in force with `new_rhythm`; the tiers
        by the definitions in force then, or at another moment, `by`.
        """
        if row.rereading:
            return False
        rhythm_days = self.measures.rhythm_days if new_rhythm else self.measures.rhythm_of(row)
        in_force = self.programmes.at(by or at)
        seen = self._seen(row.profile_id, at, rhythm_days, in_force)
        made = changes(in_force[DEFAULT], row, seen.standing, cause)
        known = self._tiers.setdefault(row.profile_id, {}) if seen.tiers else {}
        for name, here in seen.tiers.items():
            before = known[name].tier if name in known else in_force[name].programme.lowest
            made += tier_changes(in_force[name], row, before, here.tier, here.reason, cause)
            key = (row.profile_id, name)
            if name in seen.kept:
                self._kept[key] = known[name] = here
                self._dropped.discard(key)
            elif name in known or name in self.programmes.rolling_out:
                self._kept.pop(key, None)
                self._dropped.add(key)
                known[name] = here
        row.tier_version, row.due_at, row.evaluated_at = seen.standing.tier_version, seen.standing.due_at, at
        row.shop_rhythm_days = rhythm_days
        self._results[row.profile_id] = (row.version, seen.standing, at)
        self._published += [(row.profile_id.bytes, one) for one in made]
        return bool(made)

    def at(self, profile_id: UUID, moment: datetime, rhythm_days: int | None) -> Look:
        """Returns where a customer stands at a moment, the stage by a shop's rhythm."""
        return self._seen(profile_id, moment, rhythm_days, self.programmes.at(moment))

    def _seen(
        self, profile_id: UUID, moment: datetime, rhythm_days: int | None, in_force: Mapping[str, ProgrammeVersion]
    ) -> Look:
        orders = self.orders.get(profile_id, [])
        found = {name: self._tier(profile_id, one, moment) for name, one in in_force.items()}
        default = in_force[DEFAULT]
        standing = self.measures.standing(
            orders, moment, rhythm_days, in_tier=found.pop(DEFAULT), tier_version=default.version
        )
        if not found:
            return Look(standing, {})
        tiers = {name: stored_tier(profile_id, in_force[name], here) for name, here in found.items()}
        kept = frozenset(name for name, here in found.items() if orders or here.by_hand or here.due_at is not None)
        due = [at for at in (standing.due_at, *(one.due_at for one in found.values())) if at is not None]
        return Look(msgspec.structs.replace(standing, due_at=min(due, default=None)), tiers, kept)

    def look_for_event(self, row: Stored, now: datetime, cause: Cause) -> None:
        """Looks at a customer of whom an event tells, after `catch_up`.

        What the event does is told by the rhythm of before, so that the rest is what the new one does. A transaction
        that began before a definition took effect may get to a customer after the roll-out did: it goes by the moment
        of that look, then.
        """
        at = row.evaluated_at if row.evaluated_at is not None and self._is_ahead(row, now) else now
        rhythm_days = self.measures.rhythm_of(row)
        self.look(row, at, cause)
        if rhythm_days != self.measures.rhythm_days:
            self.look(row, at, self._new_rhythm(row, now), new_rhythm=True)

    def catch_up(self, row: Stored, now: datetime) -> None:
        """Looks at a customer by each definition that took effect until now, as redefined, and lets no time pass.

        The log may not have been read until then: what is due by then waits.
        """
        while not row.rereading and (since := self._redefined_at(row, now)) is not None:
            cause = Cause.of_instant(row.profile_id, "redefined", since, now)
            waits = row.due_at is not None and row.due_at <= since and row.evaluated_at is not None
            self.look(row, row.evaluated_at if waits and row.evaluated_at else since, cause, by=since)

    def advance(self, row: Stored, until: datetime) -> bool:
        """Looks at a customer at each moment until one at which time, a definition or the rhythm changes something.

        The log has been read until then. Returns whether anything is published that was redefined.
        """
        redefined = False
        while not row.rereading and (step := self._next(row, until)) is not None:
            at, why = step
            if why == "rhythm":
                redefined |= self.look(row, at, self._new_rhythm(row, until), new_rhythm=True)
            else:
                published = self.look(row, at, Cause.of_instant(row.profile_id, why, at, until))
                redefined |= published and why == "redefined"
            version, standing, _ = self._results[row.profile_id]
            self._results[row.profile_id] = (version, standing, until)
        return redefined

    def _next(self, row: Stored, until: datetime) -> tuple[datetime, Literal["redefined", "rhythm", "time"]] | None:
        """What comes first; of one moment a definition does, then the rhythm."""
        found: list[tuple[datetime, Literal["redefined", "rhythm", "time"]]] = []
        if (since := self._redefined_at(row, until)) is not None:
            found.append((since, "redefined"))
        if self.measures.rhythm_of(row) != self.measures.rhythm_days:
            found.append((self._rhythm_since(row, until), "rhythm"))
        if row.due_at is not None and row.due_at <= until:
            found.append((row.due_at, "time"))
        return min(found, key=lambda one: one[0], default=None)

    def _redefined_at(self, row: Stored, until: datetime) -> datetime | None:
        """When a definition took effect by which this customer was not looked at yet, if there is one."""
        if not self.programmes.rolling_out:
            return None
        found = self.programmes.redefined_at(self._looked_at(row), until)
        return found if found is None or row.evaluated_at is None else max(found, row.evaluated_at)

    def _is_ahead(self, row: Stored, now: datetime) -> bool:
        """Whether a customer was looked at by a version that is not in force yet."""
        in_force = self.programmes.at(now)
        looked_at = self._looked_at(row)
        return any(name in in_force and version > in_force[name].version for name, version in looked_at.items())

    def _looked_at(self, row: Stored) -> dict[str, int]:
        others = {name: one.programme_version for name, one in self._tiers.get(row.profile_id, {}).items()}
        return {**others, DEFAULT: row.tier_version or 0}

    def _rhythm_since(self, row: Stored, until: datetime) -> datetime:
        """Since when the shop's rhythm is in force, but not before the customer was looked at last."""
        since = (self.measures.cuts.rhythm_since if self.measures.cuts else None) or until
        return min(max(since, row.evaluated_at or since), until)

    def _new_rhythm(self, row: Stored, until: datetime) -> Cause:
        since = (self.measures.cuts.rhythm_since if self.measures.cuts else None) or until
        return Cause(
            event_id=derived_id(row.profile_id, "rhythm", since.isoformat(), 1),
            kind="redefined",
            occurred_at=self._rhythm_since(row, until),
            received_at=until,
        )

    async def save(self, work: Work) -> None:
        """Stores where the customers stand, and publishes what changed."""
        await repository.save(work, self._results)
        await stored_tiers.save_tiers(work, self._kept)
        await stored_tiers.drop_tiers(work, self._dropped)
        await work.outbox.add(topics.SEGMENTS, self._published)

    def _tier(self, profile_id: UUID, version: ProgrammeVersion, at: datetime) -> TierStanding:
        given = self._overrides.get(profile_id, {}).get(version.id)
        return tier(
            version.programme,
            self.orders.get(profile_id, []),
            at,
            override=None if given is None else given.override,
            rates=self._rates,
        )


def changes(default: ProgrammeVersion, row: Stored, standing: Standing, cause: Cause) -> list[Event]:
    """Returns what to publish about one customer's standing, and moves the row's tier, stage and version along."""
    made = tier_changes(default, row, row.tier, standing.tier, standing.tier_reason, cause)
    row.tier = standing.tier
    if standing.stage != row.stage:
        row.version += 1
        change = StageChanged(
            profile_id=row.profile_id,
            version=row.version,
            previous=row.stage,
            current=standing.stage,
            reason=standing.stage_reason,
            by_time=cause.kind == "time",
            order_id=cause.order_id,
            cause=cause.kind,
        )
        made.append(_event_of(change, cause))
        row.stage = standing.stage
    return made


def tier_changes(
    version: ProgrammeVersion, row: Stored, before: str, current: str, reason: str, cause: Cause
) -> list[Event]:
    """Returns what to publish of a customer's tier in a programme, and moves the row's version along."""
    if before == current:
        return []
    return [_event_of(_tier_changed(version, row, before, current, reason, cause), cause)]


def stored_tier(profile_id: UUID, version: ProgrammeVersion, here: TierStanding) -> StoredTier:
    """Returns the row of what a customer has in a programme."""
    return StoredTier(
        profile_id=profile_id, programme=version.id, programme_version=version.version, **msgspec.structs.asdict(here)
    )


def _tier_changed(
    version: ProgrammeVersion, row: Stored, previous: str, current: str, reason: str, cause: Cause
) -> TierChanged:
    row.version += 1
    rank = version.programme.rank
    return TierChanged(
        profile_id=row.profile_id,
        version=row.version,
        previous=previous,
        current=current,
        direction="up" if rank(current) > rank(previous) else "down",
        reason=reason,
        by_time=cause.kind == "time",
        order_id=cause.order_id,
        programme=version.id,
        cause=cause.kind,
    )


def _event_of(change: TierChanged | StageChanged, cause: Cause) -> Event:
    return Event(
        event_id=derived_id(cause.event_id, type(change).__name__, str(change.profile_id), change.version),
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=cause.occurred_at,
        received_at=cause.received_at,
        historical=cause.historical,
        profile_id=change.profile_id,
        body=change,
        cause_id=cause.event_id if cause.kind == "event" else None,
        depth=cause.depth,
        traceparent=cause.traceparent,
    )
