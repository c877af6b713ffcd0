"""The exact twin of a program: the same rows and columns in the same order, with integers for floats.

The row families of `mechopt.lp` are arithmetic on arrays, so they are run once more on arrays of fractions; each
family's few distinct rows are then cleared of denominators. Money is in units of the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray, IntArray, object_array, to_exact
from mechopt.environment.reading.independent import ExactIndependent
from mechopt.histories.reports import HistoryTree
from mechopt.lp.independent.columns import Columns
from mechopt.lp.independent.payments import receipts
from mechopt.lp.independent.period import Stage
from mechopt.lp.independent.plan import Plan
from mechopt.lp.program import LinearProgram, RowFamily

LARGEST_INT = 2**62


class ExactTree(HistoryTree):
    """The tree with the distribution of each period in fractions."""

    @cached_property
    def distribution(self) -> tuple[Array, ...]:
        """``distribution[t]``: probability of each type profile of period t; one axis a buyer."""
        periods = []
        for t in range(self.horizon):
            profiles = object_array([Fraction(1)])[0:1].reshape(())
            for row in numbers(self).probabilities:
                profiles = np.multiply.outer(profiles, object_array(row[t]))
            periods.append(profiles)
        return tuple(periods)


class ExactStage(Stage):
    """The numbers of one buyer in one period in fractions."""

    @cached_property
    def values(self) -> Array:
        """Present value of the item by own type; shape ``(K,)``."""
        exact = numbers(self.tree)
        weight = self.weight / Fraction(self.unit)
        return object_array([weight * value for value in exact.values[self.buyer][self.period]])

    @property
    def weight(self) -> Fraction:
        """Present value of money of the period to the buyer."""
        exact = numbers(self.tree)
        return (exact.discounts[self.buyer] if exact.discounts else exact.discount) ** self.period

    @property
    def slack(self) -> Fraction:
        """Gain that a misreport may have."""
        return self.epsilon / Fraction(self.unit)

    @property
    def to_seller(self) -> Fraction:
        """Seller's present value of a payment in the period, as a share of the buyer's."""
        return numbers(self.tree).discount ** self.period / self.weight

    @property
    def options(self) -> Array | None:
        """Present value of the buyer's outside option by own type; None where nobody has one."""
        outside, weight = numbers(self.tree).outside, self.weight / Fraction(self.unit)
        if outside is None:
            return None
        return object_array([weight * number for number in outside[self.buyer][self.period]])

    @property
    def distributions(self) -> list[Array]:
        """Probabilities of the types of the period, by buyer."""
        return [object_array(row[self.period]) for row in numbers(self.tree).probabilities]

    @cached_property
    def margins(self) -> Array:
        """Present value of the item less its cost by own type; shape ``(K,)``."""
        exact = numbers(self.tree)
        fee = exact.discount**self.period * exact.cost[self.period] / Fraction(self.unit)
        return np.asarray(self.values * self.to_seller - fee)

    def money(self, amount: Fraction) -> Fraction:
        """Present value of an amount of the period's money."""
        return self.weight * amount / Fraction(self.unit)

    def money_now(self, amount: Fraction) -> Fraction:
        """An amount of money of period 0."""
        return amount / Fraction(self.unit)

    def _differences(self, upper: IntArray, lower: IntArray) -> Array:
        """Differences of values."""
        return np.asarray(self.values[upper] - self.values[lower])

    @cached_property
    def others(self) -> Array:
        """Probability of each profile of the others' types; shape ``(M,)``."""
        others = object_array([Fraction(1)])
        for j, row in enumerate(numbers(self.tree).probabilities):
            if j != self.buyer:
                others = np.multiply.outer(others, object_array(row[self.period])).ravel()
        return others


class _ExactPlan(Plan):
    """The plan whose families are built from fractions."""

    exactly = True

    def stage(self, t: int, i: int) -> Stage:
        """Numbers of buyer i in period t."""
        return ExactStage(self.tree, t, i, self.unit, *self.compared(i))


@dataclass(frozen=True, eq=False)
class ExactProgram:
    """A `LinearProgram` in integers.

    Attributes
    ----------
    start, index, value : arrays
        The matrix by rows; row r is ``factor[r]`` times the program's row. ``value`` holds int64, or Python integers
        where these would not do.
    factor : array of int ``(rows,)``
    row_lower, row_upper, lower, upper : float arrays
        Sides of the program's rows (not yet times ``factor``) and bounds: whole numbers or infinite.
    cost : array of int ``(columns,)``
        ``denominator`` times the cost.
    denominator : int
    offset : Fraction
    """

    start: IntArray
    index: IntArray
    value: Array
    factor: Array
    row_lower: FloatArray
    row_upper: FloatArray
    lower: FloatArray
    upper: FloatArray
    cost: Array
    denominator: int
    offset: Fraction


