"""How far the demo has come, so that an interrupted import goes on where it stopped."""

from datetime import date
from pathlib import Path

import msgspec

from deploy.local.process import private_folder


class State(msgspec.Struct, kw_only=True):
    """`today` fixes the shift of all dates; `sent` counts events of the import that ingest acknowledged.

    What others had sent before the demo began is no concern of its: `orders_before` and `mails_before`. Without
    `newcomers` a release began it that invented nobody.
    """

    today: date
    slice_orders: int | None
    newcomers: bool = False
    orders_before: int = 0
    mails_before: int = 0
    sent: int = 0
    imported: bool = False
    mails_after_import: int | None = None
    done: bool = False


def load(file: Path) -> State | None:
    """The state of an earlier run."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=State)
    except FileNotFoundError:
        return None


def save(file: Path, state: State) -> None:
    """Writes the state so that a crash leaves the old or the new one."""
    private_folder(file.parent)
    fresh = file.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(state))
    fresh.replace(file)
