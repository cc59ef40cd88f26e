"""The configuration of campaign: what every service needs, the mail provider, and how fast to send."""

import base64
from email.utils import parseaddr
from typing import Final

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from services.campaign.domain.addresses import as_sent
from shared.service.setting_kinds import FilePath, Host, HttpUrl, Line, Port, RootUrl, Seconds, SmtpTls, strong
from shared.service.settings import Settings
from shared.service.tls import certificate_problem, client_context

IMPLICIT_TLS_PORT: Final = 465  # RFC 8314, section 3.3
HTTP_HANDOVER_SECONDS: Final = 20.0
WEBHOOK_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what secrets begin with
WEBHOOK_KEY_BYTES: Final = range(24, 65)  # Standard Webhooks 1.0
LEASE_SLACK_SECONDS: Final = 10  # for what stands around a send: the claim's commit, the answer's


def _webhook_key(secret: str) -> bytes:
    """Returns the key in a secret; an empty one if it is not written as one."""
    if not secret.startswith(WEBHOOK_SECRET_PREFIX):
        return b""
    try:
        return base64.b64decode(secret.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)
    except ValueError:
        return b""


class CampaignSettings(Settings):
    """Environment variables of the campaign service."""

    mail_from: Line = Field(description="the sender, such as `Shop <hello@shop.example>`; its domain ends message ids")
    smtp_host: Host = Field(description="host of the mail provider")
    smtp_port: Port = Field(description="port of the mail provider")
    smtp_username: Line = Field("", description="user at the mail provider; empty where it asks for none")
    smtp_password: SecretStr = Field(
        SecretStr(""), validate_default=True, description="password at the mail provider; needed with `SMTP_USERNAME`"
    )
    smtp_tls: SmtpTls = Field(
        "false",
        description="`implicit`: TLS from the first byte; `starttls`: required before anything is sent; `true`: "
        "implicit on port 465, else STARTTLS. The provider's certificate and name are verified",
    )
    smtp_ca_file: FilePath = Field(
        "", description="PEM certificates of the authority that signs the provider's; by default those of the system"
    )
    smtp_envelope_seconds: Seconds = Field(
        20,
        gt=0,
        le=25,
        description="time for connecting, logging in and naming the recipient; after that it is tried again later",
    )
    smtp_data_seconds: Seconds = Field(
        20,
        gt=0,
        le=25,
        description="time for the message itself; after that it is `unknown`: the provider may have it",
    )
    sender_lease_seconds: Seconds = Field(
        60,
        validate_default=True,
        description="after so long, a message that a sender has in hand counts as lost and becomes `unknown`; more "
        "than both SMTP times and 10 together",
    )
    sender_concurrency: int = Field(8, ge=1, le=100, description="messages handed over at the same time")
    sms_url: HttpUrl = Field("", description="where the SMS provider takes messages; empty: there is no SMS")
    sms_token: SecretStr = Field(
        SecretStr(""), validate_default=True, description="bearer token at the SMS provider; needed with `SMS_URL`"
    )
    webhook_allow_private: bool = Field(
        False,
        description="the webhook may go to `http://` and to addresses of private networks: for a receiver beside this "
        "service",
    )
    webhook_url: HttpUrl = Field(
        "", description="where messages of the channel `webhook` go; empty: there is no such channel"
    )
    webhook_secret: SecretStr = Field(
        SecretStr(""),
        validate_default=True,
        description="signs webhooks by Standard Webhooks: `whsec_` and 24 to 64 bytes in base64; needed with "
        "`WEBHOOK_URL`",
    )
    public_url: RootUrl = Field(
        "",
        description="where customers reach the pages of links in mails, such as `https://mail.shop.example`; without "
        "it mails have no link to unsubscribe by, and nobody is asked to confirm consent",
    )
    links_secret: SecretStr = Field(
        SecretStr(""),
        description="signs the links in mails; if empty, `PARTITION_SECRET` does. If it is changed, links in "
        "earlier mails no longer work",
    )
    confirmations_per_hour: int = Field(
        1_000,
        ge=1,
        description="most mails that ask to confirm consent, to all addresses together; others wait",
    )
    frequency_cap_messages: int = Field(
        3, ge=1, description="messages that one customer may get at most, from all journeys…"
    )
    frequency_cap_hours: int = Field(168, ge=1, description="…within any period of so many hours")

    @field_validator("mail_from")
    @classmethod
    def _an_address(cls, value: str) -> str:
        address = parseaddr(value)[1]
        if "@" not in address:
            raise ValueError("must be a mail address, or a name and an address in angle brackets")
        try:
            as_sent(address).encode("ascii")
        except ValueError:
            raise ValueError("must have a name before the @ in ASCII, and a valid domain after it") from None
        return value

    @field_validator("smtp_password")
    @classmethod
    def _smtp_login_is_whole(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        username = info.data.get("smtp_username")
        if username is not None and bool(username) != bool(value.get_secret_value()):
            raise ValueError("must be set together with SMTP_USERNAME")
        return value

    @field_validator("smtp_ca_file")
    @classmethod
    def _can_be_read(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("smtp_tls") == "false":
            raise ValueError("is set, but there is no TLS with SMTP_TLS=false")
        if value:
            try:
                client_context(authority=value)
            except (OSError, ValueError) as error:
                raise ValueError(certificate_problem(error)) from None
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

    @field_validator("sms_token")
    @classmethod
    def _sms_login_is_whole(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        url, token = info.data.get("sms_url"), value.get_secret_value()
        if url is not None and bool(url) != bool(token):
            raise ValueError("must be set together with SMS_URL")
        if token and not (token.isascii() and token.isprintable() and " " not in token):
            raise ValueError("must be one word of ASCII characters")
        return value

    @field_validator("webhook_url")
    @classmethod
    def _webhook_is_encrypted(cls, value: str, info: ValidationInfo) -> str:
        if value and not value.lower().startswith("https://") and not info.data.get("webhook_allow_private"):
            raise ValueError("must be an https:// URL, unless WEBHOOK_ALLOW_PRIVATE is true")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _webhook_is_signed(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        url, secret = info.data.get("webhook_url"), value.get_secret_value()
        if url is not None and bool(url) != bool(secret):
            raise ValueError("must be set together with WEBHOOK_URL")
        if secret and len(_webhook_key(secret)) not in WEBHOOK_KEY_BYTES:
            raise ValueError("must be whsec_ and 24 to 64 random bytes in base64")
        return value

    @field_validator("links_secret")
    @classmethod
    def _is_strong_link_secret(cls, value: SecretStr) -> SecretStr:
        return strong(value) if value.get_secret_value() else value

    @property
    def smtp_implicit_tls(self) -> bool:
        """Whether TLS begins with the first byte."""
        return self.smtp_tls == "implicit" or (self.smtp_tls == "true" and self.smtp_port == IMPLICIT_TLS_PORT)

    @property
    def smtp_start_tls(self) -> bool:
        """Whether a connection begins plain, and must turn to TLS before anything is sent."""
        return self.smtp_tls in ("starttls", "true") and not self.smtp_implicit_tls

    @property
    def webhook_key(self) -> bytes:
        """What webhooks are signed with."""
        return _webhook_key(self.webhook_secret.get_secret_value())

    @property
    def http_handover_seconds(self) -> float:
        """Time for handing one message to a provider over HTTP: well within the lease."""
        return min(HTTP_HANDOVER_SECONDS, self.sender_lease_seconds - LEASE_SLACK_SECONDS)

    @property
    def links_key(self) -> bytes:
        """What the links in mails are signed with."""
        return (self.links_secret.get_secret_value() or self.partition_secret.get_secret_value()).encode()

    @property
    def mail_address(self) -> str:
        """The sender's bare address."""
        return parseaddr(self.mail_from)[1]
