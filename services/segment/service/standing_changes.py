"""Looking at customers again: where they stand by then, and what is published of what changed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from services.segment.domain import standing as domain
from services.segment.domain.programmes.definition import DEFAULT
from services.segment.domain.programmes.rates import NO_RATES, Rates
from services.segment.domain.programmes.tier_standing import QualifyingOrder, TierStanding, tier
from services.segment.domain.programmes.versions import ProgrammesInForce, ProgrammeVersion
from services.segment.domain.scores import ScoreCuts
from services.segment.domain.standing import Policy, Stage, Standing
from services.segment.repository import policies, scores
from services.segment.repository import standings as repository
from services.segment.repository.programmes import customers as stored_tiers
from services.segment.repository.programmes import versions as programme_versions
from services.segment.repository.programmes.customers import StoredOverride, StoredTier
from services.segment.repository.standings import Stored
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

    def __init__(
        self, policy: Policy, programmes: ProgrammesInForce, rates: Rates = NO_RATES, cuts: ScoreCuts | None = None
    ) -> None:
        self.policy, self.programmes, self._rates, self.cuts = policy, programmes, rates, cuts
        self.orders: dict[UUID, list[QualifyingOrder]] = {}
        self._overrides: dict[UUID, dict[str, StoredOverride]] = {}
        self._tiers: dict[UUID, dict[str, StoredTier]] = {}
        self._results: dict[UUID, tuple[int, Standing, datetime]] = {}
        self._kept: dict[tuple[UUID, str], StoredTier] = {}
        self._dropped: set[tuple[UUID, str]] = set()
        self._published: list[tuple[bytes, Event]] = []

    @classmethod
    async def begin(cls, work: Work, *, since: datetime) -> "Looks":
        """Returns looks by what is in force since a moment, at nobody yet.

        The caller holds `aliases.lock_merges`: until it commits, no other cut points come in force.
        """
        newest = await scores.newest(work)
        programmes = await programme_versions.in_force(work, since=since)
        return cls(await policies.in_force(work), programmes, cuts=newest.cuts if newest else None)

    async def load(self, work: Work, profile_ids: Sequence[UUID]) -> None:
        """Reads what these customers bought, and what they have."""
        for one in profile_ids:
            self.orders.pop(one, None)
            self._overrides.pop(one, None)
        every = self.programmes.every()
        margins = any(one.programme.basis == "margin" for one in every)
        self.orders |= await stored_tiers.orders(work, profile_ids, margins=margins)
        self._overrides |= await stored_tiers.overrides(work, profile_ids)
        if any(one.id != DEFAULT for one in every):
            unknown = [one for one in profile_ids if one not in self._tiers]
            self._tiers |= await stored_tiers.tiers(work, unknown)

    def look(self, row: Stored, at: datetime, cause: Cause) -> bool:
        """Looks at a customer at a moment, and moves the row along. Returns whether anything is published of it."""
        seen = self._at(row.profile_id, at, self._rhythm_at(row, at))
        in_force = self.programmes.at(at)
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
        row.shop_rhythm_days = seen.standing.shop_rhythm_days
        self._results[row.profile_id] = (row.version, seen.standing, at)
        self._published += [(row.profile_id.bytes, one) for one in made]
        return bool(made)

    def forget(self, profile_ids: Iterable[UUID]) -> None:
        """Stores nothing of customers who stand for nobody any more."""
        gone = set(profile_ids)
        self._results = {one: result for one, result in self._results.items() if one not in gone}
        self._kept = {key: one for key, one in self._kept.items() if key[0] not in gone}

    def at(self, profile_id: UUID, moment: datetime) -> Look:
        """Returns where a customer stands at a moment, by the shop's rhythm in force."""
        return self._at(profile_id, moment, self._rhythm_days)

    @property
    def _rhythm_days(self) -> int | None:
        return self.cuts.rhythm_days if self.cuts else None

    @property
    def _rhythm_since(self) -> datetime | None:
        return self.cuts.rhythm_since if self.cuts else None

    def _rhythm_at(self, row: Stored, moment: datetime) -> int | None:
        """The shop's rhythm that counts for a customer at a moment. A prospect's stage is by none."""
        since = self._rhythm_since
        if row.stage == Stage.PROSPECT or since is None or moment >= since:
            return self._rhythm_days
        return row.shop_rhythm_days

    def _has_other_rhythm(self, row: Stored) -> bool:
        """Whether a customer's stage was evaluated by another rhythm than the one in force."""
        return row.stage != Stage.PROSPECT and row.shop_rhythm_days != self._rhythm_days

    def _at(self, profile_id: UUID, moment: datetime, shop_rhythm: int | None) -> Look:
        in_force = self.programmes.at(moment)
        orders = self.orders.get(profile_id, [])
        found = {name: self._tier(profile_id, one, moment) for name, one in in_force.items()}
        default = in_force[DEFAULT]
        standing = domain.standing(
            self.policy,
            [domain.purchase(self.policy, one) for one in orders],
            moment,
            found.pop(DEFAULT),
            tier_version=default.version,
            cuts=self.cuts,
            shop_rhythm=shop_rhythm,
        )
        if not found:
            return Look(standing, {})
        tiers = {name: stored_tier(profile_id, in_force[name], here) for name, here in found.items()}
        kept = frozenset(name for name, here in found.items() if orders or here.by_hand or here.due_at is not None)
        due = [at for at in (standing.due_at, *(one.due_at for one in found.values())) if at is not None]
        return Look(msgspec.structs.replace(standing, due_at=min(due, default=None)), tiers, kept)

    def redefined_at(self, row: Stored, now: datetime) -> datetime | None:
        """Returns when a definition took effect by which this customer was not looked at yet, if there is one."""
        found: list[datetime] = []
        if self.programmes.rolling_out:
            looked_at = {name: one.programme_version for name, one in self._tiers.get(row.profile_id, {}).items()}
            changed_at = self.programmes.redefined_at({**looked_at, DEFAULT: row.tier_version or 0}, now)
            found += [] if changed_at is None else [changed_at]
        since = self._rhythm_since
        if since is not None and since <= now and self._has_other_rhythm(row):
            found.append(since)
        if not found:
            return None
        return min(found) if row.evaluated_at is None else max(min(found), row.evaluated_at)

    def are_behind(self, rows: Iterable[Stored]) -> bool:
        """Returns whether some of these may not have been looked at by what is in force."""
        return bool(self.programmes.rolling_out) or any(self._has_other_rhythm(row) for row in rows)

    def moment(self, row: Stored, now: datetime) -> datetime:
        """Returns when to look at a customer: now, or when it was last, if that was by a version of after now.

        A transaction that began before a definition took effect may get to a customer after the roll-out did.
        """
        in_force = self.programmes.at(now)
        looked_at = {name: one.programme_version for name, one in self._tiers.get(row.profile_id, {}).items()}
        looked_at[DEFAULT] = row.tier_version or 0
        newer = any(name in in_force and version > in_force[name].version for name, version in looked_at.items())
        return row.evaluated_at if newer and row.evaluated_at is not None else now

    def catch_up(self, row: Stored, until: datetime, *, now: datetime) -> bool:
        """Looks at a customer at each moment until one at which a definition took effect, as redefined.

        What time had changed before that moment is told first, as such. Returns whether anything is published.
        """
        published = False
        while (at := self.redefined_at(row, until)) is not None:
            while row.due_at is not None and row.due_at < at:
                published |= self._look_when_due(row, row.due_at, now)
            published |= self.look(row, at, Cause.of_instant(row.profile_id, "redefined", at, now))
        return published

    def pass_time(self, row: Stored, until: datetime, *, now: datetime) -> None:
        """Looks at a customer at each due instant until a moment, and at definitions that took effect before them."""
        while (instant := row.due_at) is not None and instant <= until:
            self.catch_up(row, instant, now=now)
            if row.due_at == instant:
                self._look_when_due(row, instant, now)

    def _look_when_due(self, row: Stored, instant: datetime, now: datetime) -> bool:
        return self.look(row, instant, Cause.of_instant(row.profile_id, "time", instant, now))

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
