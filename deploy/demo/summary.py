"""What the main job made, in a form that a person likes to read; and whether it is right."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from deploy.demo import cdnow, figures, segments
from deploy.demo.cdnow import Plan
from deploy.demo.client import Client
from deploy.demo.figures import Figures, Journey
from deploy.demo.progress import State
from deploy.local.process import StackError
from deploy.local.settings import SERVICES
from shared.contracts.currencies import exponent

SOURCE: Final = "demo"  # whose key the demo sends with


async def show(client: Client, plan: Plan, state: State, console: Console, *, sent_live: bool) -> None:
    """Prints the summary of what the demo sent, and what others have sent beside it.

    Raises `StackError`, naming each difference, where something of the demo's is not as it was sent.
    """
    found = await _read(client, plan)
    counts = await client.get("segment", "/v1/counts")
    mail = await client.get("mail", "/api/count")
    nps = await client.get("feedback", "/v1/figures")

    invented = cdnow.total_cents(plan.first_orders)
    console.print()
    real = f"{found.orders - len(plan.first_orders):,} orders, USD {(found.cents - invented) / 100:,.2f}"
    console.print(f"[bold]{real}[/bold], of {len({line.customer for line in plan.lines}):,} customers")
    for line in (*_origin(plan, sent_live=sent_live), *_others(found)):
        console.print(f"  {line}")
    console.print()
    console.print(
        Columns(
            [
                _table("Customers by tier", {name: found.tiers[name] for name in (*counts["tiers"], *found.tiers)}),
                _table("By lifecycle stage", {name: found.stages[name] for name in counts["stages"]}),
                _messages(found.journeys),
            ],
            padding=(0, 3),
        )
    )
    await segments.show(client, console)
    if nps["score"] is not None:
        console.print(f"Feedback of the last 30 days: {nps['responses']} answers, NPS {nps['score']:+.0f}")
    console.print(f"Mails while importing history: {state.mails_after_import}; all mail: {client.stack.url('mail')}")
    await _someone(client, plan, console)
    console.print("APIs: " + "  ".join(f"{client.stack.url(name)}/docs" for name in SERVICES))
    wrong = differences(plan, found, mail, state)
    if wrong:
        raise StackError("the totals are wrong: " + "; ".join(wrong))


async def _read(client: Client, plan: Plan) -> Figures:
    sources = (await client.get("ingest", "/v1/sources"))["sources"]
    source_id = next((UUID(one["id"]) for one in sources if one["name"] == SOURCE), None)
    if source_id is None:
        raise StackError(f"ingest has no source {SOURCE!r} any more, by which the demo's events are known")
    lines = [*plan.lines, *plan.first_orders]
    return await figures.read(client.stack.postgres, plan.customers, lines, source_id, message_ids(plan))


def message_ids(plan: Plan) -> list[str]:
    """The ids of everything that the demo sends by the tracking API."""
    viewed = (*plan.live, *plan.first_orders)
    return [
        *(cdnow.identity_id(customer) for customer in plan.customers),
        *(line.message_id for line in (*plan.lines, *plan.first_orders)),
        *(page["messageId"] for line in viewed for page in cdnow.page_views(line)),
    ]


def _origin(plan: Plan, *, sent_live: bool) -> Iterator[str]:
    if sent_live:
        yield f"{len(plan.live):,} of them sent live just now, with page views and feedback made up for the demo."
    else:
        yield "All sent by an earlier run; this one sent nothing."
    yield (
        f"Real: customers, days (moved by {plan.shift_days:,} days) and amounts; invented: names, mail, consent, "
        "country, time of day."
    )
    if plan.first_orders:
        yield (
            f"Beside them {len(plan.first_orders) + len(plan.prospects)} invented newcomers, {len(plan.first_orders)} "
            f"of whom made a first order (USD {cdnow.total_cents(plan.first_orders) / 100:,.2f} in all)."
        )


def _others(found: Figures) -> Iterator[str]:
    """What is not the demo's, in words."""
    if found.others_orders:
        sums = " and ".join(money(currency, minor) for currency, minor in sorted(found.others_minor.items()))
        people = _count(found.others_customers, "customer")
        yield f"[bold]And {_count(found.others_orders, 'order')} of yours[/bold], {sums}, of {people}."
    if found.cancelled or found.refunded:
        yield f"Of the demo's orders {found.cancelled} were cancelled since, and of {found.refunded} money went back."
    if found.joined:
        yield f"You have joined {_count(found.joined, 'customer')} of the demo with another by an alias."
    messages = sum(one.others for one in found.journeys)
    if found.others_standings:
        people, letters = _count(found.others_standings, "customer"), _count(messages, "message")
        yield f"The tables count the demo's customers alone; beside them are {people} of yours, and {letters} to them."


