"""Dead letters on a terminal. What they quote is a stranger's, and so is never printed as it is."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.dlq.letters import Entry
from shared.kafka.dead_letters.dead_letter import Letter
from shared.kafka.dead_letters.sources import BlockedSource

MIN_WIDTH: Final = 200  # columns; a narrower terminal breaks the line, where a table would cut the place
MAX_REASONS: Final = 20


def console() -> Console:
    """Returns standard output."""
    return Console(highlight=False)


def show_list(out: Console, entries: Sequence[Entry]) -> None:
    """Prints one line a letter, then how many have which reason."""
    out.width = max(out.width, MIN_WIDTH)
    if not entries:
        out.print("no dead letters")
        return
    table = _table("place", "state", "type", "event id", "at", "reason")
    for entry in entries:
        headers = _headers(entry)
        kind, event_id = headers.get("ce_type", "-"), headers.get("ce_id", "-")
        table.add_row(*map(_text, (entry.short, _state(entry), kind, event_id, _at(entry), entry.reason)))
    out.print(table)
    reasons = _table("letters", "reason")
    counted = Counter(entry.reason for entry in entries).most_common()
    for reason, count in counted[:MAX_REASONS]:
        reasons.add_row(str(count), _text(reason))
    out.print(reasons)
    if len(counted) > MAX_REASONS:
        out.print(f"and {len(counted) - MAX_REASONS} more reasons")


def show_blocked(out: Console, blocked: Sequence[BlockedSource]) -> None:
    """Prints one line for each blocked source; nothing if there is none."""
    if not blocked:
        return
    table = _table("blocked source", "since", "refused", "cause", "the last reason")
    for one in blocked:
        since = f"{one.at:%Y-%m-%d %H:%M:%S}"
        table.add_row(*map(_text, (one.source, since, str(one.refused), one.cause, one.reason)))
    out.print(table)


def show_one(out: Console, entry: Entry) -> None:
    """Prints everything that is known of one letter."""
    out.print(_text(f"place   {entry.name}"))
    out.print(_text(f"state   {_state(entry)}"))
    out.print(_text(f"reason  {entry.reason}"))
    if (decision := entry.decision) is not None:
        out.print(_text(f"{decision.verdict.value:<7} {_at(entry)} by {decision.by}: {decision.note}"))
    if entry.letter is not None:
        _show_record(out, entry.letter)


def _show_record(out: Console, letter: Letter) -> None:
    record = letter.record
    out.print(_text(f"died    {letter.at}: {letter.reason}"))
    out.print(_text(f"key     {_bytes(record.key)}"))
    table = _table("header", "value")
    for name, value in record.headers:
        table.add_row(_text(name), _text(_bytes(value)))
    out.print(table)
    for line in _pretty(record.value).split("\n"):
        out.print(_text(line), soft_wrap=True)


def _table(*names: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name in ("place", "type", "event id", "at", "header"))
    return table


def _headers(entry: Entry) -> dict[str, str]:
    if entry.letter is None:
        return {"ce_type": "(no longer in the topic)"}
    return {name: _bytes(value) for name, value in entry.letter.record.headers}


def _state(entry: Entry) -> str:
    if entry.decision is None:
        return "not dead"  # its batch was rolled back
    return "open" if entry.open else entry.decision.verdict.value


def _at(entry: Entry) -> str:
    if entry.decision is not None:
        return f"{entry.decision.at:%Y-%m-%d %H:%M:%S}"
    return entry.letter.at[:19].replace("T", " ") if entry.letter is not None else "-"


def _pretty(value: bytes | None) -> str:
    try:
        return json.dumps(msgspec.json.decode(value or b""), indent=2, ensure_ascii=False)
    except (msgspec.MsgspecError, RecursionError):
        return _bytes(value)


def _bytes(value: bytes | None) -> str:
    """Returns bytes as text; bytes that are not text are escaped."""
    return "" if value is None else value.decode(errors="backslashreplace")


def printable(text: str) -> str:
    """Returns the text with its control characters escaped: they could rewrite what a terminal shows."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _text(text: str) -> Text:
    return Text(printable(text))
