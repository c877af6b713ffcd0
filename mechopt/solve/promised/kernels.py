"""The pivots of `mechopt.solve.promised.simplex` compiled by numba, where it is installed (extra ``fast``).

The rules are the same, slope by slope instead of in lockstep. What the compiler makes is kept beside this file, or in
the user's cache folder where that is not writable. ``MECHOPT_NUMBA=0`` in the environment turns it off.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.solve.promised.simplex import STILL, Basis, Rates
from mechopt.solve.runtime import apart_once


def wanted() -> bool:
    """Whether numba is installed and not turned off; does not load it."""
    return os.environ.get("MECHOPT_NUMBA", "1") != "0" and find_spec("numba") is not None


@cache
def compiled() -> bool:
    """Whether these kernels are to be used: numba is wanted, and can be loaded beside this version of numpy."""
    if not wanted():
        return False
    try:
        import_module("numba")
    except ImportError:
        return False
    return True


def climb(
    rates: Rates, slopes: FloatArray, limits: FloatArray, whole: Basis, pivots: int, chained: bool = False
) -> Array:
    """Compiled `mechopt.solve.promised.simplex.climb`.

    Parameters
    ----------
    rates, slopes, limits, whole, pivots
        As there.
    chained : bool
        Every slope but the first starts where the one before it ended, instead of from its own dictionary.

    Returns
    -------
    settled : bool array ``(n,)``
    """
    settled = np.zeros(len(slopes), dtype=np.bool_)
    data = rates.knots, rates.rises, rates.chance, rates.fixed, rates.prices
    run(climb_one_by_one, *data, slopes, limits, *whole.arrays(), pivots, chained, settled)
    return settled


def read(rates: Rates, slopes: FloatArray, basis: Basis) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points and multipliers of dictionaries: what `mechopt.solve.promised.lottery.Responses` holds."""
    count, types = len(slopes), len(basis.basic)
    lowest, lottery, multipliers = np.empty(count), np.zeros((count, rates.prices)), np.zeros((count, types))
    data = rates.knots, rates.rises, rates.chance, rates.fixed, rates.prices, slopes
    parts = basis.basic, basis.value, basis.piece, basis.noise, basis.outside, basis.at, basis.table
    run(read_one_by_one, *data, *parts, lowest, lottery, multipliers)
    return lowest, lottery, multipliers


