"""The money of Shopify's orders: what an order comes to after it was edited, and what went back of it.

Source: Shopify Admin API, REST resources Order, Refund, Transaction; GraphQL objects OrderAdjustment, RefundLineItem,
RefundShippingLine, MoneyBag.
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

import msgspec

from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values.message import Scalar, text


class _Transaction(msgspec.Struct, frozen=True, kw_only=True):
    kind: str | None = None
    status: str | None = None
    amount: Scalar = None
    currency: str | None = None


class _Money(msgspec.Struct, frozen=True, kw_only=True):
    amount: Scalar = None
    currency_code: str | None = None


class _MoneyBag(msgspec.Struct, frozen=True, kw_only=True):
    """One amount in the currency of the shop, and in the one that the customer paid in."""

    shop_money: _Money | None = None
    presentment_money: _Money | None = None


class _RefundLine(msgspec.Struct, frozen=True, kw_only=True):
    subtotal_set: _MoneyBag | None = None
    total_tax_set: _MoneyBag | None = None


class _Shipping(msgspec.Struct, frozen=True, kw_only=True):
    subtotal_amount_set: _MoneyBag | None = None
    tax_amount_set: _MoneyBag | None = None


class _Duty(msgspec.Struct, frozen=True, kw_only=True):
    amount_set: _MoneyBag | None = None


class _Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    amount_set: _MoneyBag | None = None
    tax_amount_set: _MoneyBag | None = None


class ShopRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund, by itself or within its order."""

    id: Scalar
    order_id: Scalar
    created_at: str | None = None
    transactions: list[_Transaction] = []
    refund_line_items: list[_RefundLine] = []
    refund_shipping_lines: list[_Shipping] = []
    duties: list[_Duty] = []
    order_adjustments: list[_Adjustment] = []


def edited_total(first: Scalar, now: Scalar, refunded: Decimal) -> Scalar:
    """Returns what an order comes to after it was edited, before anything of it was refunded.

    Of the two totals that Shopify gives, `current_total_price` (`now`) is less what was taken out of the order and what
    was returned; `total_price` (`first`) has both still in it, but not always what was added. What was taken out and
    not refunded was not paid. Raises `BadEvent` if a total is not an amount.
    """
    if now is None:
        return first
    before, after = decimal_of(first, "total_price"), decimal_of(now, "current_total_price")
    paid = after + refunded
    return str(paid if after > before else min(before, paid))


def decimal_of(value: Scalar, at: str) -> Decimal:
    """Returns an amount. Raises `BadEvent`, with its place, if it is none."""
    try:
        found = Decimal(text(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise BadEvent(Reason.AMOUNT, f"{at}: {text(value)[:40]!r} is not an amount")
    return found


def currency_of(refund: ShopRefund) -> str:
    """Returns the currency of the shop, which its orders are in; that of the payment if the refund says no other."""
    of_shop = {one.currency_code for bag, _ in _amounts(refund) if (one := bag.shop_money) and one.currency_code}
    if len(of_shop) == 1:
        return of_shop.pop()
    return next((one.currency for one in refund.transactions if one.currency), "")


def went_back(refund: ShopRefund, currency: str) -> list[tuple[str, Decimal]]:
    """Returns what went back, in the order's currency: each transaction by itself, under a name that stays its own.

    Without a transaction that succeeded no money went back. In another currency than the order's it is what the refund
    says that it comes to in the shop's money; raises `BadEvent` if it does not say so.
    """
    found = [
        (f"{text(refund.id)}-{n}" if n else text(refund.id), one)
        for n, one in enumerate(one for one in refund.transactions if one.kind == "refund")
        if one.status == "success"
    ]
    amounts = [(name, decimal_of(one.amount, "transactions.amount")) for name, one in found]
    currencies = {one.currency for _, one in found if one.currency}
    if currencies <= {currency}:
        return amounts
    paid = sum((amount for _, amount in amounts), Decimal(0))
    in_shop = _shop_money(refund, currency, paid, currencies.pop()) if len(currencies) == 1 else None
    if in_shop is None:
        raise BadEvent(
            Reason.CURRENCY,
            f"refunds.transactions: not in {currency}, which the order is in, and the parts of the refund do not say "
            "what it comes to in that",
        )
    return [(text(refund.id), in_shop)]


def _shop_money(refund: ShopRefund, currency: str, paid: Decimal, paid_in: str) -> Decimal | None:
    """Returns what a refund comes to in the shop's money, if its parts have that and come to what was paid back.

    Prices have their taxes within them or not, which a refund does not say: whichever comes to what was paid back.
    """
    bags = list(_amounts(refund))
    money = [(bag.shop_money, bag.presentment_money) for bag, _ in bags]
    if not bags or any(
        shop is None or shop.currency_code != currency or shown is None or shown.currency_code != paid_in
        for shop, shown in money
    ):
        return None
    for with_taxes in (True, False):
        counted = [pair for pair, (_, is_tax) in zip(money, bags, strict=True) if with_taxes or not is_tax]
        if sum((decimal_of(shown.amount, "presentment_money") for _, shown in counted if shown), Decimal(0)) == paid:
            return sum((decimal_of(shop.amount, "shop_money") for shop, _ in counted if shop), Decimal(0))
    return None


def _amounts(refund: ShopRefund) -> Iterator[tuple[_MoneyBag, bool]]:
    """Yields the parts of a refund, each with whether it is a tax: what gives something back is positive."""
    for line in refund.refund_line_items:
        yield from _parts(line.subtotal_set, line.total_tax_set)
    for shipping in refund.refund_shipping_lines:
        yield from _parts(shipping.subtotal_amount_set, shipping.tax_amount_set)
    for duty in refund.duties:
        yield from _parts(duty.amount_set, None)
    for adjustment in refund.order_adjustments:
        for bag, is_tax in _parts(adjustment.amount_set, adjustment.tax_amount_set):
            yield _negative(bag), is_tax


def _parts(amount: _MoneyBag | None, tax: _MoneyBag | None) -> Iterator[tuple[_MoneyBag, bool]]:
    if amount is not None:
        yield amount, False
    if tax is not None:
        yield tax, True


def _negative(bag: _MoneyBag) -> _MoneyBag:
    """Returns an adjustment as the other parts are: there, what gives more back is negative."""
    return _MoneyBag(shop_money=_turned(bag.shop_money), presentment_money=_turned(bag.presentment_money))


def _turned(money: _Money | None) -> _Money | None:
    if money is None:
        return None
    return _Money(amount=str(-decimal_of(money.amount, "order_adjustments")), currency_code=money.currency_code)