def numbers(tree: HistoryTree) -> ExactIndependent:
    """The exact numbers of the tree's environment.

    Raises
    ------
    InputError
        If it has none.
    """
    exact = tree.environment.exact
    if exact is None:
        raise InputError(
            'the probabilities are floats that do not sum to 1 exactly: write exact ones, such as "1/3", for a proof'
        )
    return exact


def exact_program(plan: Plan, program: LinearProgram, unit: float = 1.0) -> ExactProgram:
    """Build the exact twin of a program.

    Parameters
    ----------
    plan : Plan
    program : LinearProgram
        From `compile_program`; gives the sides and bounds, which are whole numbers already.
    unit : float
        Money is measured in this power of two.
    """
    twin = exact_twin(plan, unit)
    columns = plan.make_columns()
    built = []
    for family in twin.families:
        rows = family.build(columns)
        built.append((rows.columns, _coefficients(twin, family, rows.coefficients)))
    if plan.environment.discounts is None:
        cost, denominator, offset = _objective(twin, columns.lifetime, columns.allocation, columns.count)
    else:
        cost, denominator, offset = _objective_by_discounts(twin, columns)
    return in_integers(program, built, cost, denominator, offset)


def exact_twin(plan: Plan, unit: Any = 1.0) -> Plan:
    """The same plan with families that are built from fractions, money measured in ``unit``."""
    named = {field.name: getattr(plan, field.name) for field in fields(Plan)}
    return _ExactPlan(**(named | {"tree": ExactTree(plan.tree.environment), "unit": unit}))


def in_integers(
    program: LinearProgram, built: Sequence[tuple[IntArray, Array]], cost: Array, denominator: int, offset: Fraction
) -> ExactProgram:
    """Assemble families of rows (columns, coefficients in fractions), cleared of denominators."""
    counts, index, value, factor = [np.zeros(1, np.int64)], [], [], []
    for columns, fractions in built:
        cleared, factors = _cleared(fractions)
        coefficients = np.broadcast_to(cleared, columns.shape)
        kept = coefficients != 0
        counts.append(kept.reshape(-1, kept.shape[-1]).sum(axis=1))
        index.append(columns[kept])
        value.append(coefficients[kept])
        factor.append(np.broadcast_to(factors, columns.shape[:-1]).ravel())
    return ExactProgram(
        np.cumsum(np.concatenate(counts)),
        np.concatenate(index),
        np.concatenate(value),
        np.concatenate(factor),
        program.row_lower,
        program.row_upper,
        program.lower,
        program.upper,
        cost,
        denominator,
        offset,
    )


def whole(array: Any) -> Array:
    """Integers as int64 where they fit with room to spare, else as Python integers."""
    largest = max((abs(int(n)) for n in np.ravel(array)), default=0)
    return np.array(array, dtype=np.int64 if largest < LARGEST_INT else object)


def _coefficients(plan: Plan, family: RowFamily, built: Array) -> Array:
    """A family's coefficients as fractions; the ends of the slopes divide floats, so they are written out here."""
    if family.name in ("dic (lowest slope)", "dic (highest slope)"):
        step = np.diff(plan.stage(family.period, 0).values)[0 if "lowest" in family.name else -1]
        return object_array([1 / step, -1 / step])
    return as_fractions(built)


def as_fractions(built: Array) -> Array:
    """Coefficients as fractions; floats among them may only be whole."""
    return object_array([_fraction(number) for number in np.ravel(built)]).reshape(np.shape(built))


def _fraction(number: Any) -> Fraction:
    if isinstance(number, float) and number not in (-1.0, 0.0, 1.0):
        raise TypeError(f"a row is built from the float {number}")
    return Fraction(number)


def _cleared(coefficients: Array) -> tuple[Array, Array]:
    """Rows (last axis) times their common denominator, and that denominator."""
    rows = coefficients.reshape(-1, coefficients.shape[-1])
    factors = [lcm(*(number.denominator for number in row)) for row in rows]
    integers = [[int(number * factor) for number in row] for row, factor in zip(rows, factors, strict=True)]
    shape = coefficients.shape
    return whole(integers).reshape(shape), whole(factors).reshape(shape[:-1])


