"""The best guarantee of a mechanism that does not know the future: clairvoyant optima, then one program over scenarios.

The guarantee of a non-clairvoyant mechanism is its least ratio, over the scenarios, of revenue to what a clairvoyant
seller earns there under DIC and EPIR. `mechopt.lp.scenarios.program` has the program; Mirrokni, Paes Leme, Tang and Zuo
(2020), section 5, the setting: however the distributions are chosen, no guarantee above 1/2 is possible for all
(Theorem 5.1).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from mechopt.core.errors import InputError, LimitError, NoOptimumError
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.scenarios import Scenarios
from mechopt.lp.independent.plan import Size
from mechopt.lp.scenarios.program import ScenarioPlan, compile_scenarios
from mechopt.mechanism.direct import Mechanism
from mechopt.solve import highs
from mechopt.solve.limits import require_size
from mechopt.solve.optimum import optimum
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status


@dataclass(frozen=True, eq=False, repr=False)
class Maximin:
    """The best non-clairvoyant mechanism and what is known about it.

    Attributes
    ----------
    ratio : float
        Least ratio of revenue to optimum over the scenarios, of the mechanism found; in [0, 1]. Scenarios with nothing
        to earn do not count.
    bound : Bound
        ``lower <= best guarantee <= upper``, from the recomputed bracket of the program and those of the optima.
    optima : tuple of float
        Revenue of a clairvoyant seller under DIC and EPIR, by scenario; where a limit stopped the search for it or the
        solver was inaccurate, an upper bound of it.
    revenues : tuple of float
        Of the mechanism, by scenario.
    status : Status
        ``"optimal"`` where the program and all optima are.
    scenarios : Scenarios
    mechanisms : tuple of Mechanism
        By scenario; of each only what the reports and distributions so far determine.
    size : Size
        Of the program.
    seconds : dict
        ``optima``, ``build`` and ``solve``.
    method : str
        ``"simplex"`` or ``"ipx"``.
    """

    ratio: float
    bound: Bound
    optima: tuple[float, ...]
    revenues: tuple[float, ...]
    status: Status
    scenarios: Scenarios
    mechanisms: tuple[Mechanism, ...]
    size: Size
    seconds: dict[str, float]
    method: str

    @property
    def ratios(self) -> tuple[float, ...]:
        """Revenue over optimum by scenario; 1 where there is nothing to earn."""
        return _ratios(self.revenues, self.optima)

    def mechanism(self, scenario: int | str) -> Mechanism:
        """The mechanism in one scenario, by number or name; it claims DIC and EPIR, `mechopt.verify` checks them.

        Two scenarios have the same allocation and payments as long as their distributions have the same names.

        Raises
        ------
        InputError
            If there is no such scenario.
        """
        return self.mechanisms[self.scenarios.index(scenario)]

    def require_optimal(self) -> Maximin:
        """Return itself, or raise with what to try.

        Raises
        ------
        NoOptimumError
            If the solver was inaccurate.
        LimitError
            If a limit stopped the solver; it carries the bracket.
        """
        if self.status is Status.OPTIMAL:
            return self
        bracket = f"{self.bound.lower:.9g} <= guarantee <= {self.bound.upper:.9g}"
        if self.status in (Status.TIME_LIMIT, Status.INTERRUPTED):
            raise LimitError(
                f"stopped ({self.status}) with {bracket}; {self.status.advice}", self.bound.lower, self.bound.upper
            )
        raise NoOptimumError(f"{self.status}, with {bracket}; {self.status.advice}")

    def __repr__(self) -> str:
        width = self.bound.upper - self.bound.lower
        return f"Maximin(ratio {self.ratio:.9g}, bracket width {width:.1g}, {self.status} by {self.method})"


def maximin(
    scenarios: Scenarios,
    method: str = "auto",
    time_limit: float | None = None,
    progress: highs.Progress | None = None,
    max_bytes: float | None = None,
    accept_range: bool = False,
) -> Maximin:
    """Find the non-clairvoyant mechanism with the best guarantee: DIC and EPIR in every scenario.

    Parameters
    ----------
    scenarios : Scenarios
    method : str
        ``"simplex"``, ``"ipx"`` (interior point with crossover) or ``"auto"``.
    time_limit : float, optional
        Seconds for the solver, optima included.
    progress : callable, optional
        Called with iterations and seconds.
    max_bytes : float, optional
        Refuse programs predicted to need more memory; default 60% of what is available.
    accept_range : bool
        Solve even where values or probabilities differ by a factor above 1e9.

    Returns
    -------
    Maximin

    Raises
    ------
    LimitError
        If the program, or that of one of the optima, would be too large.
    InputError
        If the method does not exist, or values or probabilities differ too much.

    Examples
    --------
    >>> coin = {"name": "F1", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    >>> equal_revenue = {
    ...     "name": "F2",
    ...     "values": [2, 4, 8, 16, 32],
    ...     "probabilities": ["1/2", "1/4", "1/8", "1/16", "1/16"],
    ... }
    >>> best = maximin(Scenarios([coin, equal_revenue], [["F1"], ["F1", "F2"]]))
    >>> round(best.ratio, 9), round(10 / 11, 9)
    (0.909090909, 0.909090909)
    >>> round(best.mechanism("F1, F2").revenue / 4.5, 9)
    0.909090909
    """
    if not isinstance(scenarios, Scenarios):
        raise InputError(f"maximin takes Scenarios and not {type(scenarios).__name__}; of one environment mo.optimum")
    plan, begun = ScenarioPlan(scenarios), time.perf_counter()
    require_size(plan.size, 0.0, 1.0, max_bytes, method)
    optima: list[Optimum] = []
    for environment in scenarios.environments:
        optima.append(
            optimum(
                environment,
                method=method,
                time_limit=_left(time_limit, begun),
                progress=progress,
                max_bytes=max_bytes,
                accept_range=accept_range,
            )
        )
    benchmarks = [_benchmark(best, env) for best, env in zip(optima, scenarios.environments, strict=True)]
    solved = time.perf_counter()
    program, layout = compile_scenarios(plan, benchmarks)
    built = time.perf_counter()
    solution = highs.solve_program(program, method, _left(time_limit, begun), progress)
    seconds = {"optima": solved - begun, "build": built - solved, "solve": time.perf_counter() - built}
    mechanisms = tuple(layout.mechanism(solution.primal, s) for s in range(len(scenarios)))
    revenues = tuple(mechanism.revenue for mechanism in mechanisms)
    return Maximin(
        min(1.0, *_ratios(revenues, benchmarks)),
        _bound(solution.bound, plan.limiting, benchmarks, optima),
        tuple(benchmarks),
        revenues,
        next((s for s in (*(b.status for b in optima), solution.status) if s is not Status.OPTIMAL), Status.OPTIMAL),
        scenarios,
        mechanisms,
        plan.size,
        seconds,
        solution.algorithm,
    )


def _benchmark(best: Optimum, environment: IndependentTypes) -> float:
    """An optimum; where the solver has not proved it, or not told it from nothing, an upper bound."""
    if best.status is Status.OPTIMAL and best.value > 0:
        return best.value
    return min((upper for upper in (best.bound.upper, environment.first_best) if upper > 0), default=0.0)


def _ratios(revenues: Sequence[float], optima: Sequence[float]) -> tuple[float, ...]:
    pairs = zip(revenues, optima, strict=True)
    return tuple(revenue / optimum if optimum > 0 else 1.0 for revenue, optimum in pairs)


def _left(time_limit: float | None, begun: float) -> float | None:
    return None if time_limit is None else max(0.0, time_limit - (time.perf_counter() - begun))


def _bound(found: Bound, limiting: Sequence[int], benchmarks: Sequence[float], optima: Sequence[Optimum]) -> Bound:
    """The bracket of the best guarantee: the program's, widened by those of the optima."""
    narrowest, widest = 1.0, 1.0
    for s in limiting:
        low, high = optima[s].bound.lower, optima[s].bound.upper
        narrowest = min(narrowest, benchmarks[s] / max(high, benchmarks[s]))
        widest = max(widest, benchmarks[s] / low if low > 0 else math.inf)
    lower = found.lower * narrowest
    return Bound(lower, max(lower, min(1.0, found.upper * widest)), found.method)
