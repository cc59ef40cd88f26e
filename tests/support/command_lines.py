"""The commands of each service, as its composition root has them."""

import importlib
from collections.abc import Mapping

from shared.service import process
from shared.service.command_line import Command


def commands_of(service: str) -> Mapping[str, Command]:
    """Every command beside `serve` and `migrate`."""
    root = importlib.import_module(f"services.{service}.main")
    return {**process.common_commands(service, root.build), **root.COMMANDS}
