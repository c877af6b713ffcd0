"""The instances of the benchmark: one buyer, one item a period, types independent across periods."""

from __future__ import annotations

from fractions import Fraction
from itertools import cycle, islice

Instance = tuple[tuple[int, ...], tuple[Fraction, ...], int]

GENERIC_WEIGHTS = (3, 5, 2, 7, 4, 6, 1, 8)


def instance(values: tuple[int, ...], weights: tuple[int, ...], periods: int) -> Instance:
    """Return values, exact probabilities proportional to `weights` (length K), and the number of periods."""
    weights = tuple(islice(cycle(weights), len(values)))
    return values, tuple(Fraction(weight, sum(weights)) for weight in weights), periods


THREE = (1, 2, 4), (3, 4, 3)
FOUR = (1, 2, 4, 7), (3, 3, 2, 2)

INSTANCES: dict[str, Instance] = {
    **{f"K3T{periods}": instance(*THREE, periods) for periods in range(4, 10)},
    **{f"K4T{periods}": instance(*FOUR, periods) for periods in range(4, 8)},
    "K8T2": instance(tuple(range(1, 9)), GENERIC_WEIGHTS, 2),
    "K50T2": instance(tuple(range(1, 51)), GENERIC_WEIGHTS, 2),
    "K20T3": instance(tuple(range(1, 21)), GENERIC_WEIGHTS, 3),
}
FULL = ("K3T6", "K3T7", "K3T8", "K3T9", "K4T6", "K4T7", "K50T2", "K20T3")
QUICK = ("K3T4", "K3T5", "K4T4", "K8T2")

WARM_UP = instance((1, 2), (1, 1), 2)
WARM_UP_VALUE = 2.25
