r"""The program of identical buyers on orbits of histories, built directly.

A program whose buyers are identical is invariant under permutations of the buyers that act on all reports alike. The
average of an optimal solution over all permutations is feasible and optimal, so that one column serves for an orbit of
columns, and one row for an orbit of rows. What is left of a history for a buyer is her own sequence s of reports and
the multiset o of the others' (`mechopt.histories.orbits`). In the utility form
(`mechopt.lp.independent.plan`), with S(o, s) the lifetime utility,
x(o', s') the allocation, W(o'|o) the probability that multiset o continues as o', and sequences s k:

- promise: :math:`S(o,s) = \sum_{o'} W(o'|o) \sum_k f_k S(o', sk)`;
- supply: :math:`\sum_{s'} m_{s'} x(m - s', s') \le 1` at every multiset m of all buyers' sequences;
- DIC: :math:`\sum_{o'} W(o'|o) [S(o',sk) - S(o',sj) - (v_k - v_j) x(o',sj)] \ge 0` for neighbours k and j.

Source: averaging over a symmetry group, as for invariant convex programs in general: Gatermann and Parrilo (2004),
Journal of Pure and Applied Algebra 192.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.environment.words import ModelWords
from mechopt.histories.orbits import OrbitTree, identical_buyers
from mechopt.lp.independent.plan import BUILD_BYTES_PER_NONZERO, SOLVE_BYTES_PER_NONZERO, Plan, Size
from mechopt.lp.program import LinearProgram
from mechopt.mechanism.constraints import DIC, EPIR, ExAnteIR, ExPostIC, Interim, SuperDIC, closure


@dataclass(frozen=True)
class OrbitRows:
    """A family of rows over places (multiset of the others, own sequence), or over multisets of all; in words."""

    name: str
    period: int
    tree: OrbitTree
    pairs: tuple[tuple[int, int], ...] = ()

    def describe(self, index: int, tree: Any) -> str:
        """Say in words what a row demands."""
        if self.name == "supply":
            return f"supply, period {self.period}, reports of all buyers number {index}"
        if self.name == "interim":
            return f"interim, any agent, period {self.period}, type {index}"
        place, pair = divmod(index, max(len(self.pairs), 1))
        words = f"{self.name}, any buyer, period {self.period}, {self.tree.written(self.period, place)}"
        names = (
            [ModelWords(self.tree.environment).type(self.period, 0, k) for k in self.pairs[pair]] if self.pairs else []
        )
        return words + (f", true type {names[0]}, report {names[1]}" if names else "")


@dataclass(frozen=True)
class OrbitColumns:
    """Columns of one kind over the places of one length."""

    kind: str
    length: int
    first: int
    shape: tuple[int, ...]
    tree: OrbitTree

    @property
    def name(self) -> str:
        """Such as ``"allocation 1"``."""
        return f"{self.kind} {self.length}"

    def describe(self, column: int, tree: Any) -> str:
        """Say in words whose variable a column is."""
        return f"{self.kind} of any buyer {self.tree.written(self.length, column - self.first)}"


def why_not_orbits(plan: Plan) -> str | None:
    """Why a plan has no program on orbits; None where it has one."""
    if plan.environment.agents < 2 or not identical_buyers(plan.environment):
        return "the buyers are not identical"
    if not plan.environment.plain:
        return "it has no seller_values, outside options or discounts that differ"
    if plan.environment.slots is not None:
        return "it is for one item a period"
    if plan.subject_to:
        return "it has no payments that constraints could be on"
    if plan.form != "utility":
        return f"it is for the utility form, not the {plan.form} form"
    implied = closure(plan.ic)
    if DIC() not in implied or SuperDIC() in implied or ExPostIC() in implied:
        return "it is for DIC"
    return None


def orbit_size(plan: Plan) -> Size:
    """Rows, columns and non-zeros of the program on orbits; histories are places."""
    tree, types = OrbitTree(plan.environment), plan.environment.shape
    periods, n = plan.environment.horizon, plan.environment.agents
    places = [tree.count(t, n - 1) * tree.sequences[t] for t in range(periods + 1)]
    columns = sum(places) + sum(places[1:])
    rows = nonzeros = 0
    for t in range(periods):
        pairs, splits = 2 * (types[t][0] - 1), tree.count(t + 1, n - 1) * tree.sequences[t]
        rows += places[t] * (1 + pairs) + tree.count(t + 1, n)
        nonzeros += places[t] + splits * (types[t][0] + 3 * pairs) + places[t + 1]
    if _interim_asked(plan):
        rows, nonzeros = rows + types[0][0], nonzeros + types[0][0] * tree.count(1, n - 1)
    needed = (BUILD_BYTES_PER_NONZERO + SOLVE_BYTES_PER_NONZERO["simplex"]) * nonzeros
    return Size(rows, columns, nonzeros, sum(places), needed)


@dataclass(frozen=True, eq=False)
class OrbitLayout:
    """The way back from a vector of columns; ``lifetime[t]`` and ``allocation[t]`` are the first columns of blocks.

    Attributes
    ----------
    plan : Plan
    tree : OrbitTree
    lifetime : tuple over t = 0, ..., T of int
    allocation : tuple over t = 0, ..., T - 1 of int
        Of the places of length t + 1.
    columns : int
    """

    plan: Plan
    tree: OrbitTree
    lifetime: tuple[int, ...]
    allocation: tuple[int, ...]
    columns: int

    @cached_property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Multisets and sequences by length."""
        return tuple((len(m), s) for m, s in zip(self.tree.multisets, self.tree.sequences, strict=True))

    def _block(self, x: FloatArray, first: int, t: int) -> FloatArray:
        rows, columns = self.shapes[t]
        return x[first : first + rows * columns].reshape(rows, columns)

    def lifetimes(self, x: FloatArray) -> list[FloatArray]:
        """S by length, ``(multisets, sequences)``, money of the environment, present value."""
        return [self.plan.unit * self._block(x, first, t) for t, first in enumerate(self.lifetime)]

    def allocations(self, x: FloatArray) -> list[FloatArray]:
        """Allocation by period over the places after it; within [0, 1]."""
        return [np.clip(self._block(x, first, t + 1), 0.0, 1.0) + 0.0 for t, first in enumerate(self.allocation)]


