"""Where addresses lie: looked up only in a database file that the operator gives."""

from functools import lru_cache
from typing import Any, Final

import maxminddb

from shared.contracts.context import Geo

REMEMBERED: Final = 8_192  # addresses


class Places:
    """A MaxMind database of cities or countries, held in memory."""

    def __init__(self, path: str) -> None:
        """Raises `OSError`, or `maxminddb.InvalidDatabaseError`."""
        self._reader = maxminddb.open_database(path)
        self.locate = lru_cache(REMEMBERED)(self._locate)

    def _locate(self, address: str) -> Geo | None:
        """Returns where an address lies; None if the database does not know, or it is not an address."""
        try:
            found: Any = self._reader.get(address)
        except ValueError:
            return None
        if not isinstance(found, dict):
            return None
        country = _code(found.get("country"))
        region = next((_code(one) for one in found.get("subdivisions", [])), "")
        city = found.get("city", {}).get("names", {}).get("en", "")
        geo = Geo(country=country, region=region, city=city)
        return geo if country else None


def _code(place: Any) -> str:
    return str(place.get("iso_code", "")) if isinstance(place, dict) else ""
