"""The program of one period for one agent whose type persists, see `mechopt.solve.dual.markov` for the mathematics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.process import JointProcess
from mechopt.solve.dual.stage import Stage
from mechopt.solve.dual.warm_program import SmallProgram


@dataclass(frozen=True, eq=False)
class PersistentPeriod:
    """One period of one agent's chain, in the problem's unit and present value.

    Attributes
    ----------
    values : float array ``(actions, types)``
    cost : float array ``(actions,)``
    kernels : float array ``(distributions, types, next types)``
        Different distributions of motion; empty in the last period.
    moves : int array ``(actions,)``
        Which of them an action brings.
    distributions : float array ``(states, types)``
        Distribution of the type by public state.
    """

    values: FloatArray
    cost: FloatArray
    kernels: FloatArray
    moves: IntArray
    distributions: FloatArray


def persistent_periods(process: JointProcess) -> tuple[list[PersistentPeriod], float]:
    """The periods of one agent's process, and the unit of their money."""
    horizon, weights = process.horizon, process.present_value
    unit = max(float(w * np.abs(v).max()) for w, v in zip(weights, process.values, strict=True)) or 1.0
    periods, distributions = [], process.initial[None]
    for t in range(horizon):
        values = process.values[t][0] * (weights[t] / unit)
        cost = process.costs[t] * (weights[t] / unit)
        kernels, moves = np.zeros((0, values.shape[1], 0)), np.zeros(len(values), dtype=np.int64)
        if t + 1 < horizon:
            kernels, moves = np.unique(process.kernel[t], axis=0, return_inverse=True)
        periods.append(PersistentPeriod(values, cost, kernels, moves.ravel(), distributions))
        if t + 1 < horizon:
            distributions = np.unique(kernels.reshape(-1, kernels.shape[2]), axis=0)
    return periods, unit


@dataclass(frozen=True, eq=False)
class _Columns:
    """Columns of a period's program.

    Attributes
    ----------
    support : int array ``(reports,)``
        Types that may be reported.
    pairs : int array ``(p, 2)``
        True type k and report (its number in the support) of each multiplier lambda; these come first.
    extra : int array ``(reports,)`` under EPIR, ``(types,)`` at the root under interim participation, else empty
        Multipliers m, over the probability of the report, or nu.
    welfare : int array ``(reports,)``
        Value of a report from this period on.
    children : int array ``(c, 2)``
        Report and distribution of motion.
    value : int array ``(c,)``
        Value of a child from the next period on.
    price : int array ``(c, types of the next period - 1)``
        Its price, but for the sum.
    """

    support: IntArray
    pairs: IntArray
    extra: IntArray
    welfare: IntArray
    children: IntArray
    value: IntArray
    price: IntArray

    @property
    def count(self) -> int:
        return len(self.pairs) + sum(part.size for part in (self.extra, self.welfare, self.value, self.price))


def _columns(period: PersistentPeriod, q: FloatArray, extra: int) -> _Columns:
    """Number the columns; ``extra`` of them are m or nu."""
    support, (distributions, types, ahead) = np.flatnonzero(q), period.kernels.shape
    reports, children = len(support), len(support) * distributions
    pairs = [(k, r) for r, own in enumerate(support.tolist()) for k in range(types) if k != own]
    ends = np.cumsum([len(pairs), extra, reports, children]).tolist()
    coordinates = max(ahead - 1, 0)
    return _Columns(
        support,
        np.array(pairs, dtype=np.int64).reshape(-1, 2),
        ends[0] + np.arange(extra),
        ends[1] + np.arange(reports),
        np.stack([np.repeat(np.arange(reports), distributions), np.tile(np.arange(distributions), reports)], axis=1),
        ends[2] + np.arange(children),
        ends[3] + np.arange(children * coordinates).reshape(children, coordinates),
    )


def _flow_rows(at: _Columns, q: FloatArray, ex_post: bool, free: bool) -> FloatArray:
    """Rows of multipliers of each true type, less those of reports of it; the price is on the right."""
    rows = np.zeros((len(q), at.count))
    true, report = at.pairs.T
    rows[true, np.arange(len(at.pairs))] = 1.0
    rows[at.support[report], np.arange(len(at.pairs))] = -1.0
    if free:
        rows[np.arange(len(q)), at.extra] = 1.0
        return rows
    if not ex_post:
        return rows[:-1]
    rows[at.support, at.extra] = q[at.support]
    total = np.zeros(at.count)
    total[at.extra] = q[at.support]
    return np.concatenate([total[None], rows[:-1]])


