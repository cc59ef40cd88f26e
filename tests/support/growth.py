"""How the work of a function grows with its input: by CPU time at four sizes, which no busy machine makes longer.

The exponent is that of the power law which fits best: 1 is linear, 2 quadratic, 0 means that the size does not matter.
"""

import gc
import math
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

SIZES: Final = (4_000, 8_000, 16_000, 32_000)  # bytes, or whatever the input is counted in
LINEAR: Final = 1.5  # an exponent up to this is linear work: caches and noise make some of it
TRIES: Final = 4  # noise only ever adds; the least exponent counts
ENOUGH_SECONDS: Final = 0.001  # of CPU, in one measurement
REPEATS: Final = 3
GIVE_UP_SECONDS: Final = 3.0  # for one call; what takes so long is measured at no larger size

T = TypeVar("T")


def seconds(run: Callable[[T], object], given: T) -> float:
    """Returns the CPU seconds of one call: the least of some measurements."""
    started = time.process_time()
    run(given)
    once = time.process_time() - started
    if once > GIVE_UP_SECONDS:
        return once
    calls = max(1, math.ceil(ENOUGH_SECONDS / max(once, 1e-6)))
    least = once
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in range(calls):
            run(given)
        least = min(least, (time.process_time() - started) / calls)
    return least


def exponent(
    run: Callable[[T], object], make: Callable[[int], T], *, sizes: Sequence[int] = SIZES, linear: float = LINEAR
) -> float:
    """Returns the exponent by which the CPU time of `run` grows with the size of what `make` makes.

    First at a glance; what looks steeper than `linear` is measured with care, since noise only ever adds.
    """
    inputs = [(size, make(size)) for size in sizes]
    run(inputs[0][1])  # what is made at a first call is no part of it
    least = _measured(run, inputs, glance)
    for _ in range(TRIES):
        if least <= linear:
            break
        least = min(least, _measured(run, inputs, seconds))
    return least


def glance(run: Callable[[T], object], given: T) -> float:
    """Returns the CPU seconds of one call: the least of two."""
    taken = []
    for _ in range(2):
        started = time.process_time()
        run(given)
        taken.append(time.process_time() - started)
        if taken[0] > GIVE_UP_SECONDS:
            break
    return min(taken)


def _measured(
    run: Callable[[T], object],
    inputs: Sequence[tuple[int, T]],
    measure: Callable[[Callable[[T], object], T], float],
) -> float:
    points: list[tuple[float, float]] = []
    gc.disable()
    try:
        for size, given in inputs:
            taken = measure(run, given)
            points.append((math.log(size), math.log(max(taken, 1e-9))))
            if taken > GIVE_UP_SECONDS and len(points) > 1:
                break
    finally:
        gc.enable()
    return _slope(points)


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the straight line through the points, by least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
