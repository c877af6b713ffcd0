"""Worst cases: instances on which a mechanism earns the smallest share of the optimum.

An instance of a family (buyers, periods, types) is a point of R^d: logarithms of the lowest value and of the steps
between values, and logits of the probabilities. From each random start a (1+1) evolution strategy moves one random
block of coordinates at a time; its step grows on success and shrinks on failure (Rechenberg's one-fifth rule), and a
new start begins when the step is small. Values and probabilities are rounded to short decimals before anything is
computed, so that the worst instance is exact and can be written to a model file; steps between values stay within
exp(-6) and exp(6), where programs can be trusted.

A search is a function of its seed and budget: stopped and resumed, it gives the same result as in one piece. So it does
with several workers: most moves fail, and what is tried after a failure is known beforehand, so that the next few
instances are computed at the same time; where one succeeds, those after it are forgotten.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mechopt.core.atomic import require_target, write_atomically
from mechopt.core.errors import InputError, LimitError, NoOptimumError, require_type
from mechopt.core.numbers import FloatArray, to_exact
from mechopt.core.reading import read_regular
from mechopt.environment.independent import IndependentTypes
from mechopt.solve.optimum import optimum
from mechopt.study.workers.calls import Call, Calls, calls
from mechopt.study.workers.interrupts import interrupts_seen
from mechopt.study.workers.pool import WorkersLost

PROBABILITY_UNITS = 10**6
START_STEP, SMALLEST_STEP = 1.0, 1e-3
GROW, SHRINK = 1.5, 1.5**-0.25
LARGEST_LOGARITHM = 6.0
SAVE_EVERY = 50
MAX_STATE_BYTES = 40_000_000
"""Largest file of a state that is read."""


class HasRevenue(Protocol):
    """Anything with an expected revenue."""

    @property
    def revenue(self) -> float:
        """Expected present value of payments net of costs."""
        ...


class AnyFamily(Protocol):
    """Instances as points: what a search moves through."""

    @property
    def plain(self) -> dict[str, Any]:
        """Plain form for a JSON file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes of a point."""

    def instance(self, point: FloatArray) -> Any:
        """Instance at a point."""


@dataclass(frozen=True)
class Family:
    """Shape of the instances that are searched.

    Parameters
    ----------
    buyers, periods, types : int
        Every buyer has this many types in every period.
    discount, cost : numbers
        Of every instance.
    """

    buyers: int = 1
    periods: int = 2
    types: int = 2
    discount: Any = 1
    cost: Any = 0

    def __post_init__(self) -> None:
        for name in ("buyers", "periods", "types"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")

    @property
    def plain(self) -> dict[str, Any]:
        """The same for a JSON file: numbers that may be fractions as text."""
        exact = {name: str(to_exact(getattr(self, name))) for name in ("discount", "cost")}
        return asdict(self) | exact

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes of a point: buyer, period, (values, probabilities), type."""
        return (self.buyers, self.periods, 2, self.types)

    def instance(self, point: FloatArray) -> IndependentTypes:
        """The environment at a point of shape `shape`, in exact short decimals."""
        values, probabilities = [], []
        for rows in point.reshape(self.shape):
            values.append([exact_values(row[0]) for row in rows])
            probabilities.append([exact_probabilities(row[1]) for row in rows])
        return IndependentTypes(values, probabilities, self.cost, self.discount)


def exact_values(logarithms: FloatArray) -> list[Fraction]:
    """Sums of steps given by their logarithms, in short decimals."""
    steps = np.exp(np.clip(logarithms, -LARGEST_LOGARITHM, LARGEST_LOGARITHM))
    rounded = [Fraction(f"{step:.5g}") for step in steps]
    return [sum(rounded[: k + 1], Fraction(0)) for k in range(len(rounded))]