def _price_rows(at: _Columns, period: PersistentPeriod, q: FloatArray, ex_post: bool) -> FloatArray:
    """A child's price less what the multipliers make of it, ``(c, coordinates, columns)``."""
    coordinates = at.price.shape[1]
    rows = np.zeros((*at.price.shape, at.count))
    for m, (r, b) in enumerate(at.children.tolist()):
        kernel, own = period.kernels[b][:, :coordinates], int(at.support[r])
        rows[m, np.arange(coordinates), at.price[m]] = 1.0
        mine = np.flatnonzero(at.pairs[:, 1] == r)
        rows[m][:, mine] = -(kernel[at.pairs[mine, 0]] - kernel[own]).T / q[own]
        if ex_post:
            rows[m, :, at.extra[r]] = -kernel[own]
    return rows


def _gain_rows(at: _Columns, period: PersistentPeriod, q: FloatArray, together: bool) -> FloatArray:
    """Value of a report less that of each action, ``(reports, actions, columns)``."""
    actions = len(period.values)
    rows = np.zeros((len(at.support), actions, at.count))
    for r, own in enumerate(at.support.tolist()):
        mine = np.flatnonzero(at.pairs[:, 1] == r)
        rows[r, :, at.welfare[r]] = 1.0
        rows[r][:, mine] = (period.values[:, at.pairs[mine, 0]] - period.values[:, [own]]) / q[own]
        if len(at.children) and not together:
            rows[r, np.arange(actions), at.value[r * len(period.kernels) + period.moves]] = -1.0
    return rows


def persistent_stage(
    period: PersistentPeriod, q: FloatArray, after: PersistentPeriod | None, ex_post: bool, root: bool
) -> Stage:
    """The program of a state with distribution ``q`` of types; ``after`` is the next period, None in the last."""
    free, together = root and not ex_post, len(period.kernels) == 1
    at = _columns(period, q, int(np.count_nonzero(q)) if ex_post else len(q) if free else 0)
    likely, reports, actions = q[at.support], len(at.support), len(period.values)
    cost, lower = np.zeros(at.count), np.zeros(at.count)
    cost[at.welfare] = likely
    lower[at.welfare[0] :] = -np.inf
    if together:
        cost[at.value] = likely[at.children[:, 0]]
    flow = _flow_rows(at, q, ex_post, free)
    prices = _price_rows(at, period, q, ex_post).reshape(-1, at.count)
    gains = _gain_rows(at, period, q, together).reshape(-1, at.count)
    net = (period.values - period.cost[:, None])[:, at.support].T.ravel()
    equal = np.zeros(len(flow) + len(prices))
    program = SmallProgram(
        cost,
        lower,
        np.concatenate([flow, prices, gains]),
        np.concatenate([equal, net]),
        np.concatenate([equal, np.full(len(net), np.inf)]),
    )
    child = np.zeros(len(at.children), dtype=np.int64)
    if after is not None:
        for m, (r, b) in enumerate(at.children.tolist()):
            child[m] = int((after.distributions == period.kernels[b, at.support[r]]).all(axis=1).argmax())
    owner = np.zeros(at.count, dtype=np.int64)
    owner[: len(at.pairs)], owner[at.welfare] = at.pairs[:, 1], np.arange(reports)
    owner[at.value], owner[at.price] = at.children[:, 0], at.children[:, :1]
    nothing, extra = np.zeros((reports, 0)), at.price
    if ex_post:
        owner[at.extra] = np.arange(reports)
        extra = np.concatenate([at.extra[at.children[:, :1]], at.price], axis=1)
    return Stage(
        program=program,
        state_rows=np.arange(len(flow), dtype=np.int32),
        base=q if free else np.zeros(len(flow)),
        slope=np.zeros((len(q), 0)) if free else np.eye(len(flow)),
        child=child,
        value_columns=at.value,
        price_columns=extra,
        weight=likely[at.children[:, 0]] if together else None,
        allocation_rows=len(equal) + np.arange(reports * actions).reshape(reports, actions),
        report=at.children[:, 0],
        excess_columns=at.extra[:, None] if ex_post else nothing.astype(np.int64),
        excess_scale=likely[:, None] if ex_post else nothing,
        column_report=owner,
    )
