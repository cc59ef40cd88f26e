"""Three segments in words, one of them in Chinese: defined by the API as a marketer would, counted, and explained."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from deploy.demo.bars import bars
from deploy.demo.client import Client, Outdated
from deploy.local.process import StackError, private_folder

STILL_SECONDS: Final = 60.0  # without a customer looked at: something is wrong
SEE_SECONDS: Final = 0.25
ATTEMPTS: Final = 5  # where somebody else changes the same segment
ASKED: Final = 200  # customers of whom one is explained
PICTURE: Final = "tiers.svg"

_ANSWERS: Final[Mapping[bool | None, tuple[str, str]]] = {
    True: ("true", "green"),
    False: ("false", "red"),
    None: ("unknown", "yellow"),
}
_JOINED: Final = {"all": "all of these", "any": "any of these"}


@dataclass(frozen=True, slots=True)
class InWords:
    """A segment as a marketer types it."""

    id: str
    name: str
    language: Literal["en", "zh"]
    words: str


SILENT: Final = InWords("gone-quiet", "30天未下单的高等级客户", "zh", "最近30天没有下单 且 等级不是 bronze")
SEGMENTS: Final = (
    SILENT,
    InWords("regulars", "Regulars", "en", "ordered at least 3 times in the last 90 days"),
    InWords(
        "worth-a-mail",
        "Worth a mail",
        "en",
        "spent at least 200.00 USD and stage is at_risk and has consented to email",
    ),
)


async def define(client: Client, console: Console) -> None:
    """Creates and publishes the segments that are not there yet; returns when every customer was looked at by them.

    One that somebody has changed or archived since stays as it is.
    """
    for one in SEGMENTS:
        await _publish(client, one)
    counts = await client.get("segment", "/v1/counts")
    customers = sum(counts["tiers"].values())
    looked_at = await _looked_at(client, customers)
    if min(looked_at) >= customers:
        return
    now = asyncio.get_running_loop().time
    changed = now()
    with bars(console) as shown:
        bar = shown.add("Memberships", customers * len(SEGMENTS))
        while (found := await _looked_at(client, customers)) != [customers] * len(SEGMENTS):
            if found != looked_at:
                looked_at, changed = found, now()
            if now() - changed > STILL_SECONDS:
                raise StackError(f"segment looked at no customer by the new segments for {STILL_SECONDS:.0f} s")
            bar.update(sum(found))
            await asyncio.sleep(SEE_SECONDS)
        bar.update(customers * len(SEGMENTS))


async def _publish(client: Client, one: InWords) -> None:
    for _ in range(ATTEMPTS):
        found = await client.find("segment", f"/v1/segments/{one.id}")
        try:
            if found is None:
                text = {"text": one.words, "language": one.language}
                condition = (await client.post("segment", "/v1/conditions/parse", text))["condition"]
                body = {"id": one.id, "name": one.name, "description": one.words, "condition": condition}
                await client.post("segment", "/v1/segments", body)
            elif found["state"] == "draft":
                await client.post("segment", f"/v1/segments/{one.id}/publish", None, revision=found["revision"])
            else:
                return
        except Outdated:
            continue
    raise StackError(f"the segment {one.id} could not be published: somebody else changes it")


async def _looked_at(client: Client, customers: int) -> list[int]:
    """Returns how many customers were looked at by each segment's newest version: all, where no more are to be."""
    found = []
    for one in SEGMENTS:
        segment = await client.get("segment", f"/v1/segments/{one.id}")
        if segment["state"] != "live":
            found.append(customers)
            continue
        newest = (await client.get("segment", f"/v1/segments/{one.id}/versions"))["versions"][0]
        found.append(customers if newest["backfilled_at"] else min(newest["looked_at"], customers - 1))
    return found


async def show(client: Client, console: Console) -> None:
    """Prints the segments with their sizes, why a customer is in one or not, and where a picture of the tiers lies."""
    table = Table(title="Segments in words", title_justify="left")
    for column in ("segment", "who is in it", "customers"):
        table.add_column(column, justify="right" if column == "customers" else "left")
    for one in SEGMENTS:
        segment = await client.get("segment", f"/v1/segments/{one.id}")
        size = f"{segment['members']:,}" if segment["state"] == "live" else segment["state"]
        table.add_row(one.id, await _words(client, segment["draft"], one.language), size)
    console.print(table)
    explanation = await _explanation(client)
    if explanation is not None:
        console.print(tree(explanation))
    console.print(f"The tiers as a picture: {await _picture(client)}")


async def _words(client: Client, condition: Any, language: str) -> str:
    described = await client.post("segment", "/v1/conditions/describe", {"condition": condition})
    words: str = described["words"][language]
    return words


async def _explanation(client: Client) -> Any | None:
    """Returns why a gold customer is not in the first segment, into which time alone leads; else why one is in it."""
    segment = await client.get("segment", f"/v1/segments/{SILENT.id}")
    gold = (await client.get("segment", "/v1/standings", tier="gold", limit=ASKED))["standings"]
    if segment["state"] != "live" or not gold:
        return None
    body = {"condition": segment["draft"], "profile_ids": [one["profile_id"] for one in gold]}
    answers = (await client.post("segment", "/v1/conditions/evaluate", body))["answers"]
    chosen = min(answers, key=lambda one: one["answer"] is not False)
    return await client.get("segment", f"/v1/segments/{SILENT.id}/explain/{chosen['profile_id']}")


def tree(explanation: Mapping[str, Any]) -> Tree:
    """Returns an explanation as a tree of its clauses, each with what is true, and when passing time alone turns it."""
    verb = "is" if explanation["member"] else "is not"
    title = f"Why the customer {explanation['profile_id']} {verb} in {explanation['segment_id']}"
    made = Tree(Text(title))
    _branch(made, explanation["clause"])
    return made


def _branch(parent: Tree, clause: Mapping[str, Any]) -> None:
    answer, style = _ANSWERS[clause["answer"]]
    told = _JOINED.get(clause["kind"]) or clause["words"]["en"]
    line = Text.assemble((f"{answer:<8}", style), told)
    if clause["turns_at"] is not None:
        turns_at = datetime.fromisoformat(clause["turns_at"])
        line.append(f"; turns by itself on {turns_at:%Y-%m-%d at %H:%M:%S} UTC", "dim")
    branch = parent.add(line)
    for part in clause["parts"] if clause["kind"] in _JOINED else ():
        _branch(branch, part)


async def _picture(client: Client) -> Path:
    file = private_folder(client.stack.home / "demo") / PICTURE
    file.write_text(await client.text("segment", "/v1/reports/tiers", format="svg"), encoding="utf-8")
    return file
