r"""The clairvoyant optimum for one buyer by dynamic programming over promised utility, certified from both sides.

:math:`G_t(w)` is the largest expected welfare from period t on if the buyer, before she knows her type, is promised
expected utility w and no path of types may leave her below 0. Under DIC the lifetime utility :math:`v_k` after report k
of period t has slopes :math:`D_k x_k \le v_{k+1} - v_k \le D_k x_{k+1}` in the values. Utilities that lie closer
together, with the same mean, serve a concave :math:`G_{t+1}` better, so the lower end is optimal wherever the
allocation is: a period is a lottery over posted prices (`mechopt.solve.promised.lottery`),
:math:`G_t = \Phi(G_{t+1})` with :math:`G_{T+1} = 0`, and the optimum is :math:`\max_w G_1(w) - w`. With interim
participation alone only the promises of the first period must not be negative: all that is sold later is worth its full
welfare, which is paid for in advance.

*Costs.* A sale to type k adds :math:`\theta_k - c_t` to welfare. The rule of `mechopt.lp.independent.promise_form` puts
the allocation of a type below cost at the lower slope. Let such types get nothing and the utility of the lowest type m
above cost, and move all utilities down by one constant to keep the mean: all differences shrink or stay, so this is a
contraction with a minimum that is no lower; differences above m and all allocations there stay as they were. Neither
welfare nor :math:`\sum f_k G(v_k)` falls. So types below cost are one type with value 0 that no price sells to, and the
optimum is that of the values :math:`(\theta_k - c_t)^+`, whose prices are those above 0. Types of probability zero take
the prices that they like. Periods are weighted by ``discount**t``.

*Bracket.* Lower side: :math:`L_t` is the concave hull of evaluated points of :math:`\Phi(L_{t+1})`. Upper side: the
conjugate :math:`G^*_t(\lambda) = \max_w G_t(w) - \lambda w` is convex, so that the chords of bounds at some slopes are
bounds between them; multipliers of the lower side's optimiser give each bound (`certified`), by a recursion on upper
bounds alone. The optimum is at most :math:`G^*_1(1)`. Both recursions end in exact points at w = 0 and where nothing is
gained any more. Places of slopes are chosen where the policy's promises go; that they are chosen well is not needed for
the bracket. Rounding is not directed: the bracket is widened by 1e-13 of its size a period, and by what subtracting
the costs may lose.

Source: Thomas and Worrall (1990) for the promise as the state; Mirrokni, Paes Leme, Tang and Zuo (2020), Lemma A.4, who
count periods from 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.constraints import DIC, EPIR, Constraint, Interim
from mechopt.solve.predicted_seconds import lockstep_seconds
from mechopt.solve.promised import kernels as promise_kernels
from mechopt.solve.promised.policy import PromisePolicy, PromiseTable, nothing_sold
from mechopt.solve.promised.recursion import (
    Period,
    Solved,
    Tolerance,
    first_seeds,
    flat,
    next_seeds,
    period,
    recursion,
)
from mechopt.solve.solution import EPSILON, Bound, Status, raised

Progress = Callable[[int, float], None]
"""Called with the number of slopes so far and the seconds since the start."""
Bracketed = Callable[[float, float, float], None]
"""Called with the lower and upper bound so far, in money of the environment, and the seconds since the start."""
Visits = tuple[FloatArray, FloatArray]
"""Promises of a period and the share of visits that lies below each."""

ROUNDING = 1e-13
FIRST_TOLERANCE, LARGEST_GAP = 1e-2, 30
"""Gap of the first level, a share of the mean welfare of a period; and of intervals that are never visited, in it."""
MAX_LEVELS = 12
AIM, NEXT_AIM = 1.2, 0.7
"""Share of the tolerance that a prediction is to reach; the first one overstates the width by about 2."""
MAX_SLOPES = 40_000_000
"""Of a level, where memory has room for them."""
MEMORY_SHARE = 0.5
"""Of the available memory that the numbers of a level may take."""
CHEAP_WORK = {True: 1.6e6, False: 6e5}
"""Slopes, times the number of types to the power 1.3, of the levels that narrow a bracket which is within the tolerance
already; with the compiled kernels and without."""
WORTH_COMPILING = 0.4
"""Predicted seconds without the compiled kernels from which on they are loaded, which takes half a second."""
FEW = 3
"""Slopes with which a period is not begun."""


@dataclass(frozen=True, eq=False, repr=False)
class PromisedOptimum:
    """The clairvoyant optimum of one buyer and what is proved about it.

    Attributes
    ----------
    value : float
        Revenue of ``mechanism``.
    bound : Bound
        ``lower <= optimum <= upper``, money of the environment.
    status : Status
        ``"optimal"`` where the bracket is within the tolerance, allowance for rounding apart; ``"inaccurate"`` where
        floating point or `MAX_SLOPES` do not let it get there.
    mechanism : PromisePolicy
        Tables over promises; its ``to_mechanism`` writes it out where there are few histories.
    seconds : float
    slopes : int
        Number of slopes at which a period was solved, over all levels.
    """

    value: float
    bound: Bound
    status: Status
    mechanism: PromisePolicy
    seconds: float
    slopes: int

    def __repr__(self) -> str:
        width = self.bound.upper - self.bound.lower
        return f"PromisedOptimum(value {self.value:.9g}, bracket width {width:.1g}, {self.status})"


@dataclass(frozen=True, eq=False)
class _Level:
    """One backward recursion; bounds in units of the largest value."""

    solved: list[Solved]
    lower: float
    upper: float
    policy: PromisePolicy


class StoppedError(Exception):
    """A limit is reached."""

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status


def promised_optimum(
    environment: IndependentTypes,
    ir: Constraint = EPIR(),
    tolerance: float = 1e-6,
    time_limit: float | None = None,
    progress: Progress | None = None,
    bracket: Bracketed | None = None,
    aim: float | None = None,
) -> PromisedOptimum:
    """Largest revenue under DIC, with a bracket, for one buyer and any number of periods.

    Parameters
    ----------
    environment : IndependentTypes
        With one buyer.
    ir : Constraint
        ``EPIR()`` or ``Interim()``.
    tolerance : float
        Relative width of the bracket that is aimed at.
    time_limit : float, optional
        Seconds, looked at before each round of each period. It leaves the best bracket so far, as does an interrupt
        (Ctrl-C); before the first, coarse recursion is through that is 0 <= optimum <= first best.
    progress : callable, optional
        Called with the number of slopes so far and seconds.
    bracket : callable, optional
        Called with the lower and upper bound so far and seconds: at first, and after each level.
    aim : float, optional
        A narrower relative width, tried for as long as a level takes at most `CHEAP_WORK`; default the tolerance.

    Returns
    -------
    PromisedOptimum

    Raises
    ------
    InputError
        If there are several buyers, or another participation constraint.

    Examples
    --------
    >>> env = IndependentTypes.iid(values=[1, 2], probabilities=["1/2", "1/2"], horizon=3)
    >>> best = promised_optimum(env)
    >>> best.bound.lower <= 3.5 <= best.bound.upper, round(best.value, 5), str(best.status)
    (True, 3.5, 'optimal')
    """
    if not isinstance(environment, IndependentTypes):
        raise InputError(f"promised_optimum takes IndependentTypes and not {type(environment).__name__}; use optimum")
    if environment.agents != 1:
        raise InputError(f"{environment.agents} buyers: promised utility is for one; use optimum")
    if environment.slots is not None:
        raise InputError("promised utility is for one whole item a period; use optimum")
    if ir not in (EPIR(), Interim()):
        raise InputError(f"participation {ir.name}: promised utility takes EPIR or Interim; use optimum")
    if not tolerance > 0:
        raise InputError(f"tolerance is {tolerance}; it must be positive")
    return Search(environment, ir, time_limit, progress, bracket).run(tolerance, min(tolerance, aim or tolerance))


def _sizes(values: FloatArray, cost: float) -> FloatArray:
    """Amount subtracted for each type; 0 where her value lies below the cost by more than rounding."""
    sizes: FloatArray = values + abs(cost)
    return np.where(values - cost > -4 * EPSILON * sizes, sizes, 0.0)


def _roundings(env: IndependentTypes) -> tuple[float, float]:
    """First best, raised by what rounding may have taken from it; and what rounding may do to either bound."""
    prices = [_sizes(env.values[0][t], env.cost[t]) for t in range(env.horizon)]
    largest = np.array([float(price.max()) for price in prices])
    mean = np.array(
        [float(price @ distribution) for price, distribution in zip(prices, env.probabilities[0], strict=True)]
    )
    terms = 2 * env.horizon + max(row[0] for row in env.shape)
    cap = raised(env.first_best, float(env.present_value @ largest), terms)
    return cap, raised(ROUNDING * env.horizon * env.first_best, float(env.present_value @ mean), terms)


class Search:
    """Levels of ever finer recursions, until the bracket is narrow enough."""

    def __init__(
        self,
        environment: IndependentTypes,
        ir: Constraint,
        time_limit: float | None,
        progress: Progress | None,
        bracket: Bracketed | None,
        keeps: bool = False,
    ) -> None:
        """Prepare; ``keeps`` the tables of the finest level, in ``tables``."""
        self.begun, self.time_limit, self.progress, self.count = time.perf_counter(), time_limit, progress, 0
        self.bracket = bracket
        self.environment, self.ir = environment, ir
        largest = [
            weight * values[-1] for weight, values in zip(environment.present_value, environment.values[0], strict=True)
        ]
        self.unit = float(max(largest)) or 1.0
        self.periods = list[Period]()
        self.tables, self.keeps = list[Solved](), keeps
        self.compiled = lockstep_seconds(environment) > WORTH_COMPILING and promise_kernels.compiled()
        from psutil import virtual_memory

        types = np.array([row[0] for row in environment.shape], dtype=np.float64)
        self.most = min(MAX_SLOPES, MEMORY_SHARE * virtual_memory().available / (8 * (12 + 3 * types.mean())))
        self.cheap = min(CHEAP_WORK[self.compiled] / float((types**1.3).mean()), self.most)

    def run(self, tolerance: float, aim: float) -> PromisedOptimum:
        """Refine until the bracket is within the tolerance, and within the aim where that is cheap."""
        env = self.environment
        welfare = env.first_best
        cap_on_welfare, slack = _roundings(env)
        coarse = FIRST_TOLERANCE * welfare / self.unit / env.horizon
        best, policy, upper = 0.0, nothing_sold(env, (DIC(), self.ir)), cap_on_welfare / self.unit
        cap, number, before = 0.0, 0, 0
        try:
            self._tell(best, upper)
            self.periods += [period(env, t, self.unit, self.compiled) for t in range(env.horizon)]
            level = self._level([_uniform(coarse)] * env.horizon)
            best, policy, upper = level.lower, level.policy, min(upper, level.upper)
            while (width := upper - best) > aim * upper:
                self._tell(best, upper)
                open_ = width > tolerance * upper
                if number == MAX_LEVELS or len(level.solved) == 1:  # of the slope 1 alone nothing is finer
                    raise StoppedError(Status.INACCURATE if open_ else Status.OPTIMAL)
                visits = [
                    _visits(table.promises / self.unit, mass)
                    for table, mass in zip(level.policy.tables, level.policy.distribution, strict=True)
                ]
                if number == 0:
                    cap = _cap(level, visits, AIM * aim * upper, self.cheap / 3)
                    if open_:
                        cap = min(cap, _cap(level, visits, AIM * tolerance * upper, self.most / 3))
                else:  # the width goes with the square of the number of slopes
                    most, goal = (self.most, tolerance * upper) if open_ else (self.cheap, aim * upper)
                    room = (1.5 * (self.count - before) / most) ** 2
                    if room > 0.5:
                        raise StoppedError(Status.INACCURATE if open_ else Status.OPTIMAL)
                    shrink = max(min(NEXT_AIM * goal / width, 0.9), room)
                    cap, coarse = cap * shrink**1.5, coarse * shrink
                del level  # it is large, and the next one is larger
                before = self.count
                level = self._level([_weighted(seen, cap, LARGEST_GAP * coarse) for seen in visits])
                if level.lower > best:
                    best, policy = level.lower, level.policy
                upper, number = min(upper, level.upper), number + 1
            self._tell(best, upper)
            status = Status.OPTIMAL
        except StoppedError as stopped:
            status = stopped.status
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
        value = policy.revenue
        lower = max(min(value, best * self.unit) - slack, 0.0)  # nothing sold earns 0
        upper = min(upper * self.unit + slack, cap_on_welfare)
        if upper < lower:  # the two sides contradict each other by more than rounding
            status, lower, upper = Status.INACCURATE, upper, lower
        bound = Bound(lower, upper, "promised-utility recursion from both sides")
        return PromisedOptimum(value, bound, status, policy, time.perf_counter() - self.begun, self.count)

    def _level(self, tolerances: list[Tolerance]) -> _Level:
        """One recursion from the last period to the first, where the slope 1 alone matters."""
        last, before = len(self.periods) - 1, self.count
        after, solved = flat(0.0), list[Solved]()
        if self.ir == Interim():
            after = flat(sum(float(later.stage.welfare[0]) for later in self.periods[1:]))
        for t in range(0 if self.ir == Interim() else last, -1, -1):
            if self.progress is not None:
                self.progress(self.count, time.perf_counter() - self.begun)
            self.tick()
            if before and self.count - before > self.most:  # the first level is always finished
                raise StoppedError(Status.INACCURATE)
            seeds, tolerance = np.ones(1), _uniform(np.inf)
            if t:
                tolerance = tolerances[t]
                seeds = next_seeds(after, tolerances[t + 1]) if t < last else np.zeros(0)
                seeds = seeds if seeds.size > FEW else first_seeds(self.periods[t], after)
            after, count = recursion(self.periods[t], after, seeds, tolerance, self.tick)
            self.count += count
            solved.append(after)
        solved.reverse()
        first = solved[0].nodes
        start = int((first.heights - first.promises).argmax())
        lower = float(first.heights[start] - first.promises[start])
        upper = float(np.interp(1.0, first.slopes[::-1], first.conjugate[::-1]))
        if self.keeps:
            self.tables = solved
        return _Level(solved, lower, upper, self._policy(solved, start))

    def _tell(self, lower: float, upper: float) -> None:
        if self.bracket is not None:
            self.bracket(lower * self.unit, upper * self.unit, time.perf_counter() - self.begun)

    def tick(self) -> None:
        """Raise `StoppedError` where the time is over."""
        if self.time_limit is not None and time.perf_counter() - self.begun > self.time_limit:
            raise StoppedError(Status.TIME_LIMIT)

    def _policy(self, solved: list[Solved], start: int) -> PromisePolicy:
        begin = solved[0].nodes, np.array([start]), solved[0].lower
        tables = [part.table(self.periods[t], self.unit) for t, part in enumerate([Solved(*begin), *solved[1:]])]
        for later in self.periods[len(tables) :]:  # interim participation: everything is sold and paid for in advance
            after = self.unit * (later.gains[:1] - later.stage.expected_surplus[0])
            tables.append(PromiseTable(np.zeros(1), later.sells[:1], after))
        return PromisePolicy(self.environment, tuple(tables), (DIC(), self.ir))


def _uniform(gap: float) -> Tolerance:
    return lambda left, right: np.full(left.shape, gap)


def _weighted(visits: Visits, cap: float, most: float) -> Tolerance:
    """Accept a gap of ``most``, less where the gap times the probability of the interval would be above ``cap``."""
    w, below = visits

    def tolerance(left: FloatArray, right: FloatArray) -> FloatArray:
        share = np.interp(right, w, below) - np.interp(left, w, below)
        return np.minimum(cap / np.maximum(share, 1e-300), most)

    return tolerance


def _visits(promises: FloatArray, mass: FloatArray) -> Visits:
    """Distribution function of a policy's promises, half of each promise's mass to either side, 5% uniform."""
    below = np.cumsum(mass) - mass / 2
    seen = np.flatnonzero(mass > 1e-12)
    low, high = promises[max(seen[0] - 1, 0)], promises[min(seen[-1] + 1, len(promises) - 1)]
    uniform = np.clip((promises - low) / max(high - low, 1e-300), 0.0, 1.0)
    return promises, 0.95 * below + 0.05 * uniform


def _cap(level: _Level, visits: list[Visits], goal: float, most: float) -> float:
    """Weighted gap at which the bracket should reach the goal, or ``most`` slopes are needed.

    Splitting an interval of weighted gap c into m parts leaves c / m**2; the bracket is a multiple of their sum.
    """
    parts = []
    for solved, (w, below) in zip(level.solved[1:], visits[1:], strict=True):
        gaps, _, left, right = solved.nodes.gaps()
        parts.append(gaps * (np.interp(right, w, below) - np.interp(left, w, below)))
    weighted = np.concatenate([*parts, np.zeros(1)])
    multiple = max(level.upper - level.lower, 0.0) / max(float(weighted.sum()), 1e-300)
    low, high = -700.0, float(np.log(max(weighted.max(), 1e-290)))
    for _ in range(60):
        middle = (low + high) / 2
        left_over = np.minimum(weighted, np.cbrt(weighted) * np.exp(middle * 2 / 3)).sum()
        parts_needed = np.maximum(np.cbrt(weighted) * np.exp(-middle / 3), 1.0).sum()
        fine_enough = multiple * left_over < goal or parts_needed > most
        low, high = (middle, high) if fine_enough else (low, middle)
    return float(np.exp(low))
