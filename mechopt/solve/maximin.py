"""The best mechanism that does not know the future: clairvoyant optima, then one program over scenarios.

The guarantee of a non-clairvoyant mechanism is its least ratio, over the scenarios, of revenue to what a clairvoyant
seller earns there. `mechopt.lp.scenarios.plan` has the program, `mechopt.lp.scenarios.terms` the other objectives;
Mirrokni, Paes Leme, Tang and Zuo (2020), section 5, the setting: however the distributions are chosen, no guarantee
above 1/2 is possible for all (Theorem 5.1).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mechopt.core.errors import InputError, LimitError, NoOptimumError
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.scenarios import Scenarios
from mechopt.lp.independent.plan import Size
from mechopt.lp.scenarios.plan import ScenarioPlan
from mechopt.lp.scenarios.program import compile_scenarios
from mechopt.lp.scenarios.terms import ScenarioTerms, require_absorbable, scenario_terms
from mechopt.mechanism.constraints import STANDARD, Asked
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.payments import Payments
from mechopt.mechanism.scenarios.mechanism import ScenariosMechanism
from mechopt.mechanism.scenarios.non_clairvoyant import NonClairvoyant
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
    value : float
        Of the objective, of the mechanism found: the least ratio of revenue to optimum over the scenarios (in [0, 1]),
        the weighted ratio, or the largest regret in money. Scenarios with nothing to earn count for regret alone.
    bound : Bound
        ``lower <= best value <= upper``, from the recomputed bracket of the program and those of the optima.
    optima : tuple of float
        Revenue of a clairvoyant seller, by scenario (first best where a period absorbs everything); where a limit
        stopped the search for it or the solver was inaccurate, an upper bound of it.
    revenues : tuple of float
        Of the mechanism, by scenario; surplus where an absorbing period takes it out.
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
    terms : ScenarioTerms
        Constraints, objective and benchmark.
    """

    value: float
    bound: Bound
    optima: tuple[float, ...]
    revenues: tuple[float, ...]
    status: Status
    scenarios: Scenarios
    mechanisms: tuple[Mechanism, ...]
    size: Size
    seconds: dict[str, float]
    method: str
    terms: ScenarioTerms

    @property
    def objective(self) -> str:
        """``"ratio"``, ``"weighted"`` or ``"regret"``."""
        return self.terms.objective

    @property
    def ratio(self) -> float:
        """The guarantee: least ratio of revenue to optimum over the scenarios, whatever the objective."""
        return min(1.0, *self.ratios)

    @property
    def regrets(self) -> tuple[float, ...]:
        """Optimum less revenue by scenario; money."""
        return tuple(best - found for best, found in zip(self.optima, self.revenues, strict=True))

    @property
    def ratios(self) -> tuple[float, ...]:
        """Revenue over optimum by scenario; 1 where there is nothing to earn."""
        return _ratios(self.revenues, self.optima)

    @property
    def rule(self) -> ScenariosMechanism:
        """The mechanisms together; it claims `NonClairvoyant`, and in each scenario what they claim."""
        return ScenariosMechanism(self.scenarios, self.mechanisms, (NonClairvoyant(), *self.mechanisms[0].claims))

    def mechanism(self, scenario: int | str) -> Mechanism:
        """The mechanism in one scenario, by number or name; it claims what was asked for, `mechopt.verify` checks it.

        Two scenarios have the same allocation and payments as long as their distributions have the same names.

        Raises
        ------
        InputError
            If there is no such scenario.
        """
        return self.mechanisms[self.scenarios.index(scenario)]

    def save(self, path: str | Path) -> None:
        """Write the rule, what is done in every scenario, to one file; `load_mechanism` reads it with the scenarios.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        self.rule.save(path)

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
        bracket = f"{self.bound.lower:.9g} <= {self._noun} <= {self.bound.upper:.9g}"
        if self.status in (Status.TIME_LIMIT, Status.INTERRUPTED):
            raise LimitError(
                f"stopped ({self.status}) with {bracket}; {self.status.advice}", self.bound.lower, self.bound.upper
            )
        raise NoOptimumError(f"{self.status}, with {bracket}; {self.status.advice}")

    @property
    def _noun(self) -> str:
        return {"ratio": "guarantee", "weighted": "weighted ratio", "regret": "regret"}[self.objective]

    def __repr__(self) -> str:
        width = self.bound.upper - self.bound.lower
        noun = "ratio" if self.objective == "ratio" else self._noun
        return f"Maximin({noun} {self.value:.9g}, bracket width {width:.1g}, {self.status} by {self.method})"


def maximin(
    scenarios: Scenarios,
    method: str = "auto",
    time_limit: float | None = None,
    progress: highs.Progress | None = None,
    max_bytes: float | None = None,
    accept_range: bool = False,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    objective: str = "ratio",
    subject_to: Payments = (),
    benchmark: str = "same",
) -> Maximin:
    """Find the non-clairvoyant mechanism with the best guarantee, under constraints that hold in every scenario.

    Parameters
    ----------
    scenarios : Scenarios
        One buyer or several, with costs or without.
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
    ic, ir : Constraint, str, several or None
        What the mechanism satisfies in every scenario; default DIC and EPIR.
    objective : str
        ``"ratio"``: the least share of the clairvoyant optima. ``"weighted"``: the mean share under
        ``scenarios.weights``. ``"regret"``: the largest shortfall in money, as small as possible.
    subject_to : PaymentConstraint, str, several or None
        Constraints on payments in every scenario, such as ``"no-subsidy"``.
    benchmark : str
        Who is the clairvoyant seller: ``"same"``, under the same constraints; ``"standard"``, under DIC and EPIR.

    Returns
    -------
    Maximin

    Raises
    ------
    LimitError
        If the program, or that of one of the optima, would be too large.
    InputError
        If the method does not exist, values or probabilities differ too much, or a clairvoyant seller earns nothing, or
        without bound, under the constraints.

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
    terms = scenario_terms(ic, ir, subject_to, objective, benchmark, scenarios.agents)
    require_absorbable(scenarios, terms)
    plan, begun = ScenarioPlan(scenarios, terms=terms), time.perf_counter()
    require_size(plan.size, 0.0, 1.0, max_bytes, method)
    measured_ic, measured_ir, measured_payments = terms.measured
    optima: list[Optimum] = []
    for environment in scenarios.environments:
        optima.append(
            optimum(
                environment,
                ic=measured_ic,
                ir=measured_ir,
                method=method,
                time_limit=_left(time_limit, begun),
                progress=progress,
                max_bytes=max_bytes,
                accept_range=accept_range,
                subject_to=measured_payments,
            )
        )
    benchmarks = [
        env.first_best if scenarios.absorbs(s) else _benchmark(best, env, scenarios.names[s], terms)
        for s, (best, env) in enumerate(zip(optima, scenarios.environments, strict=True))
    ]
    solved = time.perf_counter()
    program, layout = compile_scenarios(plan, benchmarks)
    built = time.perf_counter()
    solution = highs.solve_program(program, method, _left(time_limit, begun), progress)
    seconds = {"optima": solved - begun, "build": built - solved, "solve": time.perf_counter() - built}
    mechanisms = tuple(layout.mechanism(solution.primal, s) for s in range(len(scenarios)))
    revenues = tuple(one.welfare if scenarios.absorbs(s) else one.revenue for s, one in enumerate(mechanisms))
    return Maximin(
        _value(revenues, benchmarks, plan),
        _bound(solution.bound, plan, benchmarks, optima),
        tuple(benchmarks),
        revenues,
        next((s for s in (*(b.status for b in optima), solution.status) if s is not Status.OPTIMAL), Status.OPTIMAL),
        scenarios,
        mechanisms,
        plan.size,
        seconds,
        solution.algorithm,
        terms,
    )


