"""What the main job made, in a form that a person likes to read; and whether it is right."""

from collections.abc import Mapping
from typing import Any, Final

from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from deploy.local.demo import cdnow
from deploy.local.demo.cdnow import Plan
from deploy.local.demo.client import Client
from deploy.local.demo.progress import State
from deploy.local.process import StackError

SENT: Final = "sent"


async def show(client: Client, plan: Plan, state: State, console: Console) -> None:
    """Prints the summary. Raises `StackError`, naming each difference, where a total is not the file's."""
    totals = (await client.get("profile", "/v1/totals"))["totals"]
    counts = await client.get("segment", "/v1/counts")
    figures = await client.get("campaign", "/v1/messages/figures")
    mail = await client.get("mail", "/api/count")
    nps = await client.get("feedback", "/v1/figures")
    journeys = by_journey(figures)

    orders, cents = sum(one["orders"] for one in totals), sum(one["spend_minor"] for one in totals)
    console.print()
    console.print(f"[bold]{orders:,} orders, USD {cents / 100:,.2f}[/bold], of {_customers(counts):,} customers")
    console.print(
        f"  {len(plan.live)} of them live, with page views and feedback made up for the demo. Real: customers, days "
        f"(moved by {plan.shift_days:,} days) and amounts; invented: names, mail, consent, country, time of day."
    )
    console.print()
    console.print(
        Columns(
            [_table("Customers by tier", counts["tiers"]), _table("By lifecycle stage", counts["stages"]),
             _messages(figures, journeys)],
            padding=(0, 3),
        )
    )  # fmt: skip
    if nps["score"] is not None:
        console.print(f"Feedback: {nps['responses']} answers, NPS {nps['score']:+.0f}")
    console.print(f"Mails while importing history: {state.mails_after_import}; all mail: {client.stack.url('mail')}")
    await _someone(client, plan, console)
    console.print("APIs: " + "  ".join(f"{client.stack.url(name)}/docs" for name in _services()))
    wrong = _differences(plan, orders, cents, counts, journeys, mail, state)
    if wrong:
        raise StackError("the totals are wrong: " + "; ".join(wrong))


def by_journey(figures: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Messages by journey and state, from the campaign service's figures."""
    return {one["journey_id"]: one["states"] for one in figures["journeys"]}


def _differences(
    plan: Plan,
    orders: int,
    cents: int,
    counts: Mapping[str, Any],
    journeys: Mapping[str, Mapping[str, int]],
    mail: Mapping[str, Any],
    state: State,
) -> list[str]:
    lines = plan.lines
    sent = sum(states.get(SENT, 0) for states in journeys.values())
    checks = (
        ("orders", orders, len(lines)),
        ("cents", cents, cdnow.total_cents(lines)),
        ("customers", _customers(counts), len({line.customer for line in lines})),
        ("mails while importing history", state.mails_after_import, 0),
        ("mails in the sink", mail["total"], sent),
        ("mails sent twice", len(mail["duplicates"]), 0),
    )
    return [f"{name} {found}, not {wanted}" for name, found, wanted in checks if found != wanted]


def _customers(counts: Mapping[str, Any]) -> int:
    return sum(counts["tiers"].values())


def _table(title: str, numbers: Mapping[str, int]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    for name, number in numbers.items():
        table.add_row(name.replace("_", " "), f"{number:,}", style="dim" if not number else None)
    return table


def _messages(figures: Mapping[str, Any], journeys: Mapping[str, Mapping[str, int]]) -> Table:
    table = Table(title="Messages", title_justify="left")
    for column in ("journey", "sent", "accept to message, p50", "p99"):
        table.add_column(column, justify="left" if column == "journey" else "right")
    latencies = {one["journey_id"]: one for one in figures["journeys"] if one["p50_seconds"] is not None}
    for journey, states in sorted(journeys.items()):
        found = latencies.get(journey)
        times = [f"{found[p] * 1000:,.0f} ms" for p in ("p50_seconds", "p99_seconds")] if found else ["by time", ""]
        table.add_row(journey, str(states.get(SENT, 0)), *times)
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


def _services() -> tuple[str, ...]:
    return ("ingest", "profile", "segment", "campaign", "feedback")
