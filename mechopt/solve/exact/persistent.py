"""The exact twin of a program where types persist: the same rows and columns in the same order, with integers for
floats.

The rows of `mechopt.lp.persistent.plan` are arithmetic on the arrays of a `JointProcess`, so they are built once more
from one whose arrays hold fractions. Money is in units of the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, object_array, to_exact
from mechopt.environment.interdependent import summed_gains
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import JointProcess
from mechopt.histories.public import PublicTree
from mechopt.lp.persistent.compile import objective
from mechopt.lp.persistent.plan import PersistentPlan
from mechopt.lp.program import LinearProgram
from mechopt.solve.exact.independent import ExactProgram, whole


def exact_process(process: JointProcess) -> JointProcess:
    """The distributions by type profile in fractions.

    Raises
    ------
    InputError
        If the environment has no exact numbers.
    """
    environment = process.environment
    exact = environment.exact
    if exact is None:
        raise InputError(
            'the probabilities are floats that do not sum to 1 exactly: write exact ones, such as "1/3", for a proof'
        )
    periods, agents = range(process.horizon), range(process.agents)
    if isinstance(environment, MarkovTypes):
        values = tuple(_values(process, t, [exact.values[i][t] for i in agents]) for t in periods)
        kernel = tuple(_product([_objects(exact.kernel[i][t]) for i in agents]) for t in periods[:-1])
        initial = _product([_objects([[row]]) for row in exact.initial])[0, 0]
    else:
        values = tuple(
            np.array([np.asarray(exact.values[i][t]) for i in agents]).reshape(process.values[t].shape) for t in periods
        )
        kernel = tuple(_broadcast(exact.kernel[t], process.kernel[t].shape) for t in periods[:-1])
        initial = np.asarray(exact.initial).ravel()
    gains = exact.seller_values
    if gains is not None and isinstance(environment, MarkovTypes):
        gains = summed_gains(environment)
    options, own = None, exact.discounts
    if exact.outside is not None:
        options = [
            np.array(
                [
                    [Fraction(row[t][k]) for k in types]
                    for row, types in zip(exact.outside, process.types(t), strict=True)
                ],
                dtype=object,
            )
            for t in periods
        ]
    costs = exact.cost if isinstance(exact.cost[0], tuple) else (exact.cost,) * process.horizon
    return replace(
        process,
        values=values,
        kernel=kernel,
        initial=initial,
        costs=tuple(object_array(list(cost)) for cost in costs),
        options=None if options is None else tuple(map(np.asarray, options)),
        own_weights=None if own is None else tuple(object_array([d**t for t in periods]) for d in own),
        gains=None if gains is None else tuple(np.asarray(part).reshape(len(part), -1) for part in gains),
        present_value=object_array([exact.discount**t for t in periods]),
    )


def _objects(nested: Any) -> Array:
    """Nested sequences of fractions as an array of Python objects."""
    return np.array([[[Fraction(entry) for entry in row] for row in matrix] for matrix in nested], dtype=object)


def _broadcast(kernel: Any, shape: tuple[int, ...]) -> Array:
    """Kernel ``(A or 1, *types, *next)`` as ``(A, M, M')``."""
    flat: Array = np.asarray(kernel).reshape(len(kernel), *shape[1:])
    return np.broadcast_to(flat, shape)


def _product(kernels: Sequence[Array]) -> Array:
    """Joint kernel ``(A, M, M')`` of kernels ``(A, K_i, K_i')``."""
    joint = kernels[0]
    for kernel in kernels[1:]:
        outer = joint[:, :, None, :, None] * kernel[:, None, :, None, :]
        joint = outer.reshape(len(outer), joint.shape[1] * kernel.shape[1], -1)
    return joint


def _values(process: JointProcess, t: int, tables: Sequence[Any]) -> Array:
    """Values ``(n, A, M)`` of tables ``[a][k]`` by agent."""
    types = process.types(t)
    rows = [[[Fraction(row[k]) for k in own] for row in table] for table, own in zip(tables, types, strict=True)]
    return np.array(rows, dtype=object)


def exact_persistent_program(plan: PersistentPlan, program: LinearProgram) -> ExactProgram:
    """Build the exact twin of a program.

    Parameters
    ----------
    plan : PersistentPlan
    program : LinearProgram
        From `compile_persistent`; gives the sides and bounds, which are whole numbers already.
    """
    tree = PublicTree(exact_process(plan.process), plan.tree.reports, plan.tree.record)
    if (tree.branches, tree.count) != (plan.tree.branches, plan.tree.count):
        raise InputError("exact numbers differ by less than floats can see: which histories there are depends on them")
    goal = plan.objective
    twin = replace(plan, tree=tree, unit=Fraction(1))
    columns = twin.make_columns(tree)
    first, parts = 0, list[tuple[Array, Array, Array]]()
    for family in twin.families:
        rows = family.build(columns)
        parts.append((rows.row + first, rows.column, rows.coefficient))
        first += len(rows.lower)
    row, column = (np.concatenate([part[k] for part in parts]) for k in range(2))
    coefficient = np.concatenate([part[2].astype(object) for part in parts])
    order = np.lexsort((column, row))
    row, column, coefficient = row[order], column[order], coefficient[order]
    start = np.concatenate([[0], np.bincount(row, minlength=first).cumsum()])
    fractions = [Fraction(number) for number in coefficient]
    factor = object_array([lcm(*(f.denominator for f in fractions[a:b])) for a, b in pairwise(start)])
    value = [int(f * int(factor[r])) for f, r in zip(fractions, row, strict=True)]
    weights = to_exact(goal.revenue), to_exact(goal.welfare), to_exact(goal.utility)
    cost = [Fraction(number) for number in objective(twin, columns, weights)]
    denominator = lcm(*(number.denominator for number in cost))
    return ExactProgram(
        start,
        column,
        whole(value),
        whole(factor),
        program.row_lower,
        program.row_upper,
        program.lower,
        program.upper,
        whole([int(number * denominator) for number in cost]),
        denominator,
        Fraction(0),
    )
