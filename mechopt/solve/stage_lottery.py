r"""One period of the promised-utility dynamic program, as a lottery over posted prices; many slopes at once.

A period has types with values :math:`y_1 < \dots < y_K` and probabilities f, prices :math:`\pi_j` among the values and
a concave piecewise-linear function G on promises :math:`v \ge 0`, constant beyond its last breakpoint. With z a
lottery over prices, :math:`A_{kj} = (y_k - \pi_j)^+` and :math:`R_j = E[y 1\{y \ge \pi_j\}]`,

.. math:: \Phi(G)(w) = \max_{z, v_1} \{ R z + \sum_k f_k G(v_k) : v_k = v_1 + (Az)_k,\ v_1 \ge 0,\ f v = w \}.

Allocations :math:`x_k = P(\pi \le y_k)` are monotone without a constraint. `best_responses` maximises the objective
less :math:`\lambda f v`, for a vector of slopes :math:`\lambda`, by a bounded simplex method with K rows whose columns
v_k cost what G says; all slopes advance in lockstep. Nothing about validity rests on it: `attained` evaluates any
:math:`(v_1, z)`, a feasible point and so a lower bound, and `certified` any multipliers :math:`\lambda_k \ge 0` with
:math:`\sum f_k \lambda_k \le \lambda`, an upper bound by weak duality:

.. math:: \Phi(G)(w) \le \lambda w + \sum_k f_k G^*(\lambda_k) + \max_j [R_j + \sum_k f_k (\lambda_k - \lambda) A_{kj}],

where :math:`G^*(m) = \max_{v \ge 0} G(v) - m v`. An optimiser that stops early costs tightness alone.

Degenerate vertices (values on a lattice) are told apart by a perturbation of the right-hand sides, carried as a column
of its own and taken off at the end; long steps pass breakpoints as long as the objective rises; and the breakpoints of
G are refined in steps from a few to all of them, since a vertex of the coarse problem is one of the finer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.solve.concave import Concave

PERTURBATION = 1e-10
"""Of the right-hand sides, relative to the largest promise."""
RATE_TOLERANCE = 1e-12
"""Relative rate of the objective that counts as none."""
COARSEST = 8
"""Breakpoints of the coarsest level; each level has ``STRIDE`` times as many as the one before."""
MAX_PIVOTS, STRIDE = 400, 8
STILL = 1e-11
"""A variable that changes less than this per unit of the entering one does not change."""


@dataclass(frozen=True, eq=False)
class PriceStage:
    """One period.

    Attributes
    ----------
    probabilities : array ``(K,)``
        Of the types, positive.
    welfare : array ``(J,)``
        Expected value of a sale at each price, R; falling in j.
    surplus : array ``(K, J)``
        A: what each type gains from each price; zero for type 0 and for the last price.
    """

    probabilities: FloatArray
    welfare: FloatArray
    surplus: FloatArray

    @property
    def expected_surplus(self) -> FloatArray:
        """Of each price, ``(J,)``."""
        return self.probabilities @ self.surplus


@dataclass(eq=False)
class Basis:
    """Simplex dictionaries of n slopes, which are the last axis; variables 0..J-1 are z, the others v.

    ``basic`` and ``value`` have shape (K, n), as have the ``piece`` of G on which a basic v lies and ``noise``, the
    part of the value that is due to the perturbation; ``outside`` and ``at``, the breakpoint of a v that is not basic,
    have (J, n); ``table`` (K, J, n) holds the change of each basic variable with each of the others.
    """

    basic: IntArray
    value: FloatArray
    piece: IntArray
    noise: FloatArray
    outside: IntArray
    at: IntArray
    table: FloatArray

    def take(self, lanes: Array) -> Basis:
        """Those of some slopes."""
        return Basis(*(array.take(lanes, axis=-1) for array in self.arrays()))

    def put(self, lanes: Array, other: Basis) -> None:
        """Overwrite those of some slopes."""
        for mine, theirs in zip(self.arrays(), other.arrays(), strict=True):
            mine[..., lanes] = theirs

    def joined(self, other: Basis) -> Basis:
        """These and then those."""
        pairs = zip(self.arrays(), other.arrays(), strict=True)
        return Basis(*(np.concatenate(pair, axis=-1) for pair in pairs))

    def arrays(self) -> tuple[Array, ...]:
        """All of them, in the order of the class."""
        return self.basic, self.value, self.piece, self.noise, self.outside, self.at, self.table


@dataclass(frozen=True, eq=False)
class Responses:
    """What the simplex method found for each of n slopes.

    Attributes
    ----------
    lowest : array ``(n,)``
        v_1.
    lottery : array ``(n, J)``
        z.
    multipliers : array ``(n, K)``
        Non-negative, with mean at most the slope.
    basis : Basis
    settled : bool array ``(n,)``
        Whether the point is optimal; else the pivots ran out, and it is only feasible.
    """

    lowest: FloatArray
    lottery: FloatArray
    multipliers: FloatArray
    basis: Basis
    settled: Array


def attained(
    stage: PriceStage, after: Concave, lowest: FloatArray, lottery: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Promise f v and objective R z + f G(v) of feasible points; each ``(n,)``."""
    v = lowest[:, None] + lottery @ stage.surplus.T
    return v @ stage.probabilities, lottery @ stage.welfare + after(v) @ stage.probabilities


