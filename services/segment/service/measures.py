"""What standings are evaluated by."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from services.segment.domain import standing as domain
from services.segment.domain.programmes.tier_standing import QualifyingOrder, TierStanding
from services.segment.domain.scores import ScoreCuts
from services.segment.domain.standing import Policy, Stage, Standing
from services.segment.repository import policies, scores
from services.segment.repository.standings import Stored
from shared.database.database import Work


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """What standings are evaluated by: the policy, and the base's cut points and rhythm, once there are some."""

    policy: Policy
    cuts: ScoreCuts | None

    @property
    def rhythm_days(self) -> int | None:
        """Returns the shop's rhythm."""
        return self.cuts.rhythm_days if self.cuts else None

    def rhythm_of(self, row: Stored) -> int | None:
        """Returns the rhythm by which a customer's stage was evaluated last: a prospect's is by none."""
        return self.rhythm_days if row.stage == Stage.PROSPECT else row.shop_rhythm_days

    def standing(
        self,
        orders: Sequence[QualifyingOrder],
        now: datetime,
        rhythm_days: int | None,
        *,
        in_tier: TierStanding | None = None,
        tier_version: int = 1,
    ) -> Standing:
        """Returns the standing of these orders."""
        return domain.standing(
            self.policy,
            [domain.purchase(self.policy, one) for one in orders],
            now,
            in_tier=in_tier,
            tier_version=tier_version,
            cuts=self.cuts,
            shop_rhythm=rhythm_days,
        )


async def measures_in_force(work: Work) -> Measures:
    """Returns what is in force. The caller holds `aliases.lock_merges`: until it commits, nothing else comes in force.

    Raises `InvalidPolicy`.
    """
    newest = await scores.newest(work)
    return Measures(policy=await policies.in_force(work), cuts=newest.cuts if newest else None)
