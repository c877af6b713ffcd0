r"""Gittins indices: what a project that may be stopped at any time is worth a unit of discounted time.

A project in state x pays r(x) when it is worked on and moves by the kernel P; otherwise it is frozen. With discount d
and stopping times tau >= 1::

    gamma(x) = max_tau  E[sum_{t < tau} d^t r(x_t) | x_0 = x] / E[sum_{t < tau} d^t | x_0 = x]

a ratio of expectations (Bergemann and Valimaki print the expectation of a ratio). Working on a project of highest index
is optimal where one project is worked on at a time.

Indices are found from the highest down (largest remaining index): the state with the highest ratio of expected
discounted reward to expected discounted time, both up to the next visit of a remaining state, gets its ratio as index
and is eliminated from the chain, a rank-one update (Sonin 2008). Updates are collected and applied a block at a time,
as one product of matrices: 2/3 S^3 operations for S states, at the speed of such products.

Source: Gittins (1979); Varaiya, Walrand and Buyukkoc (1985); Sonin (2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import PROBABILITY_TOLERANCE, FloatArray, readonly

BLOCK = 64
"""Eliminations between two updates of the kernel."""
MAX_STATES = 20_000
"""Largest number of states: the kernel has this many rows and columns."""


def gittins_indices(kernel: Any, rewards: Any, discount: Any) -> FloatArray:
    """Compute the Gittins index of every state of a project.

    Parameters
    ----------
    kernel : array ``(state, next)``
        Distribution of the next state when the project is worked on; rows are at least 0 and sum to 1.
    rewards : sequence over states
        Money of the period; any sign.
    discount : number
        In (0, 1).

    Returns
    -------
    read-only float array ``(state,)``
        In the units of the rewards, a period.

    Raises
    ------
    InputError
        With every fault of the arguments.
    LimitError
        If there are too many states.

    References
    ----------
    Varaiya, Walrand and Buyukkoc (1985); Sonin (2008).

    Examples
    --------
    State 0 pays 0 and leads to 1 or 2, which stay for ever and pay 1 and 0. From 0 it is best to go on exactly in
    state 1: (d/2 / (1-d)) / (1 + d/2 / (1-d)) = 9/11 at d = 9/10, that is 4.5 over 5.5.

    >>> gittins_indices([[0, 0.5, 0.5], [0, 1, 0], [0, 0, 1]], [0, 1, 0], 0.9).round(12)
    array([0.81818182, 1.        , 0.        ])
    """
    moves, reward, factor = _checked(kernel, rewards, discount)
    remaining = np.arange(reward.size)
    moves *= factor
    gain, time = reward.copy(), np.ones(reward.size)  # both until the next visit of a remaining state
    indices = np.empty(reward.size)
    while remaining.size:
        count = min(BLOCK, remaining.size)
        columns, rows = np.empty((remaining.size, count)), np.empty((count, remaining.size))
        ratio, alive = gain / time, np.ones(remaining.size, dtype=bool)
        for k in range(count):
            z = int(ratio.argmax())
            indices[remaining[z]] = ratio[z]
            row = moves[z] + columns[z, :k] @ rows[:k]
            column = (moves[:, z] + columns[:, :k] @ rows[:k, z]) / (1.0 - row[z])
            alive[z] = False  # what is at eliminated states from here on is never used
            gain += column * gain[z]
            time += column * time[z]
            ratio = np.where(alive, gain / time, -np.inf)
            columns[:, k], rows[k] = column, row
        kept = np.flatnonzero(alive)
        remaining, gain, time = remaining[kept], gain[kept], time[kept]
        moves = moves[np.ix_(kept, kept)]
        moves += columns[kept] @ rows[:, kept]
    return readonly(indices)


def _checked(kernel: Any, rewards: Any, discount: Any) -> tuple[FloatArray, FloatArray, float]:
    """Turn the arguments into arrays (a copy of the kernel) and check them."""
    faults: list[Fault] = []
    moves = _array(kernel, 2, "kernel", faults)
    reward = _array(rewards, 1, "rewards", faults)
    factor = _array(discount, 0, "discount", faults)
    if factor is not None and not 0 < factor < 1:
        faults.append(Fault("discount", f"is {float(factor):.12g}", "it must be above 0 and below 1"))
    if reward is not None and reward.size == 0:
        faults.append(Fault("rewards", "are empty", "give one a state"))
    if moves is not None and reward is not None and moves.shape != (reward.size, reward.size):
        what = f"has shape {moves.shape} for {reward.size} rewards"
        faults.append(Fault("kernel", what, "give one row and one column a state"))
    if moves is not None:
        low, total = moves.min(axis=1, initial=0.0), moves.sum(axis=1)
        size = max(1, moves.shape[1])
        faults += [
            Fault(f"kernel[{s}]", f"has the probability {low[s]:.12g}", "probabilities must be at least 0")
            for s in np.flatnonzero(low < 0)
        ]
        faults += [
            Fault(f"kernel[{s}]", f"sums to {total[s]:.12g}, not 1", "divide it by its sum")
            for s in np.flatnonzero(np.abs(total - 1) > PROBABILITY_TOLERANCE * size)
        ]
    if faults or moves is None or reward is None or factor is None:
        raise InputError(faults)
    if reward.size > MAX_STATES:
        raise LimitError(f"{reward.size:,} states are more than {MAX_STATES:,}; use fewer")
    return moves, reward, float(factor)


def _array(given: Any, axes: int, where: str, faults: list[Fault]) -> FloatArray | None:
    """Copy into a float array with a number of axes and finite entries."""
    try:
        array = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        faults.append(Fault(where, "is not made of numbers in a regular shape", f"give numbers with {axes} axes"))
        return None
    if array.ndim != axes:
        faults.append(Fault(where, f"has {array.ndim} axes, not {axes}", "see the axes of gittins_indices"))
        return None
    if not np.isfinite(array).all():
        at = "".join(f"[{int(k)}]" for k in np.argwhere(~np.isfinite(array))[0])
        faults.append(Fault(where + at, "is not a finite number", "write a finite number"))
        return None
    return array
