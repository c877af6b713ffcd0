"""The simplex method of `mechopt.solve.promised.lottery` in numpy: the dictionaries of all slopes advance in lockstep.

`mechopt.solve.promised.kernels` has the same pivots compiled, slope by slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray

STILL = 1e-11
"""A variable that changes less than this per unit of the entering one does not change."""


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
class Rates:
    """Rates of all variables in the objective, with G on one level of breakpoints.

    Attributes
    ----------
    knots, rises : arrays ``(m,)``
        Breakpoints of G and its slopes to their right.
    chance : array ``(J + K,)``
        Probability of the type of a v; 0 for z.
    fixed : array ``(J + K,)``
        Welfare of the price of a z; 0 for v.
    prices : int
        J.
    """

    knots: FloatArray
    rises: FloatArray
    chance: FloatArray
    fixed: FloatArray
    prices: int

    @cached_property
    def widths(self) -> FloatArray:
        """Lengths of the pieces."""
        return np.append(np.diff(self.knots), np.inf)

    def pressure(self, basis: Basis, slope: FloatArray) -> FloatArray:
        """Rate that the basic variables add to each of the others; ``(J, n)``."""
        cost = self.fixed[basis.basic] + self.chance[basis.basic] * (self.rises[basis.piece] - slope)
        pressure: FloatArray = np.einsum("kn,kjn->jn", cost, basis.table)
        return pressure


def climb(rates: Rates, slopes: FloatArray, limits: FloatArray, whole: Basis, pivots: int) -> Array:
    """Pivot until no rate is above its limit, or too often.

    Parameters
    ----------
    rates : Rates
    slopes, limits : arrays ``(n,)``
    whole : Basis
        Feasible; is changed.
    pivots : int
        Most of a slope.

    Returns
    -------
    settled : bool array ``(n,)``
        For which slopes it is optimal.
    """
    rises = rates.rises
    before = np.append(np.inf, rises[:-1])  # no way down from breakpoint 0
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


def _move(basis: Basis, enter: IntArray, rising: Array, rate: FloatArray, rates: Rates, limit: FloatArray) -> None:
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
