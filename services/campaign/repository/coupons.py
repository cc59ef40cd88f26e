"""SQL on coupons."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from services.campaign.domain.coupon import Coupon, Value
from shared.database.database import Work
from shared.database.rows import Json, arrays, columns, rows_as, unnest, values


class StoredCoupon(msgspec.Struct, frozen=True, kw_only=True):
    """A coupon as it is kept. Field names are column names."""

    code: str
    name: str
    journey_id: str
    run_id: UUID
    profile_id: UUID
    value: Json
    minimum_minor: int | None
    issued_at: datetime
    expires_at: datetime
    redeemed_at: datetime | None = None
    order_id: str | None = None

    @property
    def coupon(self) -> Coupon:
        """The coupon, as the domain has it."""
        return Coupon(
            code=self.code,
            name=self.name,
            profile_id=self.profile_id,
            value=msgspec.json.decode(self.value, type=Value),
            minimum_minor=self.minimum_minor,
            issued_at=self.issued_at,
            expires_at=self.expires_at,
            redeemed_at=self.redeemed_at,
            order_id=self.order_id,
        )


async def issue(work: Work, coupons: Sequence[StoredCoupon]) -> None:
    """Adds coupons, each code once."""
    await work.run(
        f"""
        INSERT INTO coupons ({", ".join(StoredCoupon.__struct_fields__)})
        SELECT {values(StoredCoupon, "n")}
          FROM {unnest(StoredCoupon, "n")}
            ON CONFLICT DO NOTHING
        """,
        **arrays(coupons, StoredCoupon),
    )


async def one(work: Work, code: str, *, lock: bool = False) -> StoredCoupon | None:
    """Returns a coupon by its code, held until the transaction ends if `lock`."""
    found = await rows_as(
        work,
        StoredCoupon,
        f"""
        SELECT {columns(StoredCoupon)}
          FROM coupons
         WHERE code = :code
               {"FOR UPDATE" if lock else ""}
        """,
        code=code,
    )
    return found[0] if found else None


async def of_customer(work: Work, profile_ids: Sequence[UUID], *, limit: int) -> Sequence[StoredCoupon]:
    """Returns the coupons under any of a customer's ids, the newest first."""
    return await rows_as(
        work,
        StoredCoupon,
        f"""
        SELECT {columns(StoredCoupon)}
          FROM coupons
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
         ORDER BY issued_at DESC, code
         LIMIT :limit
        """,
        ids=profile_ids,
        limit=limit,
    )


async def of_runs(work: Work, run_ids: Sequence[UUID]) -> Sequence[StoredCoupon]:
    """Returns the coupons that these runs issued, the newest last."""
    return await rows_as(
        work,
        StoredCoupon,
        f"""
        SELECT {columns(StoredCoupon)}
          FROM coupons
         WHERE run_id = ANY(CAST(:ids AS uuid[]))
         ORDER BY issued_at, code
        """,
        ids=run_ids,
    )


async def redeem(work: Work, code: str, order_id: str) -> None:
    """Notes that a coupon that the caller holds is redeemed."""
    await work.run(
        "UPDATE coupons SET redeemed_at = :now, order_id = :order_id WHERE code = :code AND redeemed_at IS NULL",
        code=code,
        order_id=order_id,
        now=work.now,
    )
