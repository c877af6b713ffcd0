"""Formulas of identical buyers: the program on orbits of histories, and the way back to all histories.

Buyers are identical where their values and probabilities are the same functions of the parameter, not where they agree
at a point. The program is that of `mechopt.lp.orbits`, with one column for all histories that differ by who is who.
"""

from __future__ import annotations

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import IntArray
from mechopt.environment.parametric import ParametricModel
from mechopt.histories.orbits import OrbitTree
from mechopt.lp.independent.compile import Layout
from mechopt.lp.independent.plan import Plan
from mechopt.lp.orbits import OrbitLayout, compile_orbits, why_not_orbits
from mechopt.lp.program import LinearProgram
from mechopt.solve.exact.independent import ExactProgram
from mechopt.solve.exact.orbits import exact_orbit_program

MOST_WRITTEN = 200_000
"""Largest number of columns over all histories in which a mechanism is written out."""


def has_orbits(model: ParametricModel, chosen: object) -> bool:
    """Whether a plan of a parametric model has a program on orbits on the whole interval."""
    if not isinstance(chosen, Plan) or why_not_orbits(chosen) is not None:
        return False
    pairs = list(zip(model.exact.values, model.exact.probabilities, strict=True))
    return all(pair == pairs[0] for pair in pairs)


def exact_orbits(chosen: Plan) -> tuple[LinearProgram, ExactProgram]:
    """The float and the exact program at one value of the parameter."""
    program, layout = compile_orbits(chosen)
    return program, exact_orbit_program(layout, program)


def column_on_orbits(full: Layout, orbits: OrbitLayout) -> IntArray:
    """Of each column of the program over all histories its column in the program on orbits.

    Parameters
    ----------
    full : Layout
        Of the utility form.
    orbits : OrbitLayout
        Of the same plan.

    Raises
    ------
    LimitError
        If there are too many histories.
    """
    columns, env = full.columns, full.plan.environment
    if columns.count > MOST_WRITTEN:
        raise LimitError(
            f"the mechanism has {columns.count:,} numbers over all histories, above {MOST_WRITTEN:,}; "
            "take fewer buyers or periods"
        )
    tree, found = OrbitTree(env), np.zeros(columns.count, np.int64)
    sequences: IntArray = np.zeros((env.agents, 1), np.int64)
    for t in range(env.horizon + 1):
        for i in range(env.agents):
            place = tree.place(t, sequences, i)
            found[columns.lifetime[t][i]] = orbits.lifetime[t] + place
            if t:
                found[columns.allocation[t - 1][i].ravel()] = orbits.allocation[t - 1] + place
        if t < env.horizon:
            reports = np.indices(env.shape[t]).reshape(env.agents, 1, -1)
            sequences = (sequences[:, :, None] * env.shape[t][0] + reports).reshape(env.agents, -1)
    return found
