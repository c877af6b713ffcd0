r"""One agent whose type persists for ever, under Bayesian IC and interim participation: a bracket of the optimum.

The state is the distribution q of the type given the previous report (and action), the promise a vector: what each type
is to get. With V_q(mu) the largest welfare less the price mu of all promises, in money of the period,

.. math::
    V_q(\mu) = \min_{\lambda \ge 0} \sum_r q_r \max_a \Bigl[ v_a(r) - c_a
        - \sum_k \lambda_{kr} \frac{v_a(k) - v_a(r)}{q_r} + d V_{P_a(r,\cdot)}(g_{ra}) \Bigr],

.. math::
    \sum_r \lambda_{kr} - \sum_r \lambda_{rk} = \mu_k, \qquad
    g_{ra} = \sum_k \lambda_{kr} (P_a(k,\cdot) - P_a(r,\cdot)) / q_r

as with a finite horizon (`mechopt.solve.dual.markov`), where the discount stands before the next value. Nothing depends
on the period, so one pool of points for each q serves at every depth:

- from below, mechanisms: a welfare l and promises w, V(mu) >= l - mu.w;
- from above, mixtures of prices at which a bound is known, and rays: V(mu + e_a - e_b) <= V(mu) + B(b, a), with B the
  largest difference of two types' utilities that incentives leave, a fixed point.

Both stay valid when a period's program over them is solved and gives a new point, whatever the depth. The first points
are V(0), first best, and mechanisms of one action for ever and of free choice at cost. The optimum is V at the price
that is the distribution of the first type, with a multiplier of participation for each type on the left.

**Truncation does not do.** With types independent across periods the optimum is at most that of the first T periods
plus first best from then on. With persistent types this is false: later incentives pay for the first ones. Types 1 and
2, even, that switch for sure: one period earns 1, two periods 3, above 1 + 3/2 (discount 1).

Source: Fernandes and Phelan (2000) for vector promises; Baucke, Downward and Zakeri (2017) for bounds from both sides.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_kind
from mechopt.solve.infinite.coupling import coupled
from mechopt.solve.infinite.result import InfiniteOptimum
from mechopt.solve.solution import Bound, Status

SLACK = 1e-9
"""Allowance for rounding and the programs' tolerance, over 1 - d: a share of the largest value of a period and of B."""
SHARE = 0.3
"""Share of the bracket so far that a descent aims at."""
MAX_DEPTH = 400
MAX_VISITS = 5_000


def infinite_optimum(
    environment: MarkovTypes, tolerance: float = 1e-7, time_limit: float | None = None
) -> InfiniteOptimum:
    """Bracket the largest revenue from one agent for ever, under Bayesian IC and interim participation.

    Parameters
    ----------
    environment : MarkovTypes
        Of one agent and an infinite horizon.
    tolerance : float
        Width of the bracket that is aimed at, a share of its upper end.
    time_limit : float, optional
        Seconds; it, or an interrupt (Ctrl-C), leaves the bracket so far.

    Returns
    -------
    InfiniteOptimum

    Raises
    ------
    InputError
        If the environment or the tolerance is another.

    References
    ----------
    Battaglini (2005) for two types, in closed form.

    Examples
    --------
    Battaglini's buyer with values 1 and 2, 3/5 of them high, types that stay with probability 3/4, discount 1/2: the
    optimum is 38/15.

    >>> from mechopt.environment.markov import MarkovTypes
    >>> stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    >>> env = MarkovTypes([[[0, 0], [1, 2]]], [stay], [["2/5", "3/5"]], discount="1/2")
    >>> best = infinite_optimum(env)
    >>> best.bound.lower <= 38 / 15 <= best.bound.upper, best.bound.upper - best.bound.lower < 1e-6
    (True, True)
    """
    require_kind(environment, "markov", "infinite_optimum")
    faults = list[Fault]()
    if environment.agents > 1:
        faults.append(Fault("agents", f"are {environment.agents}", "it is for one; use a finite horizon for several"))
    if not environment.infinite:
        faults.append(Fault("horizon", f"is {environment.horizon}", 'it must be "infinite"; mo.optimum is for others'))
    if not tolerance > 0:
        faults.append(Fault("tolerance", f"is {tolerance}", "it must be positive"))
    if faults:
        raise InputError(faults)
    begun = time.perf_counter()
    search = _Search(environment)
    status = search.run(tolerance, time_limit, begun)
    unit = search.unit
    slack = SLACK * unit * (1 + float(search.box.max(initial=0.0))) / (1 - environment.discount)
    lower, upper = search.lower * unit - slack, search.upper * unit + slack
    if upper < lower:
        status, lower, upper = Status.INACCURATE, upper, lower
    bound = Bound(lower, upper, "stationary dual dynamic program from both sides")
    return InfiniteOptimum(bound, status, search.visits, search.programs, time.perf_counter() - begun)


