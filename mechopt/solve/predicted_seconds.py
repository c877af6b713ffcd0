"""How long the methods will take, known before they begin; so that the quicker one can be chosen.

Both rules are powers fitted to runs on one core of a machine of 2026 (AMD EPYC, HiGHS 1.15, simplex). Between instances
of one size times differ by a factor of about 2, and so does a point from its rule. Some of the points, in seconds, for
values 1, ..., K equally likely, DIC and EPIR:

- promised utility to 1e-6, compiled: K=2, T=32, 128: 0.13, 0.75; K=3, T=8, 32, 128: 0.029, 0.17, 1.06; K=10, T=8, 32:
  0.079, 0.53; K=40, T=4, 16: 0.24, 2.4; with numpy alone 0.55, 3.3; 0.12, 0.99, 4.6; 0.42, 3.4; 1.1, 12;
- programs over histories, by non-zeros: 135: 0.003 (K=2, T=4); 5,824: 0.056 (K=3, T=6); 36,855: 0.40 (K=2, T=12);
  157,456: 3.3 (K=3, T=9); 117,180: 2.4 (K=5, T=6); 33,259: 0.69 (K=20, T=3); 90,200: 0.85 (two buyers, K=3, T=4).
"""

from __future__ import annotations

import sys

import numpy as np

from mechopt.core.errors import require_type
from mechopt.environment.independent import IndependentTypes
from mechopt.lp.independent.plan import Size
from mechopt.solve.promised import kernels as promise_kernels

COMPILED, LOCKSTEP = (2.4e-4, 1.45, 1.27), (6.4e-4, 1.58, 1.36)
"""Promised utility at 1e-6: seconds, and their powers of the number of periods and of types."""
LEAST_PROMISED, LOADING = 1e-3, 0.5
"""Seconds a solve takes in any case, and those to load the compiler and what it has made."""
PROGRAM, PROGRAM_POWER, LEAST_PROGRAM = 7e-7, 1.28, 0.003
"""Seconds of a program: a multiple of a power of its non-zeros, and what it takes in any case."""


def promised_seconds(environment: IndependentTypes, tolerance: float = 1e-6) -> float:
    """Predict what `mechopt.mechanisms.promised_optimum` takes.

    Parameters
    ----------
    environment : IndependentTypes
        With one buyer.
    tolerance : float
        Relative width of the bracket; the number of slopes goes with its root.

    Examples
    --------
    Ten times as many periods take less than a hundred times as long:

    >>> short, long = (IndependentTypes.iid([1, 2, 4], ["0.3", "0.4", "0.3"], periods) for periods in (100, 1000))
    >>> 10 < promised_seconds(long) / promised_seconds(short) < 100
    True
    """
    require_type(
        environment, "IndependentTypes", "promised_seconds", "give one; mo.formats.program_seconds is for programs"
    )
    compiled = promise_kernels.wanted()
    work = _work(environment, COMPILED if compiled else LOCKSTEP) * float((1e-6 / tolerance) ** 0.5)
    loading = LOADING if compiled and "numba" not in sys.modules else 0.0
    return LEAST_PROMISED + work + loading


def lockstep_seconds(environment: IndependentTypes) -> float:
    """Predict what the same takes to 1e-6 without the compiled kernels."""
    return _work(environment, LOCKSTEP)


def _work(environment: IndependentTypes, rule: tuple[float, float, float]) -> float:
    seconds, by_periods, by_types = rule
    types = np.array([row[0] for row in environment.shape], dtype=np.float64)
    return seconds * float(len(types) ** by_periods) * float((types**by_types).mean())


def program_seconds(size: Size) -> float:
    """Predict what a program over histories takes to build and to solve, by simplex.

    Parameters
    ----------
    size : Size
        From `mechopt.formats.plan`.

    Examples
    --------
    Three types: at four periods the program is as quick as anything, at twelve it takes minutes.

    >>> from mechopt.lp.independent.plan import plan
    >>> environments = (IndependentTypes.iid([1, 2, 4], ["0.3", "0.4", "0.3"], periods) for periods in (4, 12))
    >>> [round(program_seconds(plan(environment).size), 2) for environment in environments]
    [0.01, 213.62]
    """
    require_type(size, "Size", "program_seconds", "give mo.Problem(env).size")
    if size.nonzeros > 10**100:
        return float("inf")
    return LEAST_PROGRAM + float(PROGRAM * float(size.nonzeros) ** PROGRAM_POWER)
