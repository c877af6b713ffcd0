"""Worst cases: instances on which a mechanism earns the smallest share of the optimum.

An instance of a family (buyers, periods, types) is a point of R^d: logarithms of the lowest value and of the steps
between values, and logits of the probabilities. From each random start a (1+1) evolution strategy moves one random
block of coordinates at a time; its step grows on success and shrinks on failure (Rechenberg's one-fifth rule), and a
new start begins when the step is small. Values and probabilities are rounded to short decimals before anything is
computed, so that the worst instance is exact and can be written to a model file; steps between values stay within
exp(-6) and exp(6), where programs can be trusted.

A search is a function of its seed and budget: stopped and resumed, it gives the same result as in one piece.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mechopt.core.errors import InputError, NoOptimumError
from mechopt.core.numbers import FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.files import write_atomically
from mechopt.solve.optimum import optimum

PROBABILITY_UNITS = 10**6
START_STEP, SMALLEST_STEP = 1.0, 1e-3
GROW, SHRINK = 1.5, 1.5**-0.25
LARGEST_LOGARITHM = 6.0


class HasRevenue(Protocol):
    """Anything with an expected revenue."""

    @property
    def revenue(self) -> float:
        """Expected present value of payments net of costs."""
        ...


@dataclass(frozen=True)
class Family:
    """Shape of the instances that are searched.

    Parameters
    ----------
    buyers, periods, types : int
        Every buyer has this many types in every period.
    """

    buyers: int = 1
    periods: int = 2
    types: int = 2

    def __post_init__(self) -> None:
        for name, count in asdict(self).items():
            if count < 1:
                raise InputError(f"{name} is {count}; it must be at least 1")

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes of a point: buyer, period, (values, probabilities), type."""
        return (self.buyers, self.periods, 2, self.types)

    def instance(self, point: FloatArray) -> IndependentTypes:
        """The environment at a point of shape `shape`, in exact short decimals."""
        values, probabilities = [], []
        for rows in point.reshape(self.shape):
            values.append([_values(row[0]) for row in rows])
            probabilities.append([_probabilities(row[1]) for row in rows])
        return IndependentTypes(values, probabilities)


def _values(logarithms: FloatArray) -> list[Fraction]:
    steps = np.exp(np.clip(logarithms, -LARGEST_LOGARITHM, LARGEST_LOGARITHM))
    rounded = [Fraction(f"{step:.5g}") for step in steps]
    return [sum(rounded[: k + 1], Fraction(0)) for k in range(len(rounded))]


def _probabilities(logits: FloatArray) -> list[Fraction]:
    """Softmax in millionths, each at least one, summing to 1 exactly; what rounding leaves goes to the likeliest."""
    weights = np.exp(logits - logits.max())
    units = np.maximum(1, np.round(PROBABILITY_UNITS * weights / weights.sum()).astype(int))
    units[units.argmax()] += PROBABILITY_UNITS - units.sum()
    return [Fraction(int(u), PROBABILITY_UNITS) for u in units]


@dataclass(frozen=True)
class SearchResult:
    """The worst instance found.

    Attributes
    ----------
    ratio : float
        Revenue of the mechanism over the optimum, there.
    environment : IndependentTypes
    evaluations : int
        Instances tried in all, over resumed runs.
    starts : int
        Random starts begun.
    """

    ratio: float
    environment: IndependentTypes
    evaluations: int
    starts: int


@dataclass
class _State:
    """All that a search needs to go on; points as flat lists."""

    family: dict[str, int]
    seed: int
    evaluations: int
    starts: int
    step: float
    point: list[float]
    ratio: float
    best_point: list[float]
    best_ratio: float
    rng: dict[str, Any]


def worst_case(
    mechanism: Callable[[IndependentTypes], HasRevenue],
    family: Family,
    budget: int = 1000,
    seed: int = 0,
    state: str | Path | None = None,
    benchmark: Callable[[IndependentTypes], float] | None = None,
) -> SearchResult:
    """Search for the instance on which a mechanism's share of the optimal revenue is smallest.

    Parameters
    ----------
    mechanism : callable
        From an environment to something with ``revenue``, such as `mechopt.non_clairvoyant_balance`.
    family : Family
    budget : int
        Instances to try in all; a resumed search counts those of the earlier runs.
    seed : int
    state : path, optional
        A JSON file that the search reads, if it exists, and keeps up to date (whole or not at all).
    benchmark : callable, optional
        What to compare with; default the optimum under DIC and EPIR.

    Returns
    -------
    SearchResult

    Raises
    ------
    InputError
        If the state file belongs to another search or is damaged.

    Examples
    --------
    Giving the item away earns nothing of the optimum:

    >>> class Nothing:
    ...     revenue = 0.0
    >>> worst_case(lambda environment: Nothing(), Family(periods=1), budget=3).ratio
    0.0
    """
    benchmark = benchmark or (lambda environment: optimum(environment).require_optimal().value)

    def ratio(point: FloatArray) -> float:
        """Share of the optimum; infinite where the optimum cannot be had, so that such instances are passed over."""
        environment = family.instance(point)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="values or probabilities differ")
                best = benchmark(environment)
        except (InputError, NoOptimumError):
            return np.inf
        return mechanism(environment).revenue / best if best > 0 else np.inf

    rng = np.random.default_rng(seed)
    now = _read_state(state, family, seed) if state is not None and Path(state).exists() else None
    if now is None:
        now = _State(asdict(family), seed, 0, 0, 0.0, [], np.inf, [], np.inf, {})
    else:
        rng.bit_generator.state = now.rng
    shape = family.shape
    while now.evaluations < budget:
        if now.step < SMALLEST_STEP:
            candidate = rng.normal(size=shape) * rng.choice([0.5, 2.0, 5.0])
            found = ratio(candidate)
            now.point, now.ratio, now.step = candidate.ravel().tolist(), found, START_STEP
            now.starts += 1
        else:
            moved = rng.random(shape) < rng.choice([0.2, 0.5, 1.0])
            candidate = np.reshape(now.point, shape) + now.step * moved * rng.normal(size=shape)
            found = ratio(candidate)
            better = found < now.ratio
            now.step *= GROW if better else SHRINK
            if better:
                now.point, now.ratio = candidate.ravel().tolist(), found
        now.evaluations += 1
        if now.ratio < now.best_ratio:
            now.best_point, now.best_ratio = now.point, now.ratio
        if state is not None and (now.evaluations % 50 == 0 or now.evaluations == budget):
            now.rng = dict(rng.bit_generator.state)
            _write_state(state, now)
    if not now.best_point:
        raise InputError(f"budget is {budget}: no instance with a known, positive optimum was found; raise it")
    return SearchResult(now.best_ratio, family.instance(np.array(now.best_point)), now.evaluations, now.starts)


def _write_state(path: str | Path, state: _State) -> None:
    write_atomically(path, lambda file: _write(file, json.dumps(asdict(state)).encode()))


def _write(file: Any, content: bytes) -> None:
    file.write(content)


def _read_state(path: str | Path, family: Family, seed: int) -> _State:
    try:
        state = _State(**json.loads(Path(path).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not the state of a search, or damaged ({error}); remove it to start anew") from None
    if state.family != asdict(family) or state.seed != seed:
        raise InputError(f"{path}: belongs to a search of {state.family} with seed {state.seed}; give another file")
    return state