def money(currency: str, minor: int) -> str:
    """An amount as people write it."""
    decimals = exponent(currency)
    return f"{currency} {Decimal(minor).scaleb(-decimals):,.{decimals}f}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def by_journey(counted: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Messages by journey and state, from the campaign service's figures."""
    return {one["journey_id"]: one["states"] for one in counted["journeys"]}


def differences(plan: Plan, found: Figures, mail: Mapping[str, Any], state: State) -> list[str]:
    """What is not as it was sent, each in words."""
    lines, customers = [*plan.lines, *plan.first_orders], len(plan.customers)
    orders, cents = found.orders, found.cents
    if found.cancelled:  # by somebody who may, and told: their amounts are in no figure any more
        orders, cents = orders + found.cancelled, cdnow.total_cents(lines)
    profiles = customers - found.joined
    mails = max(found.sent, min(mail["distinct"], found.sent + found.unknown_messages))
    checks = (
        ("orders", orders, len(lines)),
        ("cents", cents, cdnow.total_cents(lines)),
        ("orders of another amount", found.other_amounts, 0),
        ("orders at another customer", found.displaced, 0),
        ("events", found.events, len(message_ids(plan))),
        ("customers known", found.customers, customers),
        ("customers", found.profiles, profiles),
        ("customers by their events", found.profiles_of_events, profiles),
        ("customers with a tier", sum(found.tiers.values()), profiles),
        ("mails while importing history", state.mails_after_import, 0),
        ("mails in the sink", mail["distinct"], mails),
        ("mails sent twice", len(mail["duplicates"]), 0),
    )
    return [f"{name} {number}, not {wanted}" for name, number, wanted in checks if number != wanted]


def _table(title: str, numbers: Mapping[str, int]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    for name, number in numbers.items():
        table.add_row(name.replace("_", " "), f"{number:,}", style="dim" if not number else None)
    return table


def _messages(journeys: Iterable[Journey]) -> Table:
    table = Table(title="Messages", title_justify="left")
    for column in ("journey", "sent", "accept to message, p50", "p99"):
        table.add_column(column, justify="left" if column == "journey" else "right")
    for one in journeys:
        times = [f"{seconds * 1000:,.0f} ms" for seconds in one.seconds] if one.seconds else ["by time", ""]
        table.add_row(one.name, str(one.sent), *times)
    return table


async def _someone(client: Client, plan: Plan, console: Console) -> None:
    """A customer worth looking at: one who ordered live and was written to, if there is one."""
    messages = (await client.get("campaign", "/v1/messages", limit=1))["messages"]
    ref = messages[0]["profile_id"] if messages else f"user_id:{plan.lines[-1].customer}"
    console.print("\nA customer to look at:")
    views = [("profile", f"/v1/profiles/{ref}")]
    if messages:
        views += [("segment", f"/v1/profiles/{ref}/standing"), ("campaign", f"/v1/profiles/{ref}/decisions")]
    bearer = f'"Authorization: Bearer $(cat {client.stack.home / "admin-token"})"'
    for service, path in views:
        console.print(f"  curl -s -H {bearer} {client.stack.url(service)}{path}")
    console.print()
