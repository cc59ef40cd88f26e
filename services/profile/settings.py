"""The configuration of profile: what every service needs, and behind which values stand too many to be one customer."""

from collections.abc import Mapping

from pydantic import Field

from shared.contracts.identity import Namespace
from shared.service.settings import Settings


class ProfileSettings(Settings):
    """Environment variables of the profile service."""

    identity_limit_email: int = Field(
        10, ge=1, description="other addresses and numbers behind one mail address, above which it links nothing more…"
    )
    identity_limit_phone: int = Field(10, ge=1, description="…behind one phone number…")
    identity_limit_anonymous_id: int = Field(10, ge=1, description="…and behind one anonymous id")

    @property
    def identity_limits(self) -> Mapping[Namespace, int]:
        """By namespace, behind a value of somebody without a user id."""
        return {
            Namespace.EMAIL: self.identity_limit_email,
            Namespace.PHONE: self.identity_limit_phone,
            Namespace.ANONYMOUS_ID: self.identity_limit_anonymous_id,
        }
