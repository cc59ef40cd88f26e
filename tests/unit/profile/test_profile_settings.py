"""Behind which values stand too many: a number, and told by its name if it is none."""

import pytest

from services.profile.domain.meeting import DEFAULT_LIMITS
from services.profile.settings import ProfileSettings
from shared.contracts.identity import Namespace
from shared.service.settings import load
from tests.support.events import SECRET

NEEDED = {
    "DATABASE_URL": "postgresql+asyncpg://nowhere",
    "KAFKA_BOOTSTRAP": "nowhere:9092",
    "PARTITION_SECRET": SECRET.decode(),
    "HTTP_PORT": "8002",
}


@pytest.fixture(autouse=True)
def needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What every service needs."""
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def test_limits_are_set_by_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(ProfileSettings).identity_limits == DEFAULT_LIMITS
    monkeypatch.setenv("IDENTITY_LIMIT_PHONE", "7")
    assert load(ProfileSettings).identity_limits == {**DEFAULT_LIMITS, Namespace.PHONE: 7}


@pytest.mark.parametrize("name", ["IDENTITY_LIMIT_EMAIL", "IDENTITY_LIMIT_PHONE", "IDENTITY_LIMIT_ANONYMOUS_ID"])
@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_limit_that_is_none_stops_the_start_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        load(ProfileSettings)
    assert name in capsys.readouterr().err