def _objective(
    plan: Plan, lifetime: tuple[IntArray, ...], allocation: tuple[IntArray, ...], count: int
) -> tuple[Array, int, Fraction]:
    """Cost in integers, its common denominator, and the offset; in floats: `mechopt.lp.independent.compile`."""
    weights, tree, exact, offset = plan.objective, plan.tree, numbers(plan.tree), Fraction(0)
    sale, root = to_exact(weights.revenue) + to_exact(weights.welfare), to_exact(weights.utility)
    root -= to_exact(weights.revenue)
    patterns = []  # by period: coefficient of each column after a history, per probability of the history
    for t in range(tree.horizon):
        worth = []
        for i in range(tree.environment.agents):
            values: Array = plan.stage(t, i).values
            own = values - exact.discount**t * exact.cost[t] / Fraction(plan.unit)
            if exact.seller_values is not None:
                own = own + exact.discount**t * object_array(exact.seller_values[i][t]) / Fraction(plan.unit)
            shape = [1] * tree.environment.agents
            shape[i] = -1
            worth.append((sale * own.reshape(shape) * tree.distribution[t]).ravel())
        if plan.form == "promise":
            steps = np.diff(plan.stage(t, 0).values)
            pattern, constant = _through_slopes(worth[0], steps)
            worth, offset = [pattern], offset + constant
        patterns.append(np.array(worth, dtype=object))
    denominator, below, scales = root.denominator, 1, []
    reach, reaches = np.ones(1, dtype=np.int64), []
    for t, pattern in enumerate(patterns):
        reaches.append((reach, below))
        scales.append(lcm(*(number.denominator for number in pattern.ravel())))
        denominator = lcm(denominator, below * scales[t])
        distribution: Array = tree.distribution[t].ravel()
        common = lcm(*(number.denominator for number in distribution))
        reach = _times(reach[:, None], whole([int(number * common) for number in distribution])).ravel()
        below *= common
    cost: Array = np.zeros(count, dtype=object)
    for t, (pattern, (reach, below)) in enumerate(zip(patterns, reaches, strict=True)):
        block = (allocation[t] if plan.form != "promise" else lifetime[t + 1]).reshape(len(pattern), len(reach), -1)
        integers = np.array([int(number * (denominator // below)) for number in pattern.ravel()], dtype=object)
        integers = whole(integers).reshape(len(pattern), 1, -1)
        cost[block] += _times(reach[None, :, None], integers)
    cost[lifetime[0]] += int(root * denominator)
    return whole(cost), denominator, offset


def _objective_by_discounts(plan: Plan, columns: Columns) -> tuple[Array, int, Fraction]:
    """The same where discounts differ: the payment form, with the seller's shares of what R gains."""
    tree, exact = plan.tree, numbers(plan.tree)
    revenue, welfare, utility = (
        to_exact(weight) for weight in (plan.objective.revenue, plan.objective.welfare, plan.objective.utility)
    )
    cost = object_array([Fraction(0)] * columns.count)
    cost[columns.lifetime[0]] = utility
    reaches = [object_array([Fraction(1)])]
    for profiles in tree.distribution:
        reaches.append(np.multiply.outer(reaches[-1], profiles.ravel()).ravel())
    for i in range(tree.environment.agents):
        stages = [plan.stage(t, i) for t in range(tree.horizon)]
        for length, share in enumerate(receipts(stages)):
            cost[columns.realised[length][i]] += revenue * share * reaches[length]
        for t, stage in enumerate(stages):
            weight = exact.discount**t / Fraction(plan.unit)
            gains = exact.seller_values[i][t] if exact.seller_values else (Fraction(0),) * stage.types[i]
            kept = object_array([weight * (gain - exact.cost[t]) for gain in gains])
            values: Array = stage.values
            own = revenue * (values * stage.to_seller + kept) + welfare * (values + kept)
            shape = [1] * tree.environment.agents
            shape[i] = -1
            block = columns.allocation[t][i]
            cost[block] = np.broadcast_to(own.reshape(shape), block.shape[1:]) * reaches[t + 1].reshape(block.shape)
    denominator = lcm(*(number.denominator for number in cost))
    return whole([int(number * denominator) for number in cost]), denominator, Fraction(0)


def _times(left: Array, right: Array) -> Array:
    """Product of integer arrays, in Python integers where int64 might not hold it."""
    largest = [max((abs(int(n)) for n in np.ravel(side)), default=0) for side in (left, right)]
    dtype = np.int64 if max(*largest, largest[0] * largest[1]) < LARGEST_INT else object
    return np.asarray(left.astype(dtype) * right.astype(dtype))


def _through_slopes(worth: Array, steps: Array) -> tuple[Array, Fraction]:
    """Promise form: the value of sales to each type as coefficients of S and a constant; see `promise_form`."""
    pattern, constant = object_array([Fraction(0)] * len(worth)), Fraction(0)
    for k, gain in enumerate(worth):
        step = k if gain >= 0 else k - 1
        if 0 <= step < len(steps):
            pattern[step + 1] += gain / steps[step]
            pattern[step] -= gain / steps[step]
        elif step == len(steps):
            constant += gain
    return pattern, constant
