"""The figures of all processes come together at the end of a run."""

from collections import Counter
from typing import Any

import pytest
from rich.console import Console

from tests.badinput import figures

_tried, _failed = Counter[str](), Counter[str]()


class _FromWorkers:
    """pytest-xdist's hooks, which pytest knows only where it is installed."""

    @staticmethod
    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(node: Any) -> None:
        """A worker has ended: its figures are added."""
        figures = getattr(node, "workeroutput", {}).get("figures")
        if figures is not None:
            _tried.update(figures["tried"])
            _failed.update(figures["failed"])


def pytest_configure(config: pytest.Config) -> None:
    """Listens to workers, if there are any."""
    config.pluginmanager.register(_FromWorkers())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker gives its figures to the process that started it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["figures"] = {"tried": dict(figures.TRIED), "failed": dict(figures.FAILED)}


def pytest_terminal_summary() -> None:
    """Tells them."""
    tried, failed = _tried + figures.TRIED, _failed + figures.FAILED
    if tried:
        figures.show(tried, failed, Console())