def _benchmark(best: Optimum, environment: IndependentTypes, name: str, terms: ScenarioTerms) -> float:
    """An optimum; where the solver has not proved it, or not told it from nothing, an upper bound."""
    if best.status is Status.UNBOUNDED:
        raise InputError(f"scenario {name!r}: revenue is unbounded under these constraints; nothing is a share of it")
    payments = terms.measured[2] and terms.objective != "regret"
    if payments and best.status is Status.OPTIMAL and best.value <= 1e-9 * environment.first_best > 0:
        raise InputError(f"scenario {name!r}: nothing is earned under these constraints; try objective 'regret'")
    if best.status is Status.OPTIMAL and best.value > 0:
        return best.value
    if best.status is Status.OPTIMAL and terms.objective == "regret":
        return best.value if best.bound.upper < 0 else 0.0
    return min((upper for upper in (best.bound.upper, environment.first_best) if upper > 0), default=0.0)


def _value(revenues: Sequence[float], benchmarks: Sequence[float], plan: ScenarioPlan) -> float:
    """The objective's value of a mechanism with these revenues."""
    ratios = _ratios(revenues, benchmarks)
    if plan.terms.objective == "ratio":
        return min(1.0, *ratios)
    if plan.terms.objective == "regret":
        return max(0.0, *(best - found for best, found in zip(benchmarks, revenues, strict=True)))
    weights = plan.scenarios.weights
    total = float(sum(weights[s] for s in plan.limiting))
    return min(1.0, sum(float(weights[s]) * ratios[s] for s in plan.limiting) / total) if total else 1.0


def _ratios(revenues: Sequence[float], optima: Sequence[float]) -> tuple[float, ...]:
    pairs = zip(revenues, optima, strict=True)
    return tuple(revenue / optimum if optimum > 0 else 1.0 for revenue, optimum in pairs)


def _left(time_limit: float | None, begun: float) -> float | None:
    return None if time_limit is None else max(0.0, time_limit - (time.perf_counter() - begun))


def _bound(found: Bound, plan: ScenarioPlan, benchmarks: Sequence[float], optima: Sequence[Optimum]) -> Bound:
    """The bracket of the best value: the program's, widened by those of the optima."""
    if plan.terms.objective == "regret":
        pairs = list(zip(benchmarks, optima, strict=True))
        below = max(benchmark - best.bound.lower for benchmark, best in pairs)
        above = max(best.bound.upper - benchmark for benchmark, best in pairs)
        lower = max(0.0, -found.upper * plan.unit - max(0.0, below))
        return Bound(lower, max(lower, -found.lower * plan.unit + max(0.0, above)), found.method)
    narrowest, widest = 1.0, 1.0
    for s in plan.limiting:
        if plan.scenarios.absorbs(s):
            continue
        low, high = optima[s].bound.lower, optima[s].bound.upper
        narrowest = min(narrowest, benchmarks[s] / max(high, benchmarks[s]))
        widest = max(widest, benchmarks[s] / low if low > 0 else math.inf)
    lower = found.lower * narrowest
    return Bound(lower, max(lower, min(1.0, found.upper * widest)), found.method)
