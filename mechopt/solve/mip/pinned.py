"""The program in which the allocation is fixed at whole numbers: what is left are payments, a linear program.

Where types persist and actions move them, the histories after an action that is not taken have weight 0. Payments there
would be those of a limit of mechanisms that draw, which no deterministic mechanism is: they are 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.lp.persistent.compile import PersistentLayout
from mechopt.lp.program import LinearProgram

if TYPE_CHECKING:
    from mechopt.lp.build import AnyLayout

WHOLE = 1e-6
"""How far from a whole number a solver's column may be that stands for it."""


def rounded(program: LinearProgram, x: FloatArray) -> FloatArray | None:
    """Whole numbers for the columns that are to be, each with a 1 where it is nearest; None where ``x`` has others."""
    whole = np.round(x[program.integer])
    return whole if np.abs(x[program.integer] - whole).max(initial=0.0) <= WHOLE else None


def pinned(program: LinearProgram, layout: AnyLayout, whole: FloatArray) -> LinearProgram:
    """The program with these whole numbers, and no payment at histories of weight 0."""
    lower, upper = program.lower.copy(), program.upper.copy()
    lower[program.integer] = upper[program.integer] = whole
    for columns, weight in weighted_columns(layout, program, whole):
        lower[columns[:, weight == 0]] = upper[columns[:, weight == 0]] = 0.0
    return replace(program, lower=readonly(lower), upper=readonly(upper), integer=np.zeros(0, np.int64))


def constant(program: LinearProgram, layout: AnyLayout) -> FloatArray | None:
    """Whole numbers of the simplest allocation: nothing is sold, or always the first action; None if it is ruled out.

    It is a mechanism where no better one was found in time, if there are payments for it.
    """
    if not isinstance(layout, PersistentLayout):
        return np.zeros(len(program.integer))
    x, tree, mass = np.zeros(program.size[1]), layout.plan.tree, np.ones(1)
    for t in range(tree.horizon):
        first = layout.columns.allocation[t][:, 0]
        here = mass[tree.slot[t]]
        if (program.upper[first[here > 0]] == 0).any():
            return None
        x[first] = here
        weights = x[layout.columns.allocation[t]]
        mass = (weights if tree.branches[t] > 1 else weights.sum(axis=1, keepdims=True)).ravel()
    return x[program.integer]


def weighted_columns(
    layout: AnyLayout, program: LinearProgram, whole: FloatArray
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Columns ``(n, places)`` that are times a realisation weight, and that weight by place."""
    if not isinstance(layout, PersistentLayout):
        return
    x = np.zeros(program.size[1])
    x[program.integer] = whole
    columns, tree = layout.columns, layout.plan.tree
    mass = np.ones(1)
    for t in range(tree.horizon):
        weights = x[columns.allocation[t]]
        yield columns.payment[t], mass[tree.slot[t]]
        for part in (columns.realised, columns.paid):
            if t < len(part) and part[t].size:
                yield part[t], mass
        mass = (weights if tree.branches[t] > 1 else weights.sum(axis=1, keepdims=True)).ravel()