def evaluate(
    points: tuple[FloatArray, FloatArray],
    tangents: tuple[FloatArray, FloatArray],
    stage: tuple[FloatArray, FloatArray, FloatArray],
    slopes: FloatArray,
    responses: tuple[FloatArray, FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compiled `mechopt.solve.promised.lottery.attained` and `certified` of responses at falling slopes.

    Parameters
    ----------
    points : two arrays ``(m,)``
        Breakpoints of the lower side, and its values there.
    tangents : two arrays ``(n,)``
        Falling slopes at which the conjugate is bounded, and the bounds.
    stage : arrays ``(K,)``, ``(J,)``, ``(K, J)``
        Probabilities, welfare and surplus.
    slopes : array ``(s,)``
    responses : arrays ``(s,)``, ``(s, J)``, ``(s, K)``
        Lowest promises, lotteries and multipliers.

    Returns
    -------
    promises, heights, bounds : arrays ``(s,)``
    """
    promises, heights, bounds = np.empty((3, len(slopes)))
    run(evaluate_one_by_one, *points, *tangents, *stage, slopes, *responses, promises, heights, bounds)
    return promises, heights, bounds


def run(function: Callable[..., None], *arguments: Any) -> None:
    """Call a function compiled.

    A Ctrl-C that falls into the compiler waits for its end: objects of LLVM that are freed twice end the process.
    """
    made = kernel(function)
    try:
        if made.overloads:
            made(*arguments)
            return
    except TypeError:  # other kinds of arrays: calls do not compile, see below
        pass
    apart_once(lambda: _compile(made, arguments), silent=False)
    made(*arguments)


def _compile(made: Any, arguments: tuple[Any, ...]) -> None:
    from numba import typeof

    made.disable_compile(False)
    made.compile(tuple(map(typeof, arguments)))
    made.disable_compile()


@cache
def kernel(function: Callable[..., None]) -> Any:
    """Compiler of a function; what it makes is kept on disk where there is a folder to write to."""
    from numba import njit

    try:
        return njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # no such folder
        return njit(error_model="numpy")(function)


def climb_one_by_one(
    knots: FloatArray,
    rises: FloatArray,
    chance: FloatArray,
    fixed: FloatArray,
    prices: int,
    slopes: FloatArray,
    limits: FloatArray,
    all_basic: IntArray,
    all_value: FloatArray,
    all_piece: IntArray,
    all_noise: FloatArray,
    all_outside: IntArray,
    all_at: IntArray,
    all_table: FloatArray,
    pivots: int,
    chained: bool,
    settled: Array,
) -> None:
    """Pivot every slope's dictionary, in place; arguments are the fields of `Rates` and `Basis` and those of `climb`.

    The entering variable is row K of the arrays of rows, so that it may meet its own breakpoints.
    """
    rank, count, columns, last = len(all_basic), len(slopes), len(all_outside), len(rises) - 1
    names, piece = np.empty(rank + 1, np.int64), np.empty(rank + 1, np.int64)
    value, noise = np.empty(rank + 1), np.empty(rank)
    speed, event, cost, fresh = np.empty(rank + 1), np.empty(rank + 1), np.empty(rank), np.empty(columns)
    outside, at = np.empty(columns, np.int64), np.empty(columns, np.int64)
    table = np.empty((rank, columns))
    for lane in range(count):
        if lane == 0 or not chained:
            for k in range(rank):
                names[k], piece[k] = all_basic[k, lane], all_piece[k, lane]
                value[k], noise[k] = all_value[k, lane], all_noise[k, lane]
                for j in range(columns):
                    table[k, j] = all_table[k, j, lane]
            for j in range(columns):
                outside[j], at[j] = all_outside[j, lane], all_at[j, lane]
        slope, limit = slopes[lane], limits[lane]
        for _ in range(pivots):
            # the rate of each variable up and down, and which one enters
            for k in range(rank):
                cost[k] = fixed[names[k]] + chance[names[k]] * (rises[piece[k]] - slope)
            enter, rising, rate, score = 0, True, 0.0, -np.inf
            for j in range(columns):
                pressure, size = 0.0, 1.0
                for k in range(rank):
                    pressure += cost[k] * table[k, j]
                    size += abs(table[k, j])
                weight = chance[outside[j]]
                up = fixed[outside[j]] + weight * (rises[at[j]] - slope) + pressure
                down = -np.inf
                if outside[j] >= prices and at[j] > 0:
                    down = -(weight * (rises[at[j] - 1] - slope) + pressure)
                best = max(up, down)
                if best / size > score:
                    enter, rising, rate, score = j, up >= down, best, best / size
            if rate <= limit:
                settled[lane] = True
                break
            # the first breakpoint, or bound, that each row meets
            is_promise = outside[enter] >= prices
            names[rank] = outside[enter]
            value[rank] = knots[at[enter]] if is_promise else 0.0
            piece[rank] = at[enter] if rising or not is_promise else at[enter] - 1
            for k in range(rank + 1):
                speed[k] = 1.0 if k == rank else table[k, enter]
                if not rising:
                    speed[k] = -speed[k]
                event[k] = np.inf
                if abs(speed[k]) < STILL:
                    continue
                if names[k] < prices:
                    room = np.inf if speed[k] > 0 else value[k]
                elif speed[k] < 0:
                    room = value[k] - knots[piece[k]]
                else:
                    room = np.inf if piece[k] == last else knots[piece[k] + 1] - value[k]
                event[k] = max(room, 0.0) / abs(speed[k])
            # pass breakpoints as long as the rate stays positive
            leave, moved = rank, 0.0
            while True:
                near = 0
                for k in range(1, rank + 1):
                    if event[k] < event[near]:
                        near = k
                leave, moved = near, event[near]
                following = piece[near] + 1 if speed[near] > 0 else piece[near] - 1
                if names[near] < prices or following < 0 or following > last:
                    break
                bend = abs(rises[piece[near]] - rises[following])
                left_over = rate - chance[names[near]] * abs(speed[near]) * bend
                if left_over <= limit:
                    break
                width = np.inf if following == last else knots[following + 1] - knots[following]
                piece[near], rate, event[near] = following, left_over, moved + width / abs(speed[near])
            if moved == np.inf:
                moved = 0.0
            for k in range(rank + 1):
                value[k] += speed[k] * moved
            stop = 0
            if names[leave] >= prices:
                stop = min(piece[leave] + 1 if speed[leave] > 0 else piece[leave], last)
            at[enter] = stop
            if leave == rank:
                continue
            # exchange the two variables
            outside[enter], names[leave] = names[leave], names[rank]
            value[leave], piece[leave] = value[rank], piece[rank] if is_promise else 0
            pivot = table[leave, enter]
            for j in range(columns):
                fresh[j] = table[leave, j] / -pivot
            fresh[enter] = 1.0 / pivot
            fresh_noise = noise[leave] / -pivot
            for k in range(rank):
                factor = table[k, enter]
                table[k, enter] = 0.0
                for j in range(columns):
                    table[k, j] += factor * fresh[j]
                noise[k] += factor * fresh_noise
            for j in range(columns):
                table[leave, j] = fresh[j]
            noise[leave] = fresh_noise
        for k in range(rank):
            all_basic[k, lane], all_piece[k, lane] = names[k], piece[k]
            all_value[k, lane], all_noise[k, lane] = value[k], noise[k]
            for j in range(columns):
                all_table[k, j, lane] = table[k, j]
        for j in range(columns):
            all_outside[j, lane], all_at[j, lane] = outside[j], at[j]


def read_one_by_one(
    knots: FloatArray,
    rises: FloatArray,
    chance: FloatArray,
    fixed: FloatArray,
    prices: int,
    slopes: FloatArray,
    basic: IntArray,
    value: FloatArray,
    piece: IntArray,
    noise: FloatArray,
    outside: IntArray,
    at: IntArray,
    table: FloatArray,
    lowest: FloatArray,
    lottery: FloatArray,
    multipliers: FloatArray,
) -> None:
    """Fill the last three arguments, made feasible whatever rounding did."""
    rank, count, columns = len(basic), len(slopes), len(outside)
    cost = np.empty(rank)
    for lane in range(count):
        slope, total, mean, v = slopes[lane], 0.0, 0.0, 0.0
        for k in range(rank):
            name = basic[k, lane]
            cost[k] = fixed[name] + chance[name] * (rises[piece[k, lane]] - slope)
            if name < prices:
                lottery[lane, name] = max(value[k, lane] - noise[k, lane], 0.0)
                total += lottery[lane, name]
            else:
                multipliers[lane, name - prices] = rises[piece[k, lane]]
                if name == prices:
                    v = value[k, lane] - noise[k, lane]
        for j in range(columns):
            name = outside[j, lane]
            if name < prices:
                continue
            if name == prices:
                v = knots[at[j, lane]]
            pressure = 0.0
            for k in range(rank):
                pressure += cost[k] * table[k, j, lane]
            multipliers[lane, name - prices] = max(slope - pressure / chance[name], 0.0)
        lowest[lane] = max(v, 0.0)
        for j in range(prices):
            lottery[lane, j] /= total
        for k in range(rank):
            mean += chance[prices + k] * multipliers[lane, k]
        if mean > slope:
            for k in range(rank):
                multipliers[lane, k] *= slope / mean


def evaluate_one_by_one(
    knots: FloatArray,
    values: FloatArray,
    steps: FloatArray,
    conjugates: FloatArray,
    chance: FloatArray,
    welfare: FloatArray,
    surplus: FloatArray,
    slopes: FloatArray,
    lowest: FloatArray,
    lottery: FloatArray,
    multipliers: FloatArray,
    promises: FloatArray,
    heights: FloatArray,
    bounds: FloatArray,
) -> None:
    """Fill the last three arguments; places among breakpoints and slopes are looked for from the last ones on."""
    types, prices = surplus.shape
    last, end = len(knots) - 1, len(steps) - 1
    piece, step, tilt = np.zeros(types, np.int64), np.zeros(types, np.int64), np.empty(types)
    for lane in range(len(slopes)):
        promise, height, bound = 0.0, 0.0, 0.0
        for k in range(types):
            v = lowest[lane]
            for j in range(prices):
                v += lottery[lane, j] * surplus[k, j]
            at = piece[k]
            while at < last and knots[at + 1] <= v:
                at += 1
            while at > 0 and knots[at] > v:
                at -= 1
            piece[k] = at
            value = values[at]
            if at < last:
                value += (v - knots[at]) * ((values[at + 1] - value) / (knots[at + 1] - knots[at]))
            promise += chance[k] * v
            height += chance[k] * value
            m = multipliers[lane, k]
            at = step[k]
            while at < end and steps[at + 1] >= m:
                at += 1
            while at > 0 and steps[at] < m:
                at -= 1
            step[k] = at
            value = conjugates[at]
            if at < end and m < steps[at]:
                value += (steps[at] - m) * ((conjugates[at + 1] - value) / (steps[at] - steps[at + 1]))
            bound += chance[k] * value
            tilt[k] = chance[k] * (m - slopes[lane])
        best = -np.inf
        for j in range(prices):
            height += lottery[lane, j] * welfare[j]
            line = welfare[j]
            for k in range(types):
                line += tilt[k] * surplus[k, j]
            best = max(best, line)
        promises[lane], heights[lane], bounds[lane] = promise, height, bound + best
