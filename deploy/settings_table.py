"""`python -m deploy.settings_table`: writes the table of every setting into docs/operations.md; `--check` compares."""

import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from deploy.local.settings import CHECKOUT, SERVICES
from shared.service.setting_kinds import Kind
from shared.service.settings import Settings

PAGE: Final = CHECKOUT / "docs" / "operations.md"
BEGIN: Final = "<!-- settings: made by `python -m deploy.settings_table` -->\n"
END: Final = "<!-- end of settings -->\n"
HEAD: Final = "| variable | type | default | what it does |\n|---|---|---|---|\n"
BOUNDS: Final = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}
NAMES: Final[Mapping[Any, str]] = {int: "whole number", float: "number", bool: "true or false", SecretStr: "secret"}


def settings_of(service: str) -> type[Settings]:
    """Returns the class of a service's settings."""
    module = importlib.import_module(f"services.{service}.settings")
    found: type[Settings] = getattr(module, f"{service.capitalize()}Settings")
    return found


def table() -> str:
    """Returns every setting of every service, in Markdown."""
    common = Settings.model_fields
    parts = [f"Of every service:\n\n{HEAD}{''.join(_rows(common))}"]
    for service in SERVICES:
        own = {name: field for name, field in settings_of(service).model_fields.items() if name not in common}
        if own:
            parts.append(f"Of {service} alone:\n\n{HEAD}{''.join(_rows(own))}")
    return "\n".join(parts)


def _rows(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    for name, field in fields.items():
        meaning = (field.description or "").replace("|", "\\|")
        yield f"| `{name.upper()}` | {_kind(field)} | {_default(field)} | {meaning} |\n"


def _kind(field: FieldInfo) -> str:
    """Returns what values a setting may have."""
    named = next((one.text for one in field.metadata if isinstance(one, Kind)), "")
    if get_origin(field.annotation) is Literal:
        named = "one of " + ", ".join(f"`{one}`" for one in get_args(field.annotation))
    return " ".join([named or NAMES.get(field.annotation, "text"), *_bounds(field)])


def _bounds(field: FieldInfo) -> Iterator[str]:
    for one in field.metadata:
        for bound, (sign, attribute) in BOUNDS.items():
            if isinstance(one, bound):
                yield f"{sign} {getattr(one, attribute)}"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    return f"`{value}`" if value != "" else "empty"


def with_table(page: str) -> str:
    """Returns the page with the table as it is now. Raises ValueError for a page without a place for it."""
    made, count = re.subn(
        f"(?s){re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{table()}\n{END}", page, count=1
    )
    if count != 1:
        raise ValueError(f"{PAGE.name} has no place for the settings")
    return made


def main(arguments: list[str], page: Path = PAGE) -> int:
    """The command line; returns the exit status: 1 if `--check` finds another table."""
    kept = page.read_text(encoding="utf-8")
    made = with_table(kept)
    if "--check" not in arguments:
        page.write_text(made, encoding="utf-8")
    elif made != kept:
        print(f"docs/{page.name} does not have the settings as they are: python -m deploy.settings_table")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