def certified(stage: PriceStage, conjugates: FloatArray, slopes: FloatArray, multipliers: FloatArray) -> FloatArray:
    """Height at 0 of lines of these slopes that lie above Phi(G), given G* at the multipliers; ``(n,)``."""
    tilted = ((multipliers - slopes[:, None]) * stage.probabilities) @ stage.surplus + stage.welfare
    height: FloatArray = conjugates @ stage.probabilities + tilted.max(axis=1)
    return height


def best_responses(
    stage: PriceStage, after: Concave, slopes: FloatArray, start: Basis | None = None, pivots: int = MAX_PIVOTS
) -> Responses:
    """Maximise R z + f G(v) - slope * f v for each slope; see the module's docstring.

    Parameters
    ----------
    stage : PriceStage
    after : Concave
        G of the next period.
    slopes : array ``(n,)``
        Positive.
    start : Basis, optional
        Of optimal points at nearby slopes for the same stage and function.
    pivots : int
        Most pivots of a slope, on each level of breakpoints.

    Returns
    -------
    Responses
    """
    if start is None:
        levels = _coarser(after)
        basis = _first_basis(stage, after, len(slopes))
        for number, (chosen, knots, rises) in enumerate(levels):
            if number:
                _refine(basis, levels[number - 1][0], chosen, knots, len(stage.welfare))
            settled = _climb(stage, knots, rises, slopes, basis, pivots)
    else:
        basis = start
        settled = _climb(stage, after.knots, after.slopes, slopes, basis, pivots)
    return _read(stage, after, slopes, basis, settled)


def _coarser(after: Concave) -> list[tuple[IntArray, FloatArray, FloatArray]]:
    """Breakpoints from few to all: their numbers, places and slopes of the pieces to their right."""
    last, stride = len(after.knots) - 1, 1
    levels = [(np.arange(last + 1), after.knots, after.slopes)]
    while len(levels[-1][0]) > COARSEST:
        stride *= STRIDE
        chosen = np.unique(np.append(np.arange(0, last, stride), last))
        rises = np.append(np.diff(after.heights[chosen]) / np.diff(after.knots[chosen]), 0.0)
        levels.append((chosen, after.knots[chosen], rises))
    return levels[::-1]


def _first_basis(stage: PriceStage, after: Concave, count: int) -> Basis:
    """Promise nothing to anybody: the highest price for sure; v_1 at breakpoint 0."""
    types, prices = stage.surplus.shape
    basic = np.append(prices - 1, np.arange(prices + 1, prices + types))
    outside = np.append(np.arange(prices - 1), prices)
    table = np.zeros((types, prices))
    table[0, :-1] = -1.0
    table[1:, :-1] = stage.surplus[1:, :-1] - stage.surplus[1:, -1:]
    table[1:, -1] = 1.0
    span = max(float(after.knots[-1]), float(stage.surplus.max()))
    scale = np.append(1.0, np.full(types - 1, span))
    noise = PERTURBATION * scale * np.random.default_rng(1).uniform(0.5, 1.5, types)
    value = noise + np.append(1.0, np.zeros(types - 1))
    arrays = (basic, value, np.zeros(types, dtype=np.int64), noise, outside, np.zeros(prices, dtype=np.int64), table)
    return Basis(*(np.repeat(array[..., None], count, axis=-1) for array in arrays))