def exact_probabilities(logits: FloatArray) -> list[Fraction]:
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
        Or what else the family's instances are.
    evaluations : int
        Instances tried in all, over resumed runs.
    starts : int
        Random starts begun.
    interrupted : bool
        Whether Ctrl-C, or the loss of workers, stopped it before its budget was used up.
    lost : str
        What was lost, where that stopped it.
    """

    ratio: float
    environment: Any
    evaluations: int
    starts: int
    interrupted: bool = False
    lost: str = ""


@dataclass(frozen=True)
class _State:
    """All that a search needs to go on; points as flat lists."""

    family: dict[str, Any]
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
    mechanism: Callable[[Any], HasRevenue],
    family: AnyFamily,
    budget: int = 1000,
    seed: int = 0,
    state: str | Path | None = None,
    benchmark: Callable[[Any], float] | None = None,
    progress: Callable[[int, float], None] | None = None,
    workers: int = 1,
    scheduler: str | None = None,
) -> SearchResult:
    """Search for the instance on which a mechanism's share of the optimal revenue is smallest.

    Parameters
    ----------
    mechanism : callable
        From an environment to something with ``revenue``, such as `mechopt.non_clairvoyant_balance`.
    family : Family
        Or another one with ``shape``, ``plain`` and ``instance``, such as `mechopt.results.TreeFamily`.
    budget : int
        Instances to try in all; a resumed search counts those of the earlier runs.
    seed : int
    state : path, optional
        A JSON file that the search reads, if it exists, and keeps up to date (whole or not at all).
    benchmark : callable, optional
        What to compare with; default the optimum under DIC and EPIR.
    progress : callable, optional
        Called with the instances tried so far and the smallest share.
    workers : int
        Local processes; 1 computes in this one. The result is the same for every number.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers take the place of local processes.

    Returns
    -------
    SearchResult
        With the worst so far after Ctrl-C, or where workers are lost, too; the state file then is where it stopped.

    Raises
    ------
    InputError
        If the state file belongs to another search or is damaged, or no scheduler answers.
    WorkersLost
        If workers are lost before anything was found.

    Examples
    --------
    Giving the item away earns nothing of the optimum:

    >>> class Nothing:
    ...     revenue = 0.0
    >>> worst_case(lambda environment: Nothing(), Family(periods=1), budget=3).ratio
    0.0
    """
    require_type(
        family,
        ("Family", "TreeFamily"),
        "worst_case",
        "give mo.mechanisms.worst_case(mechanism, mo.results.Family(...))",
    )
    benchmark = _optimal_revenue if benchmark is None else benchmark
    with calls(workers, scheduler) as pool:
        return worst_of(Share(family, mechanism, benchmark), budget, seed, state, progress, pool)


def _optimal_revenue(environment: Any) -> float:
    return optimum(environment).require_optimal().value


@dataclass(frozen=True)
class Share:
    """The share of the optimum at a point.

    Attributes
    ----------
    family : Family
    mechanism, benchmark : callables
        As of `worst_case`.
    """

    family: AnyFamily
    mechanism: Callable[[Any], HasRevenue]
    benchmark: Callable[[Any], float]

    def __call__(self, point: FloatArray) -> float:
        """Infinite where the optimum cannot be had, so that such instances are passed over."""
        environment = self.family.instance(point)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="values or probabilities differ")
                best = self.benchmark(environment)
        except (InputError, LimitError, NoOptimumError):
            return np.inf
        return self.mechanism(environment).revenue / best if best > 0 else np.inf


def worst_of(
    share: Share,
    budget: int,
    seed: int,
    state: str | Path | None,
    progress: Callable[[int, float], None] | None,
    pool: Calls,
) -> SearchResult:
    """Search with workers that are there; see `worst_case`."""
    family = share.family
    if state is not None:
        require_target(state)
    now = _read_state(state, family, seed) if state is not None and os.path.exists(state) else None
    if now is None:
        rng = np.random.default_rng(seed)
        now = _State(family.plain, seed, 0, 0, 0.0, [], np.inf, [], np.inf, dict(rng.bit_generator.state))
    interrupted, lost = False, ""
    try:
        with interrupts_seen() as seen, closing(_states(now, share, budget, pool)) as states:
            for after in states:
                if seen:
                    raise KeyboardInterrupt
                now = after
                if progress is not None:
                    progress(now.evaluations, now.best_ratio)
                if state is not None and (now.evaluations % SAVE_EVERY == 0 or now.evaluations == budget):
                    _write_state(state, now)
    except (KeyboardInterrupt, WorkersLost) as stop:
        interrupted, lost = True, str(stop) if isinstance(stop, WorkersLost) else ""
        if state is not None:
            _write_state(state, now)
        if not now.best_point:
            raise
    if not now.best_point:
        raise InputError(f"budget is {budget}: no instance with a known, positive optimum was found; raise it")
    worst = family.instance(np.array(now.best_point))
    return SearchResult(now.best_ratio, worst, now.evaluations, now.starts, interrupted, lost)


@dataclass(frozen=True)
class _Trial:
    """The next trial, whether it begins anew, and the generator after it was drawn."""

    point: FloatArray
    begins: bool
    rng: dict[str, Any]


def _states(now: _State, share: Share, budget: int, pool: Calls) -> Generator[_State]:
    """The search after each instance; the next ones are guessed to fail, and computed ahead."""
    ahead = deque[tuple[_Trial, Call[float]]]()
    guessed = now
    while now.evaluations < budget:
        while guessed.evaluations < budget and len(ahead) < pool.width:
            trial = _trial(guessed, share.family.shape)
            ahead.append((trial, pool.start(share, trial.point)))
            guessed = _after(guessed, trial, np.inf)
        trial, call = ahead.popleft()
        now, before = _after(now, trial, call.answer()), now
        yield now
        if not trial.begins and now.ratio < before.ratio:  # it succeeded, and what was guessed is wrong
            while ahead:
                ahead.popleft()[1].forget()
            guessed = now


def _trial(now: _State, shape: tuple[int, ...]) -> _Trial:
    """Draw the next instance."""
    rng = np.random.default_rng()
    rng.bit_generator.state = now.rng
    begins = now.step < SMALLEST_STEP
    if begins:
        candidate = rng.normal(size=shape) * rng.choice([0.5, 2.0, 5.0])
    else:
        moved = rng.random(shape) < rng.choice([0.2, 0.5, 1.0])
        candidate = np.reshape(now.point, shape) + now.step * moved * rng.normal(size=shape)
    return _Trial(candidate, begins, dict(rng.bit_generator.state))


def _after(now: _State, trial: _Trial, found: float) -> _State:
    """The state once the share at the instance is known."""
    accepted = trial.begins or found < now.ratio
    step = START_STEP if trial.begins else now.step * (GROW if accepted else SHRINK)
    after = replace(now, evaluations=now.evaluations + 1, starts=now.starts + trial.begins, step=step, rng=trial.rng)
    if accepted:
        after = replace(after, point=trial.point.ravel().tolist(), ratio=found)
    if after.ratio < now.best_ratio:
        after = replace(after, best_point=after.point, best_ratio=after.ratio)
    return after


def _write_state(path: str | Path, state: _State) -> None:
    content = asdict(state)
    text = json.dumps(content | {"digest": _digest(content)})
    write_atomically(path, lambda file: _write(file, text.encode()))


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _write(file: Any, content: bytes) -> None:
    file.write(content)


def _read_state(path: str | Path, family: AnyFamily, seed: int) -> _State:
    try:
        content = json.loads(read_regular(path, MAX_STATE_BYTES))
        if content.pop("digest", None) != _digest(content):
            raise InputError(
                f"{path}: not the state of a search, or damaged (digest: changed after it was written); remove it to "
                "start anew"
            )
        state = _State(**content)
    except InputError:
        raise
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not the state of a search, or damaged ({error}); remove it to start anew") from None
    if state.family != family.plain or state.seed != seed:
        raise InputError(f"{path}: belongs to a search of {state.family} with seed {state.seed}; give another file")
    return state
