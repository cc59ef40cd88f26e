"""The sender's lease must outlast any send."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.campaign.settings import CampaignSettings
from shared.service.settings import load

REQUIRED = {
    "DATABASE_URL": "postgresql+asyncpg://nowhere",
    "KAFKA_BOOTSTRAP": "nowhere:9092",
    "HTTP_PORT": "8004",
    "PARTITION_SECRET": "a secret of theirs, of the length that is asked for",
    "MAIL_FROM": "hello@shop.example",
    "SMTP_HOST": "localhost",
    "SMTP_PORT": "25",
}


def settings(**changes: Any) -> CampaignSettings:
    return CampaignSettings(**({name.lower(): value for name, value in REQUIRED.items()} | changes))


def test_a_lease_is_a_minute_unless_it_is_said() -> None:
    assert settings().sender_lease_seconds == 60
    assert settings(smtp_envelope_seconds=2, smtp_data_seconds=2, sender_lease_seconds=15).sender_lease_seconds == 15


@pytest.mark.parametrize(
    "changes",
    [
        {"sender_lease_seconds": 50},
        {"sender_lease_seconds": float("nan")},
        {"smtp_envelope_seconds": 2, "smtp_data_seconds": 3, "sender_lease_seconds": 15},
        {"smtp_envelope_seconds": 25, "smtp_data_seconds": 25},
    ],
)
def test_a_lease_that_a_send_may_outlast_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=r"must be more than SMTP_ENVELOPE_SECONDS|a finite number"):
        settings(**changes)


def test_the_refusal_names_the_variable(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (REQUIRED | {"SENDER_LEASE_SECONDS": "15"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        load(CampaignSettings)
    assert capsys.readouterr().err.startswith("SENDER_LEASE_SECONDS: ")
