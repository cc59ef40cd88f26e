"""Which version of each programme is in force at a moment."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from services.segment.domain.programmes.definition import DEFAULT, DEFAULT_PROGRAMME, Programme
from services.segment.domain.programmes.windows import START_OF_TIME


class ProgrammeVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a programme; it is in force from its moment on, unless a higher one is."""

    id: str
    version: int
    programme: Programme
    effective_at: datetime


SHIPPED = ProgrammeVersion(id=DEFAULT, version=1, programme=DEFAULT_PROGRAMME, effective_at=START_OF_TIME)


class ProgrammesInForce:
    """Versions of all programmes, as far back as somebody needs them.

    `rolling_out` names those whose newest version has not been looked at for every customer yet. `default` is always
    there: without any stored version that makes sense, it is the one that comes with the service.
    """

    def __init__(self, versions: Iterable[ProgrammeVersion], rolling_out: Iterable[str] = ()) -> None:
        self._by_id: dict[str, list[ProgrammeVersion]] = {}
        for one in sorted(versions, key=lambda version: version.version, reverse=True):
            self._by_id.setdefault(one.id, []).append(one)
        self._by_id.setdefault(DEFAULT, [SHIPPED])
        self.rolling_out = frozenset(rolling_out)
        self._at: dict[datetime, Mapping[str, ProgrammeVersion]] = {}

    def at(self, moment: datetime) -> Mapping[str, ProgrammeVersion]:
        """Returns the version in force of each programme, `default` first, then by id."""
        known = self._at.get(moment)
        if known is None:
            ids = sorted(self._by_id, key=lambda one: (one != DEFAULT, one))
            found = ((one, next((v for v in self._by_id[one] if v.effective_at <= moment), None)) for one in ids)
            known = {one: version for one, version in found if version is not None}
            known.setdefault(DEFAULT, self._by_id[DEFAULT][-1])
            self._at = {moment: known}  # callers ask for many customers at one moment
        return known

    def every(self) -> Sequence[ProgrammeVersion]:
        """Returns all versions that are known here."""
        return [one for versions in self._by_id.values() for one in versions]

    def default(self, moment: datetime) -> Programme:
        """Returns the programme whose tier is a customer's tier."""
        return self.at(moment)[DEFAULT].programme

    def redefined_at(self, looked_at: Mapping[str, int], now: datetime) -> datetime | None:
        """Returns the earliest moment until `now` at which a version took effect that a customer was not looked at by.

        `looked_at` is the version of each programme by which the customer was looked at last; only programmes that are
        rolling out are compared.
        """
        found = (
            one.effective_at
            for name in self.rolling_out
            for one in self._by_id.get(name, ())
            if one.version > looked_at.get(name, 0) and one.effective_at <= now
        )
        return min(found, default=None)
