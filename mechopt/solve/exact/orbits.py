"""The exact twin of a program on orbits: the same rows and columns in fractions, cleared of denominators."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import factorial, lcm

import numpy as np

from mechopt.core.numbers import Array, IntArray, object_array, to_exact
from mechopt.histories.orbits import OrbitTree
from mechopt.lp.orbits import Figures, OrbitLayout, orbit_rows
from mechopt.lp.program import LinearProgram
from mechopt.solve.exact.independent import ExactProgram, numbers, whole


def exact_figures(layout: OrbitLayout) -> Figures:
    """The numbers of a plan as fractions, in money of the environment.

    Raises
    ------
    InputError
        If the environment has no exact numbers.
    """
    plan, tree = layout.plan, layout.tree
    exact, weights = numbers(plan.tree), plan.objective
    periods = range(plan.environment.horizon)
    distribution = tuple(object_array(exact.probabilities[0][t]) for t in periods)
    discounts = [exact.discount**t for t in periods]
    values = tuple(discounts[t] * object_array(exact.values[0][t]) for t in periods)
    sale = to_exact(weights.revenue) + to_exact(weights.welfare)
    margins = tuple(sale * (values[t] - discounts[t] * exact.cost[t]) for t in periods)
    shares = tuple(_shares(tree, t, distribution[t]) for t in periods)
    others, own, reach = object_array([Fraction(1)]), object_array([Fraction(1)]), list[Array]()
    for t in periods:
        others = others[tree.parents[t]] * shares[t]
        own = np.multiply.outer(own, distribution[t]).ravel()
        reach.append(np.multiply.outer(others, own))
    utility = to_exact(weights.utility) - to_exact(weights.revenue)
    return Figures(distribution, values, margins, shares, tuple(reach), utility)


def _shares(tree: OrbitTree, t: int, distribution: Array) -> Array:
    """Probability of each multiset of length t + 1, given the one that it continues."""
    before, after = (list(map(_arrangements, tree.multisets[u])) for u in (t, t + 1))
    return object_array(
        [
            Fraction(before[parent], ways) * _product(distribution, sequences % len(distribution))
            for parent, ways, sequences in zip(tree.parents[t], after, tree.multisets[t + 1], strict=True)
        ]
    )


def _arrangements(multiset: IntArray) -> int:
    """Product of the factorials of how often each entry occurs."""
    product = 1
    for count in np.unique(multiset, return_counts=True)[1].tolist():
        product *= factorial(count)
    return product


def _product(distribution: Array, types: IntArray) -> Fraction:
    product = Fraction(1)
    for k in types:
        product *= distribution[k]
    return product


def exact_orbit_program(layout: OrbitLayout, program: LinearProgram) -> ExactProgram:
    """Build the exact twin of a program from `mechopt.lp.orbits.compile_orbits`."""
    matrix, cost = orbit_rows(layout, exact_figures(layout))
    start, index, value = matrix.by_rows()
    fractions = [Fraction(number) for number in value]
    factor = np.ones(len(start) - 1, dtype=object)
    cleared = np.zeros(len(fractions), dtype=object)
    for row, (begin, end) in enumerate(pairwise(start)):
        entries = fractions[begin:end]
        factor[row] = lcm(*(number.denominator for number in entries))
        cleared[begin:end] = [number.numerator * (factor[row] // number.denominator) for number in entries]
    denominator = lcm(*{number.denominator for number in map(Fraction, cost)})
    integers = [int(number * denominator) for number in map(Fraction, cost)]
    return ExactProgram(
        start,
        index,
        whole(cleared),
        whole(factor),
        program.row_lower,
        program.row_upper,
        program.lower,
        program.upper,
        whole(integers),
        denominator,
        Fraction(0),
    )
