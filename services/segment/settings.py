"""The configuration of segment: what every service needs, and where it reads profile's history."""

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from shared.history import ProfileAddress
from shared.service.setting_kinds import RootUrl
from shared.service.settings import Settings


class SegmentSettings(Settings):
    """Environment variables of the segment service."""

    profile_url: RootUrl = Field(
        "",
        description="where profile's API is, for `rebuild`, which reads the history there. Empty: it reads the topics "
        "alone, and can do so only while they hold everything",
    )
    profile_token: SecretStr = Field(
        SecretStr(""),
        validate_default=True,
        description="bearer token for that, with the scope `profile:read`; needed with `PROFILE_URL`, and only then",
    )

    @field_validator("profile_token")
    @classmethod
    def _goes_with_the_url(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        url, token = info.data.get("profile_url"), value.get_secret_value()
        if url is not None and bool(url) != bool(token):
            raise ValueError("must be set together with PROFILE_URL")
        if not all("!" <= one <= "~" for one in token):
            raise ValueError("must be a bearer token: letters, digits, dots, dashes and underscores")
        return value

    @property
    def profile(self) -> ProfileAddress | None:
        """Where profile's history is read, if anywhere."""
        if not self.profile_url:
            return None
        return ProfileAddress(self.profile_url, self.profile_token.get_secret_value())