@dataclass
class _Pool:
    """What is known of V at one distribution."""

    promises: list[FloatArray] = field(default_factory=list)
    welfare: list[float] = field(default_factory=list)
    prices: list[FloatArray] = field(default_factory=list)
    heights: list[float] = field(default_factory=list)


class _Children(NamedTuple):
    """The next states of a period: report, kernel, pool, and the price as a matrix applied to the multipliers."""

    report: IntArray
    kernel: IntArray
    pool: IntArray
    price: FloatArray


class _State(NamedTuple):
    """A distribution, the types that may be reported, and the multipliers' pairs (true type, place of the report)."""

    law: FloatArray
    support: IntArray
    pairs: IntArray
    children: _Children
    root: bool


class _Search:
    def __init__(self, environment: MarkovTypes) -> None:
        self.discount = environment.discount
        values, cost = environment.values[0][0], environment.costs[0]
        self.unit = float(max(np.abs(values).max(), cost.max(initial=0.0))) or 1.0
        self.values, self.cost = values / self.unit, cost / self.unit
        kernels, moves = np.unique(environment.kernel[0][0], axis=0, return_inverse=True)
        self.kernels, self.moves = kernels, moves.ravel()
        laws, place = np.unique(kernels.reshape(-1, kernels.shape[2]), axis=0, return_inverse=True)
        self.place = place.ravel().reshape(kernels.shape[:2])
        self.types = values.shape[1]
        self.states = [self._state(law, False) for law in laws]
        self.root = self._state(environment.initial[0], True)
        self.box = self._box()
        self.pools = self._first_points(laws)
        best = self._first_best()
        self.upper = float(environment.initial[0] @ best)
        self.lower = self._constant()
        self.visits = self.programs = 0

    def _state(self, law: FloatArray, root: bool) -> _State:
        support = np.flatnonzero(law)
        mixed = [(k, r) for r, own in enumerate(support) for k in range(self.types) if k != own]
        pairs = np.array(mixed, dtype=np.int64).reshape(-1, 2)
        report = np.repeat(np.arange(len(support)), len(self.kernels))
        kernel = np.tile(np.arange(len(self.kernels)), len(support))
        price = np.zeros((len(report), self.types, len(pairs)))
        for m, (r, b) in enumerate(zip(report, kernel, strict=True)):
            own = support[r]
            for p in np.flatnonzero(pairs[:, 1] == r):
                price[m, :, p] = (self.kernels[b, pairs[p, 0]] - self.kernels[b, own]) / law[own]
        pool = self.place[kernel, support[report]]
        return _State(law, support, pairs, _Children(report, kernel, pool, price), root)

    def _constant(self) -> float:
        """Revenue of the best action that is taken for ever, for a fee that every type accepts."""
        identity, earned = np.eye(self.types), list[float]()
        for a, b in enumerate(self.moves):
            worth = np.linalg.solve(identity - self.discount * self.kernels[b], self.values[a])
            earned.append(float(worth.min() - self.cost[a] / (1 - self.discount)))
        return max(earned)

    def _first_best(self) -> FloatArray:
        """Largest welfare by type, from above by value iteration."""
        net = self.values - self.cost[:, None]
        value = np.full(self.types, net.max() / (1 - self.discount))
        for _ in range(10**6):
            after = (net + self.discount * np.einsum("akl,l->ak", self.kernels[self.moves], value)).max(axis=0)
            change = float(np.abs(after - value).max())
            if change <= 1e-14 * float(np.abs(after).max()):
                return np.asarray(after + change * self.discount / (1 - self.discount))
            value = after
        return value

    def _box(self) -> FloatArray:
        """B(a, b), at least what type a can get more than type b."""
        types, box = self.types, np.zeros((self.types, self.types))
        direct = self.values[:, :, None] - self.values[:, None, :]
        while True:
            ahead = np.zeros((len(self.kernels), types, types))
            for b, kernel in enumerate(self.kernels):
                for x in range(types):
                    for y in range(types):
                        ahead[b, x, y] = coupled(kernel[x], kernel[y], box)
            after = (direct + self.discount * ahead[self.moves]).max(axis=0)
            np.fill_diagonal(after, 0.0)
            change = float(np.abs(after - box).max())
            box = after
            if change <= 1e-12 * max(float(np.abs(box).max()), 1e-300):
                added: FloatArray = box + 2 * change * self.discount / (1 - self.discount) * (1 - np.eye(types))
                return added

    def _first_points(self, laws: FloatArray) -> list[_Pool]:
        """V(0), and mechanisms of one action for ever and of free choice at cost."""
        best, identity = self._first_best(), np.eye(self.types)
        net = self.values - self.cost[:, None]
        choice = (net + self.discount * np.einsum("akl,l->ak", self.kernels[self.moves], best)).argmax(axis=0)
        chain = self.kernels[self.moves[choice], np.arange(self.types)]
        free = np.linalg.solve(identity - self.discount * chain, net[choice, np.arange(self.types)])
        pools = [_Pool() for _ in laws]
        for a, b in enumerate(self.moves):
            solve = np.linalg.inv(identity - self.discount * self.kernels[b])
            for law, pool in zip(laws, pools, strict=True):
                pool.promises.append(solve @ self.values[a])
                pool.welfare.append(float(law @ (solve @ net[a])))
        for law, pool in zip(laws, pools, strict=True):
            pool.promises.append(free)
            pool.welfare.append(float(law @ free))
            pool.prices.append(np.zeros(self.types))
            pool.heights.append(float(law @ best))
        return pools

    def run(self, tolerance: float, time_limit: float | None, begun: float) -> Status:
        still, before = 0, (np.inf, np.inf)
        price = self.root.law
        try:
            while True:
                found, top = self._below(self.root, price), self._above(self.root, price)
                if found is not None:
                    self.lower = max(self.lower, found[0])
                if top is not None:
                    self.upper = min(self.upper, top)
                gap = self.upper - self.lower
                if gap <= tolerance * max(abs(self.upper), 1e-12):
                    return Status.OPTIMAL
                if time_limit is not None and time.perf_counter() - begun > time_limit:
                    return Status.TIME_LIMIT
                still = still + 1 if (self.lower, self.upper) == before else 0
                if still > 3 or self.visits >= MAX_VISITS:
                    return Status.INACCURATE
                before = self.lower, self.upper
                aim = max(tolerance * abs(self.upper), SHARE * gap) * 0.5**still
                self._descend(aim * 0.8)
                self.visits += 1
        except KeyboardInterrupt:
            return Status.INTERRUPTED

    def _descend(self, aim: float) -> None:
        way: list[tuple[int, FloatArray]] = []
        state, price = self.root, self.root.law
        while len(way) < MAX_DEPTH:
            found = self._below(state, price)
            if found is None:
                break
            at = state.children.price @ found[1]
            gaps = np.array([self._gap(int(j), g) for j, g in zip(state.children.pool, at, strict=True)])
            weight = self.discount * state.law[state.support[state.children.report]]
            if self._total(state, weight * gaps) <= aim:
                break
            child = int((weight * gaps).argmax())
            way.append((int(state.children.pool[child]), at[child]))
            state, price, aim = self.states[way[-1][0]], at[child], aim / self.discount
        for number, price in reversed(way):
            pool, state = self.pools[number], self.states[number]
            found, top = self._below(state, price), self._above(state, price)
            if found is not None:
                promise = -found[2]
                pool.promises.append(promise)
                pool.welfare.append(found[0] + float(price @ promise))
            if top is not None:
                pool.prices.append(price)
                pool.heights.append(top)

    def _total(self, state: _State, weighted: FloatArray) -> float:
        """Sum over reports of the largest gap among its kernels."""
        return float(weighted.reshape(len(state.support), -1).max(axis=1).sum())

    def _gap(self, number: int, price: FloatArray) -> float:
        pool = self.pools[number]
        low = float((np.array(pool.welfare) - np.array(pool.promises) @ price).max())
        return self._hull(pool, price) - low

    def _rays(self) -> tuple[FloatArray, FloatArray]:
        pairs = [(a, b) for a in range(self.types) for b in range(self.types) if a != b]
        eye = np.eye(self.types)
        rays = np.array([eye[a] - eye[b] for a, b in pairs]).reshape(-1, self.types)
        return rays, np.array([self.box[b, a] for a, b in pairs])

    def _hull(self, pool: _Pool, price: FloatArray) -> float:
        rays, cost = self._rays()
        points = np.array(pool.prices)
        matrix = np.concatenate([np.concatenate([points, rays])[:, :-1].T, _ones(len(points), len(rays))])
        right = np.append(price[:-1], 1.0)
        found = self._solved(np.concatenate([pool.heights, cost]), None, None, matrix, right, 0.0)
        return np.inf if found is None else float(found.fun)

    def _solved(self, cost: Any, upper: Any, right: Any, equal: Any, level: Any, low: Any) -> Any:
        from scipy.optimize import linprog

        self.programs += 1
        options: Any = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10, "presolve": False}
        bounds: Any = (low, None) if np.isscalar(low) else [(x, None) for x in low]
        found: Any = linprog(cost, upper, right, equal, level, bounds, method="highs-ds", options=options)
        return found if found.status == 0 else None

    def _common(self, state: _State, extra: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, int, int]:
        """Rows of actions and of flows; columns: multipliers, participation, values of reports, of children, extra."""
        pairs, n, children = state.pairs, len(state.support), state.children
        nu = self.types if state.root else 0
        first, ahead = len(pairs) + nu, len(pairs) + nu + n
        width = ahead + len(children.report) + extra
        rows, right = [], []
        for r, own in enumerate(state.support):
            for a, b in enumerate(self.moves):
                row = np.zeros(width)
                mine = np.flatnonzero(pairs[:, 1] == r)
                row[mine] = -(self.values[a, pairs[mine, 0]] - self.values[a, own]) / state.law[own]
                row[first + r] = -1.0
                row[ahead + r * len(self.kernels) + b] = self.discount
                rows.append(row)
                right.append(-(self.values[a, own] - self.cost[a]))
        flow = np.zeros((self.types, width))
        for p, (k, r) in enumerate(pairs):
            flow[k, p] += 1.0
            flow[state.support[r], p] -= 1.0
        if state.root:
            flow[:, len(pairs) : first] = np.eye(self.types)
        else:
            flow = flow[:-1]
        cost = np.zeros(width)
        cost[first:ahead] = state.law[state.support]
        return np.array(rows), np.array(right), flow, cost, ahead, width

    def _level(self, state: _State, price: FloatArray) -> FloatArray:
        return price if state.root else price[:-1]

    def _below(self, state: _State, price: FloatArray) -> tuple[float, FloatArray, FloatArray] | None:
        """Value over the points from below, the multipliers, and its slopes in the price."""
        rows, right, flow, cost, ahead, width = self._common(state, 0)
        count, more, bounds = len(state.pairs), [rows], [right]
        for m, j in enumerate(state.children.pool):
            promises, welfare = np.array(self.pools[j].promises), np.array(self.pools[j].welfare)
            block = np.zeros((len(welfare), width))
            block[:, :count] = -promises @ state.children.price[m]
            block[:, ahead + m] = -1.0
            more.append(block)
            bounds.append(-welfare)
        low = np.full(width, -np.inf)
        low[: ahead - len(state.support)] = 0.0
        found = self._solved(
            cost, np.concatenate(more), np.concatenate(bounds), flow, self._level(state, price), low.tolist()
        )
        if found is None:
            return None
        slopes = np.array(found.eqlin.marginals)
        return float(found.fun), found.x[:count], slopes if state.root else np.append(slopes, 0.0)

    def _above(self, state: _State, price: FloatArray) -> float | None:
        """Value over the points from above."""
        rays, ray_cost = self._rays()
        sizes = [len(self.pools[j].heights) + len(rays) for j in state.children.pool]
        rows, right, flow, cost, ahead, width = self._common(state, sum(sizes))
        count, start = len(state.pairs), width - sum(sizes)
        equal, level = [flow], [self._level(state, price)]
        for m, (j, size) in enumerate(zip(state.children.pool, sizes, strict=True)):
            pool = self.pools[j]
            points = np.concatenate([np.array(pool.prices), rays])
            block = np.zeros((self.types + 1, width))
            block[: self.types - 1, :count] = -state.children.price[m][:-1]
            block[: self.types - 1, start : start + size] = points[:, :-1].T
            block[self.types - 1, start : start + len(pool.heights)] = 1.0
            block[self.types, ahead + m] = -1.0
            block[self.types, start : start + size] = np.concatenate([pool.heights, ray_cost])
            equal.append(block)
            level.append(np.append(np.zeros(self.types - 1), [1.0, 0.0]))
            start += size
        low = np.full(width, 0.0)
        low[ahead - len(state.support) : width - sum(sizes)] = -np.inf
        found = self._solved(cost, rows, right, np.concatenate(equal), np.concatenate(level), low.tolist())
        return None if found is None else float(found.fun)


def _ones(points: int, rays: int) -> FloatArray:
    return np.concatenate([np.ones(points), np.zeros(rays)])[None]
