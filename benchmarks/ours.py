"""The mechopt contender: every call into the package is in this file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mechopt as mo
from mechopt.solve import highs

Compiled = tuple[Any, Any]


def build(values: Sequence[int], probabilities: Sequence[Any], periods: int) -> Compiled:
    """Make the environment, check it, choose the form and compile the program: all that a user's call does.

    Parameters
    ----------
    values, probabilities : sequence of length K
        Values and probabilities of the types.
    periods : int
        Number of periods.

    Returns
    -------
    program, layout
    """
    environment = mo.IndependentTypes.iid(values, probabilities, periods)
    return mo.formats.compile_program(mo.formats.plan(environment))


def size(compiled: Compiled) -> tuple[int, int, int]:
    """Return the numbers of rows, columns and nonzeros."""
    rows, columns, nonzeros = compiled[0].size
    return rows, columns, nonzeros


def solve(compiled: Compiled, algorithm: str) -> float:
    """Solve with HiGHS on one thread, recompute the bounds, and return the optimal revenue.

    Parameters
    ----------
    compiled : program, layout
        What `build` returned.
    algorithm : {"simplex", "ipx"}
        The algorithm of HiGHS.

    Returns
    -------
    float
        The optimal value.
    """
    program, layout = compiled
    return highs.solve_program(program, algorithm).value * layout.unit
