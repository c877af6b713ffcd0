"""Bootstrap intervals: what other samples of the same size would have given.

Rows are drawn anew with replacement and the distribution is estimated again *at the same cells*: the interval is that
of the probability of each type, of P(value <= cut), and of the mean of the types. Percentile intervals (Efron 1979):
each holds by itself with the stated level, roughly, for large samples; together they hold less often. What the types'
own values would have been elsewhere, `Fit.resampled` tells, which cuts the cells again each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TypeVar

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray
from mechopt.study.workers.calls import calls

MOST_RESAMPLES = 100_000
AT_ONCE = 25
"""Samples that are sent to a worker at a time."""
Estimate = TypeVar("Estimate")


@dataclass(frozen=True)
class Interval:
    """Percentile intervals; the last axis is (lower, upper).

    Attributes
    ----------
    level : float
        Such as 0.95.
    probabilities : float array ``(type, 2)``
        Of a type; in a panel of the first type.
    cumulative : float array ``(type, 2)``
        Of a value up to the largest of the type's cell; the last is 1.
    mean : float array ``(2,)``
        Of the types' values, under these probabilities.
    kernel : float array ``(type, next, 2)``, or None
        Of the transitions of a panel.
    resamples, seed : int
    """

    level: float
    probabilities: FloatArray
    cumulative: FloatArray
    mean: FloatArray
    resamples: int
    seed: int
    kernel: FloatArray | None = None


def check_options(level: float, resamples: int, seed: int) -> list[Fault]:
    """Faults of the options that all fits share."""
    faults = []
    if not 0 < level < 1:
        faults.append(Fault("level", f"is {level}", "write a number between 0 and 1, such as 0.95"))
    if not 1 <= resamples <= MOST_RESAMPLES:
        faults.append(Fault("resamples", f"is {resamples}", f"write a whole number from 1 to {MOST_RESAMPLES}"))
    if seed < 0:
        faults.append(Fault("seed", f"is {seed}", "write a whole number, at least 0"))
    return faults


def bootstrap(
    weight: FloatArray,
    distribution: Callable[[FloatArray], FloatArray],
    values: FloatArray,
    level: float = 0.95,
    resamples: int = 500,
    seed: int = 0,
    workers: int = 1,
    scheduler: str | None = None,
) -> Interval:
    """Draw anew and estimate again.

    Parameters
    ----------
    weight : float array
        How many rows each group stands for.
    distribution : callable
        From other such weights to the estimated P(value <= cut) of each cell, the last being 1.
    values : float array
        Of the types.
    level : float
    resamples, seed : int
    workers, scheduler : int, and str or None
        Who estimates; see `calls`. The result is the same for all.

    Raises
    ------
    InputError
        If an option is out of range.
    """
    if faults := check_options(level, resamples, seed):
        raise InputError(faults)
    rng = np.random.default_rng(seed)
    rows = round(float(weight.sum()))
    shares = weight / weight.sum()
    draws = (rng.multinomial(rows, shares).astype(np.float64) for _ in range(resamples))
    distributions = np.array(estimates(distribution, draws, workers, scheduler))
    probabilities = np.diff(distributions, axis=1, prepend=0.0)
    return Interval(
        level,
        percentiles(probabilities, level),
        percentiles(distributions, level),
        percentiles(probabilities @ values, level),
        resamples,
        seed,
    )


def estimates(
    estimate: Callable[[FloatArray], Estimate],
    draws: Iterable[FloatArray],
    workers: int = 1,
    scheduler: str | None = None,
) -> list[Estimate]:
    """Estimates from samples, in their order; samples are drawn here, so that they do not depend on who estimates."""
    with calls(workers, scheduler) as pool:
        if pool.alone:
            return list(map(estimate, draws))
        return list(chain.from_iterable(pool.in_order(partial(_estimated, estimate), _batched(draws, AT_ONCE))))


def _estimated(estimate: Callable[[FloatArray], Estimate], draws: tuple[FloatArray, ...]) -> list[Estimate]:
    return [estimate(draw) for draw in draws]


def _batched(draws: Iterable[FloatArray], count: int) -> Iterator[tuple[FloatArray, ...]]:
    remaining = iter(draws)
    while batch := tuple(islice(remaining, count)):
        yield batch


def percentiles(draws: FloatArray, level: float) -> FloatArray:
    """Lower and upper percentile over the first axis, on a new last axis."""
    ends: FloatArray = np.moveaxis(np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0), 0, -1)
    ends.setflags(write=False)
    return ends


def draw_rows(rows: int, rng: np.random.Generator) -> FloatArray:
    """How often each row is drawn when as many are drawn as there are."""
    counts: FloatArray = np.bincount(rng.integers(rows, size=rows), minlength=rows).astype(np.float64)
    return counts
