"""The configuration of profile: what every service needs, and behind which values stand too many to be one customer."""

from collections.abc import Mapping

from pydantic import Field

from services.profile.domain.localization import COMPANY_TIME_ZONE
from services.profile.domain.meeting import DEFAULT_LIMITS
from shared.contracts.identity import Namespace
from shared.service.setting_kinds import ZoneName
from shared.service.settings import Settings


class ProfileSettings(Settings):
    """Environment variables of the profile service."""

    identity_limit_email: int = Field(
        DEFAULT_LIMITS[Namespace.EMAIL],
        ge=1,
        description="other addresses and numbers, or other users, behind one mail address, above which it links "
        "nothing more…",
    )
    identity_limit_phone: int = Field(DEFAULT_LIMITS[Namespace.PHONE], ge=1, description="…behind one phone number…")
    identity_limit_anonymous_id: int = Field(
        DEFAULT_LIMITS[Namespace.ANONYMOUS_ID], ge=1, description="…and behind one anonymous id"
    )

    company_time_zone: ZoneName = Field(
        COMPANY_TIME_ZONE, description="the company's time zone: of customers of whom nothing says another"
    )

    @property
    def identity_limits(self) -> Mapping[Namespace, int]:
        """Returns by namespace how many others may stand behind one value."""
        return {
            Namespace.EMAIL: self.identity_limit_email,
            Namespace.PHONE: self.identity_limit_phone,
            Namespace.ANONYMOUS_ID: self.identity_limit_anonymous_id,
        }
