"""Where events come from: only with a database file, and then by the address that they came from or name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from pydantic import ValidationError

from services.ingest.service.places import Places
from services.ingest.settings import IngestSettings
from shared.contracts import wire
from shared.contracts.context import Geo
from tests.conftest import DatabaseFactory
from tests.support.events import SECRET
from tests.support.ingest import Ingest, ingesting

LEIPZIG = {
    "country": {"iso_code": "DE"},
    "subdivisions": [{"iso_code": "SN"}],
    "city": {"names": {"en": "Leipzig", "de": "Leipzig"}},
}
SHANGHAI = {"country": {"iso_code": "CN"}, "city": {"names": {"zh-CN": "上海"}}}
AT_SEA = {"location": {"latitude": 0.0}}
IN_LEIPZIG, IN_SHANGHAI, AFLOAT, UNKNOWN = "203.0.113.7", "2001:db8::8", "198.51.100.9", "192.0.2.1"


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A file of three networks."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test-City")
    writer.insert_network(IPSet(["203.0.113.0/24"]), LEIPZIG)
    writer.insert_network(IPSet(["2001:db8::/32"]), SHANGHAI)
    writer.insert_network(IPSet(["198.51.100.0/24"]), AT_SEA)
    path = tmp_path / "city.mmdb"
    writer.to_db_file(str(path))
    return str(path)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (IN_LEIPZIG, Geo(country="DE", region="SN", city="Leipzig")),
        (IN_SHANGHAI, Geo(country="CN")),
        (AFLOAT, None),
        (UNKNOWN, None),
        ("no address", None),
        ("", None),
    ],
)
def test_an_address_lies_where_the_file_says(database: str, address: str, place: Geo | None) -> None:
    assert Places(database).locate(address) == place


async def _geo_of(ingest: Ingest, **fields: Any) -> Geo | None:
    response = await ingest.post("track", {"userId": "u-1", "event": "Tea Brewed", **fields})
    assert response.status_code == 200, response.text
    message = ingest.publisher.messages[-1]
    context = wire.decode(message.headers, message.value).context
    return context.geo if context is not None else None


async def test_an_events_context_says_where_its_address_lies(database: str, database_factory: DatabaseFactory) -> None:
    async with ingesting(await database_factory("ingest"), geoip_database=database) as ingest:
        assert await _geo_of(ingest, context={"ip": IN_LEIPZIG}) == Geo(country="DE", region="SN", city="Leipzig")
        assert await _geo_of(ingest, context={"ip": UNKNOWN}) is None


async def test_without_a_file_nothing_is_said_of_where(database_factory: DatabaseFactory) -> None:
    async with ingesting(await database_factory("ingest")) as ingest:
        assert await _geo_of(ingest, context={"ip": IN_LEIPZIG}) is None


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(b"no database"), "can't be read as a MaxMind database"),
        (lambda path: path.unlink(), "must be the path of a file that this process can read"),
    ],
)
def test_a_file_that_is_no_database_ends_the_start_and_names_the_variable(
    database: str, damage: Callable[[Path], Any], reason: str
) -> None:
    damage(Path(database))
    with pytest.raises(ValidationError, match=rf"geoip_database(.|\n)*{reason}"):
        IngestSettings(
            database_url="postgresql+asyncpg://nowhere.invalid/x",
            kafka_bootstrap="nowhere.invalid:9092",
            partition_secret=SECRET.decode(),
            http_port=8001,
            auth_public_key="",
            geoip_database=database,
        )