def _refine(basis: Basis, coarse: IntArray, fine: IntArray, knots: FloatArray, prices: int) -> None:
    """Number breakpoints and pieces as on the finer level."""
    place = np.searchsorted(fine, coarse)
    basis.at = np.where(basis.outside >= prices, place[basis.at], 0)
    piece = np.searchsorted(knots, basis.value, side="right") - 1
    ends = np.append(place[1:] - 1, place[-1])
    piece = np.clip(piece, place[basis.piece], ends[basis.piece])
    basis.piece = np.where(basis.basic >= prices, piece, 0)


@dataclass(frozen=True, eq=False)
class _Rates:
    """G on one level of breakpoints, and the costs of all variables; the objective is linear in z."""

    knots: FloatArray
    rises: FloatArray
    widths: FloatArray
    chance: FloatArray
    fixed: FloatArray
    prices: int

    @classmethod
    def of(cls, stage: PriceStage, knots: FloatArray, rises: FloatArray) -> _Rates:
        types, prices = stage.surplus.shape
        chance = np.concatenate([np.zeros(prices), stage.probabilities])
        fixed = np.concatenate([stage.welfare, np.zeros(types)])
        return cls(knots, rises, np.append(np.diff(knots), np.inf), chance, fixed, prices)

    def pressure(self, basis: Basis, slope: FloatArray) -> FloatArray:
        """What the basic variables add to the rate of each of the others; ``(J, n)``."""
        cost = self.fixed[basis.basic] + self.chance[basis.basic] * (self.rises[basis.piece] - slope)
        pressure: FloatArray = np.einsum("kn,kjn->jn", cost, basis.table)
        return pressure


def _climb(
    stage: PriceStage, knots: FloatArray, rises: FloatArray, slopes: FloatArray, whole: Basis, pivots: int
) -> Array:
    """Pivot until no rate is positive, or too often; changes ``whole`` and tells for which slopes it is optimal."""
    rates = _Rates.of(stage, knots, rises)
    before = np.append(np.inf, rises[:-1])  # no way down from breakpoint 0
    limits = RATE_TOLERANCE * (stage.welfare[0] + slopes)
    lanes, basis, slope, limit = np.arange(len(slopes)), whole, slopes, limits
    settled = np.zeros(len(slopes), dtype=np.bool_)
    for _ in range(pivots):
        pressure, weight = rates.pressure(basis, slope), rates.chance[basis.outside]
        up = rates.fixed[basis.outside] + weight * (rises[basis.at] - slope) + pressure
        is_promise = basis.outside >= rates.prices
        fall = np.where(is_promise, before[basis.at], np.inf)
        down = -(np.where(is_promise, weight, 1.0) * (fall - slope) + pressure)
        rate = np.maximum(up, down)
        enter = (rate / (1.0 + np.abs(basis.table).sum(axis=0))).argmax(axis=0)
        single = np.arange(len(lanes))
        best = rate[enter, single]
        moving = np.flatnonzero(best > limit)
        if len(moving) < len(lanes):
            done = np.flatnonzero(best <= limit)
            settled[lanes[done]] = True
            if basis is not whole:
                whole.put(lanes[done], basis.take(done))
            if not moving.size:
                return settled
            lanes, basis, slope, limit = lanes[moving], basis.take(moving), slope[moving], limit[moving]
            enter, best, single = enter[moving], best[moving], single[: len(moving)]
            up, down = up.take(moving, axis=1), down.take(moving, axis=1)
        rising = up[enter, single] >= down[enter, single]
        _move(basis, enter, rising, best, rates, limit)
    if basis is not whole:
        whole.put(lanes, basis)
    return settled