def _layout(plan: Plan) -> OrbitLayout:
    tree = OrbitTree(plan.environment)
    sizes = [len(m) * s for m, s in zip(tree.multisets, tree.sequences, strict=True)]
    firsts = np.cumsum([0, *sizes, *sizes[1:]]).tolist()
    return OrbitLayout(plan, tree, tuple(firsts[: len(sizes)]), tuple(firsts[len(sizes) : -1]), firsts[-1])


@dataclass(frozen=True, eq=False)
class Figures:
    """The numbers of a program, floats or fractions; by period where nothing else is said.

    Attributes
    ----------
    distribution, values : arrays ``(K,)``
        Probabilities, and the present value of the item in the program's unit of money.
    margins : arrays ``(K,)``
        What a sale adds to the objective, in that unit.
    shares : arrays
        Probability of each multiset of the others given the one that it continues.
    reach : arrays ``(multisets, sequences)`` of length t + 1
    utility : number
        What a buyer's expected utility adds to the objective.
    """

    distribution: tuple[Array, ...]
    values: tuple[Array, ...]
    margins: tuple[Array, ...]
    shares: tuple[Array, ...]
    reach: tuple[Array, ...]
    utility: Any


def float_figures(plan: Plan, tree: OrbitTree) -> Figures:
    """Those of a plan, in its unit."""
    env, weights = plan.environment, plan.objective
    values = [env.present_value[t] * env.values[0][t] / plan.unit for t in range(env.horizon)]
    costs = [env.present_value[t] * env.cost[t] / plan.unit for t in range(env.horizon)]
    margins = tuple((weights.revenue + weights.welfare) * (v - c) for v, c in zip(values, costs, strict=True))
    return Figures(
        env.probabilities[0], tuple(values), margins, tree.weights, tree.reach[1:], weights.utility - weights.revenue
    )


Triple = tuple[Any, Any, Any]
"""Rows, columns and coefficients, arrays that broadcast."""


class OrbitMatrix:
    """Rows gathered as triples, family by family."""

    def __init__(self) -> None:
        self.parts: list[tuple[IntArray, IntArray, Array]] = []
        self.lower: list[FloatArray] = []
        self.upper: list[FloatArray] = []
        self.families: list[tuple[int, OrbitRows]] = []
        self.rows = 0

    def add(
        self, family: OrbitRows, count: int, triples: Sequence[tuple[Any, Any, Any]], side: tuple[float, float]
    ) -> None:
        """Append ``count`` rows; triples (row, column, coefficient) broadcast."""
        for row, column, coefficient in triples:
            row, column, coefficient = (part.ravel() for part in np.broadcast_arrays(row, column, coefficient))
            kept = coefficient != 0
            self.parts.append((self.rows + row[kept], column[kept], coefficient[kept]))
        self.lower.append(np.full(count, side[0]))
        self.upper.append(np.full(count, side[1]))
        self.families.append((self.rows, family))
        self.rows += count

    def by_rows(self) -> tuple[IntArray, IntArray, Array]:
        """Starts, columns and coefficients."""
        row, column, value = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        order = np.lexsort((column, row))
        start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=self.rows))])
        return start, column[order], value[order]


