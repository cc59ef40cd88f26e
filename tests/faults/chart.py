"""The soak as a picture: memory of each process that stays, over time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

SIZE_INCHES: Final = (10, 5.5)
SECONDS_PER_MINUTE: Final = 60
HEADROOM: Final = 0.15


def draw(
    samples: Mapping[str, Sequence[tuple[float, float]]], compared: Sequence[tuple[float, float]], to: Path
) -> None:
    """Draws MiB over minutes, services above and brokers below, with the two compared stretches shaded.

    `samples` are (seconds, MiB) by process, `compared` stretches of seconds.
    """
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for key, points in sorted(samples.items()):
        minutes = [seconds / SECONDS_PER_MINUTE for seconds, _ in points]
        axes = lower if key.startswith("kafka") else upper
        axes.plot(minutes, [mebibytes for _, mebibytes in points], label=key.removesuffix("-stays"), linewidth=1.2)
    for axes in (upper, lower):
        for start, end in compared:
            axes.axvspan(start / SECONDS_PER_MINUTE, end / SECONDS_PER_MINUTE, color="0.93")
        axes.set_ylabel("resident memory, MiB")
        axes.margins(y=HEADROOM)
        axes.set_ylim(bottom=0)
        axes.legend(loc="lower left", ncols=6, fontsize="small")
    lower.set_xlabel("minutes")
    to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(to, metadata={"Date": None})