def _move(basis: Basis, enter: IntArray, rising: Array, rate: FloatArray, rates: _Rates, limit: FloatArray) -> None:
    """Move the entering variable of each slope until the objective stops rising, then pivot; changes ``basis``."""
    rank, count = basis.basic.shape
    single = np.arange(count)
    entering, at = basis.outside[enter, single], basis.at[enter, single]
    is_promise = entering >= rates.prices
    # the entering variable is one more row, so that it may meet its own breakpoints
    names, piece = np.empty((rank + 1, count), np.int64), np.empty((rank + 1, count), np.int64)
    speed, value = np.empty((rank + 1, count)), np.empty((rank + 1, count))
    names[:rank], names[rank] = basis.basic, entering
    speed[:rank], speed[rank] = basis.table[:, enter, single], 1.0
    speed *= np.where(rising, 1.0, -1.0)
    value[:rank], value[rank] = basis.value, np.where(is_promise, rates.knots[at], 0.0)
    piece[:rank], piece[rank] = basis.piece, np.where(is_promise & ~rising, at - 1, at)
    forward, free, size = speed > 0, names < rates.prices, np.abs(speed)
    size[size < STILL] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(free, 0.0, rates.knots[piece])
        room = np.where(forward, np.where(free, np.inf, rates.widths[piece] - (value - low)), value - low)
        event = np.maximum(room, 0.0) / size
    event[size == 0.0] = np.inf
    # pass breakpoints as long as the rate stays positive: only the row that meets one changes
    leave, moved, going = np.full(count, rank), np.zeros(count), single
    while going.size:
        near = event.take(going, axis=1).argmin(axis=0)
        step = event[near, going]
        now, ahead = piece[near, going], forward[near, going]
        following = np.where(ahead, now + 1, now - 1)
        bend = np.abs(rates.rises[now] - rates.rises[np.minimum(following, len(rates.rises) - 1)])
        left_over = rate[going] - rates.chance[names[near, going]] * size[near, going] * bend
        on = (left_over > limit[going]) & ~free[near, going] & (following >= 0) & (following < len(rates.rises))
        stops = ~on
        halted = going[stops]
        leave[halted], moved[halted] = near[stops], step[stops]
        going, near, following = going[on], near[on], following[on]
        piece[near, going], rate[going] = following, left_over[on]
        event[near, going] = step[on] + rates.widths[following] / size[near, going]
    moved[np.isinf(moved)] = 0.0
    value += speed * moved
    leaver = names[leave, single]
    stop_at = np.where(leaver < rates.prices, 0, piece[leave, single] + forward[leave, single])
    stop_at = np.minimum(stop_at, len(rates.knots) - 1)
    basis.at[enter, single] = stop_at
    basis.value, basis.piece = value[:rank], piece[:rank]
    pivots = np.flatnonzero(leave < rank)
    row, column = leave[pivots], enter[pivots]
    basis.outside[column, pivots], basis.basic[row, pivots] = leaver[pivots], entering[pivots]
    basis.value[row, pivots] = value[rank, pivots]
    basis.piece[row, pivots] = np.where(is_promise[pivots], piece[rank, pivots], 0)
    _pivot(basis, pivots, row, column)


def _pivot(basis: Basis, pivots: IntArray, row: IntArray, column: IntArray) -> None:
    """Exchange a basic variable and another one in some dictionaries; changes ``basis``."""
    every = len(pivots) == basis.basic.shape[1]
    table = basis.table if every else basis.table.take(pivots, axis=2)
    noise = basis.noise if every else basis.noise.take(pivots, axis=1)
    few = np.arange(len(pivots))
    pivot = table[row, column, few]
    fresh = np.ascontiguousarray(table[row, :, few].T) / -pivot
    fresh[column, few] = 1.0 / pivot
    fresh_noise = noise[row, few] / -pivot
    factor = table[:, column, few]
    table[:, column, few] = 0.0
    table += factor[:, None] * fresh
    noise += factor * fresh_noise
    table[row, :, few], noise[row, few] = fresh.T, fresh_noise
    if not every:
        basis.table[:, :, pivots], basis.noise[:, pivots] = table, noise


def _read(stage: PriceStage, after: Concave, slopes: FloatArray, basis: Basis, settled: Array) -> Responses:
    """Point and multipliers of the dictionaries, made feasible whatever rounding did."""
    rates = _Rates.of(stage, after.knots, after.slopes)
    types, prices = stage.surplus.shape
    single, is_promise = np.arange(len(slopes)), basis.outside >= prices
    point, dual = np.zeros((2, prices + types, len(slopes)))
    point[basis.basic, single] = basis.value - basis.noise
    point[basis.outside, single] = np.where(is_promise, after.knots[basis.at], 0.0)
    lottery = np.maximum(point[:prices], 0.0)
    lottery /= lottery.sum(axis=0)
    dual[basis.basic, single] = after.slopes[basis.piece]
    weight = np.where(is_promise, rates.chance[basis.outside], 1.0)
    dual[basis.outside, single] = slopes - rates.pressure(basis, slopes) / weight
    multipliers = np.maximum(dual[prices:], 0.0)
    mean = stage.probabilities @ multipliers
    multipliers *= np.minimum(1.0, slopes / np.maximum(mean, 1e-300))
    return Responses(np.maximum(point[prices], 0.0), lottery.T, multipliers.T, basis, settled)