def compile_orbits(plan: Plan) -> tuple[LinearProgram, OrbitLayout]:
    """Build the program on orbits of a plan.

    Parameters
    ----------
    plan : Plan
        For which `why_not_orbits` has no reason.

    Returns
    -------
    program : LinearProgram
        Maximises the objective in units of ``plan.unit``.
    layout : OrbitLayout

    Examples
    --------
    >>> from mechopt import IndependentTypes
    >>> from mechopt.formats import plan
    >>> chosen = plan(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3, agents=3))
    >>> program, _ = compile_orbits(chosen)
    >>> program.size == (orbit_size(chosen).rows, orbit_size(chosen).columns, orbit_size(chosen).nonzeros)
    True
    """
    layout = _layout(plan)
    matrix, cost = orbit_rows(layout, float_figures(plan, layout.tree))
    lower, upper = _bounds(plan, layout)
    start, index, value = matrix.by_rows()
    program = LinearProgram(
        readonly(cost),
        0.0,
        readonly(lower),
        readonly(upper),
        start,
        index,
        value.astype(np.float64),
        np.concatenate(matrix.lower),
        np.concatenate(matrix.upper),
        tuple(matrix.families),
        _blocks(layout),
        plan.tree,
        plan.tree.horizon,
    )
    return program, layout


def orbit_rows(layout: OrbitLayout, figures: Figures) -> tuple[OrbitMatrix, Array]:
    """All rows, and the costs of the columns, in the kind of numbers that the figures are."""
    matrix, tree, plan = OrbitMatrix(), layout.tree, layout.plan
    n, kind = plan.environment.agents, figures.distribution[0].dtype
    cost = np.zeros(layout.columns, dtype=kind)
    cost[0] = n * figures.utility
    for t, distribution in enumerate(figures.distribution):
        own = np.arange(tree.sequences[t])
        after = np.arange(tree.sequences[t + 1]).reshape(len(own), len(distribution))
        parent, share = tree.parents[t][:, None], figures.shares[t][:, None]
        place = parent * len(own) + own  # (o', s): the place that the others' o' and the own s k continue
        later = (np.arange(len(parent)) * tree.sequences[t + 1])[:, None, None] + after  # (o', s, k)
        utility, sold = layout.lifetime[t + 1] + later, layout.allocation[t] + later
        places = len(tree.multisets[t]) * len(own)
        here = np.arange(places)
        triples = [(here, layout.lifetime[t] + here, 1), (place[..., None], utility, -share[..., None] * distribution)]
        matrix.add(OrbitRows("promise", t, tree), places, triples, (0.0, 0.0))
        pairs = tuple((k, j) for a in range(len(distribution) - 1) for k, j in ((a, a + 1), (a + 1, a)))
        if pairs:
            triples = _dic(figures.values[t], pairs, place, share, utility, sold)
            matrix.add(OrbitRows("dic", t, tree, pairs), places * len(pairs), triples, (0.0, np.inf))
        number, same = tree.all_buyers(t + 1)
        allocation = layout.allocation[t] + np.arange(number.size).reshape(number.shape)
        matrix.add(OrbitRows("supply", t, tree), tree.count(t + 1, n), [(number, allocation, same)], (-np.inf, 1.0))
        own_types = np.arange(tree.sequences[t + 1]) % len(distribution)
        cost[allocation] = n * figures.reach[t] * figures.margins[t][own_types]
        if t == 0 and _interim_asked(plan):
            matrix.add(
                OrbitRows("interim", 0, tree),
                len(distribution),
                [(np.arange(len(distribution)), utility[:, 0], share)],
                (0.0, np.inf),
            )
    return matrix, cost


def _interim_asked(plan: Plan) -> bool:
    """Whether interim participation is asked for and nothing else implies it."""
    return Interim() in plan.ir and Interim() not in closure(
        constraint for constraint in plan.ir if constraint != Interim()
    )


def _dic(
    values: Array,
    pairs: Sequence[tuple[int, int]],
    place: IntArray,
    share: Array,
    utility: IntArray,
    sold: IntArray,
) -> list[Triple]:
    """Triples of the rows of DIC, divided by the difference of the values as in `mechopt.lp.independent.incentive`."""
    triples = list[Triple]()
    for number, (true, report) in enumerate(pairs):
        gain, row = values[true] - values[report], place * len(pairs) + number
        triples.append((row, utility[..., true], share / abs(gain)))
        triples.append((row, utility[..., report], -share / abs(gain)))
        triples.append((row, sold[..., report], -share if gain > 0 else share))
    return triples


def _bounds(plan: Plan, layout: OrbitLayout) -> tuple[FloatArray, FloatArray]:
    """Allocations in [0, 1], and the participation constraints that are bounds."""
    lower, upper = np.full(layout.columns, -np.inf), np.full(layout.columns, np.inf)
    lower[layout.allocation[0] :], upper[layout.allocation[0] :] = 0.0, 1.0
    implied = closure(plan.ir)
    if EPIR() in implied:  # and then everywhere, as S is an average of S at the end of paths
        lower[: layout.allocation[0]] = 0.0
    elif ExAnteIR() in implied:
        lower[0] = 0.0
    return lower, upper


def _blocks(layout: OrbitLayout) -> tuple[OrbitColumns, ...]:
    tree = layout.tree
    lifetime = [
        OrbitColumns("lifetime utility", t, first, layout.shapes[t], tree) for t, first in enumerate(layout.lifetime)
    ]
    sold = [
        OrbitColumns("allocation", t + 1, first, layout.shapes[t + 1], tree)
        for t, first in enumerate(layout.allocation)
    ]
    return (*lifetime, *sold)
