"""The configuration of campaign: what every service needs, the mail provider, and how fast to send."""

from email.utils import parseaddr
from typing import Final

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from shared.settings import Port, Settings

LEASE_SLACK_SECONDS: Final = 10  # for what stands around a send: the claim's commit, the answer's


class CampaignSettings(Settings):
    """Environment variables of the campaign service."""

    mail_from: str = Field(description="the sender, such as `Shop <hello@shop.example>`; its domain ends message ids")
    smtp_host: str = Field(description="host of the mail provider")
    smtp_port: Port = Field(description="port of the mail provider")
    smtp_username: str = Field("", description="user at the mail provider; empty where it asks for none")
    smtp_password: SecretStr = Field(SecretStr(""), description="password at the mail provider")
    smtp_tls: bool = Field(False, description="encrypt: TLS from the first byte on port 465, else STARTTLS, required")
    smtp_envelope_seconds: float = Field(
        20, gt=0, le=25, description="time for connecting, logging in and naming the recipient; then: try again later"
    )
    smtp_data_seconds: float = Field(
        20, gt=0, le=25, description="time for the message itself; after that nobody knows whether it was taken"
    )
    sender_lease_seconds: float = Field(
        60, validate_default=True, description="after so long, what a sender has in hand is taken for lost: `unknown`"
    )
    sender_concurrency: int = Field(8, ge=1, le=100, description="messages handed over at the same time")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?$",
        description="where customers reach the pages of links in mails, such as https://mail.shop.example; without it "
        "mails have no link to unsubscribe by, and nobody is asked to confirm consent",
    )
    links_secret: SecretStr = Field(
        SecretStr(""), description="signs the links in mails; if empty, a key made of PARTITION_SECRET does"
    )
    confirmations_per_hour: int = Field(
        1_000, ge=1, description="mails that ask for a confirmation of consent, to all addresses; more wait"
    )
    frequency_cap_messages: int = Field(3, ge=1, description="messages that one customer may get, of all journeys…")
    frequency_cap_hours: int = Field(168, ge=1, description="…within any so many hours")

    @field_validator("mail_from")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if "@" not in parseaddr(value)[1]:
            raise ValueError("must be a mail address, or a name and an address in angle brackets")
        return value

    @field_validator("sender_lease_seconds")
    @classmethod
    def _longer_than_any_send(cls, value: float, info: ValidationInfo) -> float:
        limits = [info.data.get(name, 0) for name in ("smtp_envelope_seconds", "smtp_data_seconds")]
        if not value > (least := sum(limits) + LEASE_SLACK_SECONDS):
            raise ValueError(
                f"must be more than SMTP_ENVELOPE_SECONDS + SMTP_DATA_SECONDS + {LEASE_SLACK_SECONDS}, here {least:g}"
            )
        return value

    @property
    def links_key(self) -> bytes:
        """What the links in mails are signed with."""
        return (self.links_secret.get_secret_value() or self.partition_secret.get_secret_value()).encode()

    @property
    def mail_address(self) -> str:
        """The sender's bare address."""
        return parseaddr(self.mail_from)[1]
