r"""Present values for ever of a policy, split into a level and differences, so that long horizons cost no digits.

With rewards r, kernel P and discount d, the value W = r + d P W grows like 1/(1-d), and so does its rounding, while the
differences of W between states stay where they are if the chain mixes. So W = h + g/(1-d) with

.. math:: h - d P h + g = r,

as every row of P sums to 1. Both are found to the rounding of h: by elimination, or by BiCGSTAB or GMRES with
refinement in which the constant part of each correction goes to g. 1 - d comes from the exact discount where there is
one.

Accuracy: with the residual :math:`\rho` of (h, g), and its rounding, W is right to :math:`\rho/(1-d)`; that is refused
where it is above `ACCURACY` of the largest value, as for chains that do not mix when d is very near 1.

Source: Blackwell (1962), Annals of Mathematical Statistics 33, for the two parts; Puterman (1994), section 8.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, bicgstab, gmres

from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray

ACCURACY = 1e-9
"""Relative error of a value above which it is refused."""
ROUNDS, MAX_SWEEPS = 60, 100_000
"""Refinements, and sweeps where they stall."""
SOLVERS: tuple[tuple[Any, dict[str, int]], ...] = ((bicgstab, {"maxiter": 200}), (gmres, {"restart": 40, "maxiter": 5}))
"""BiCGSTAB keeps no basis, which costs as much as the chain's steps; where it breaks down, GMRES."""
ROUNDING = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Relative:
    """The two parts of a value; ``value = differences + level / left``.

    Attributes
    ----------
    differences : array
        Between states; a constant may be moved between them and the level.
    level : float
        What a period is worth in the long run, as d goes to 1.
    left : float
        1 - d.
    """

    differences: FloatArray
    level: float
    left: float

    @property
    def value(self) -> FloatArray:
        """Present value by state."""
        value: FloatArray = self.differences + self.level / self.left
        return value


def left_over(environment: Any) -> float:
    """1 - d, from the exact discount where there is one."""
    exact = getattr(environment, "exact", None)
    return float(1 - exact.discount) if exact is not None else 1.0 - float(environment.discount)


def split(value: FloatArray, left: float) -> Relative:
    """The two parts of a guess of a value."""
    first = float(value.flat[0])
    return Relative(value - first, first * left, left)


def evaluated(step: Callable[[FloatArray], FloatArray], reward: FloatArray, start: Relative) -> Relative:
    """Value of a policy.

    Parameters
    ----------
    step : callable
        From an array by state to d P times it.
    reward : array, axes: states
    start : Relative
        A guess.

    Raises
    ------
    LimitError
        If the accuracy is out of reach.
    """
    shape, left = reward.shape, start.left
    operator = LinearOperator(
        (reward.size, reward.size),
        matvec=lambda flat: flat - step(flat.reshape(shape)).ravel(),
        dtype=np.dtype(np.float64),
    )
    h, g = start.differences, start.level
    residual = reward + step(h) - h - g
    for _ in range(ROUNDS):
        size, enough = float(np.abs(residual).max()), ROUNDING * _scale(reward, h, g)
        if size <= enough:
            break
        accuracy = max(1e-8, enough / (2 * size))
        for solver, options in SOLVERS:
            correction, _ = solver(operator, residual.ravel(), rtol=accuracy, atol=0.0, **options)
            constant = float(correction[0])
            tried_h, tried_g = h + (correction - constant).reshape(shape), g + constant * left
            tried = reward + step(tried_h) - tried_h - tried_g
            if float(np.abs(tried).max()) < size:
                break
        else:
            break
        h, g, residual = tried_h, tried_g, tried
    h, g, residual = _swept(step, reward, h, g, residual)
    return required(Relative(h, g, left), reward, residual)


def _swept(
    step: Callable[[FloatArray], FloatArray], reward: FloatArray, h: FloatArray, g: float, residual: FloatArray
) -> tuple[FloatArray, float, FloatArray]:
    """Add up what is left, r + d P r + ..., whose constant part goes to g: plain sweeps, where GMRES stalls."""
    for _ in range(MAX_SWEEPS):
        middle = (float(residual.min()) + float(residual.max())) / 2
        residual, g = residual - middle, g + middle
        if float(np.abs(residual).max()) <= ROUNDING * _scale(reward, h, g):
            break
        h, residual = h + residual, step(residual)
    return h, g, reward + step(h) - h - g


def required(found: Relative, reward: FloatArray, residual: FloatArray) -> Relative:
    """The same, or a refusal where a value is not known to `ACCURACY`.

    Raises
    ------
    LimitError
        If it is not.
    """
    rounding = 4 * ROUNDING * _scale(reward, found.differences, found.level)
    error = (float(np.abs(residual).max()) + rounding) / found.left
    largest = float(np.abs(found.value).max())
    if error > ACCURACY * largest and error > ACCURACY * float(np.abs(reward).max(initial=0.0)) / found.left:
        raise LimitError(
            f"a policy is evaluated to {error / max(largest, 1e-300):.1g} of its value only, above {ACCURACY:g}; use a "
            "smaller discount"
        )
    return found


def _scale(reward: FloatArray, h: FloatArray, g: float) -> float:
    return max(float(np.abs(reward).max(initial=0.0)), float(np.abs(h).max(initial=0.0)), abs(g))
