"""A period's program over the next period's models: a new point of its own lower, or upper, model.

Rows of mechanisms (columns of prices) of the next period enter as they are needed. Bounds hold with any subset of them,
so that a program may be left with rows that would change little, and loses those that it has not used lately.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.solve.dual.models import Models
from mechopt.solve.dual.stage import Record, State
from mechopt.solve.dual.warm_program import Answer, SmallProgram, WarmProgram

MOST = 40
"""Rows or columns of a program, a child, beyond those that it begins with."""
ROUNDS = 200
"""In which rows or columns are added, at most."""


class Step(NamedTuple):
    """An optimal step at a price: prices of the children, and their values up to which the objective would not grow."""

    answer: Answer
    prices: FloatArray
    values: FloatArray


class _Program(ABC):
    """Common part of the two programs: which points of the children are inside, and which were used when."""

    def __init__(self, state: State, children: list[Models]) -> None:
        self.state, self.children = state, children
        groups: dict[int, list[int]] = {}
        for m, child in enumerate(children):
            groups.setdefault(id(child), []).append(m)
        self.groups = [(children[members[0]], np.array(members)) for members in groups.values()]
        first = self._first()
        self.most = MOST * len(children) + len(first)
        self._build(first)

    @abstractmethod
    def _first(self) -> list[tuple[int, int]]:
        """Points to begin with, and never to do without."""

    @abstractmethod
    def _program(self) -> SmallProgram:
        """The program without any points."""

    @abstractmethod
    def _enter(self, points: list[tuple[int, int]]) -> None:
        """Add the rows or columns of points."""

    def _build(self, points: list[tuple[int, int]]) -> None:
        self.lp = WarmProgram(self._program())
        self.inside: dict[tuple[int, int], int] = {}
        self.order: list[tuple[int, int]] = []
        self.solves = 0
        self.add(points)

    def add(self, points: Iterable[tuple[int, int]]) -> bool:
        """Add points of children, those that are not inside; tell whether there are any."""
        fresh = [point for point in dict.fromkeys(points) if point not in self.inside]
        if fresh:
            self._enter(fresh)
            self.inside |= dict.fromkeys(fresh, self.solves)
            self.order += fresh
        return bool(fresh)

    def _mark(self, used: Array) -> None:
        """Note which points the solution uses, from their multipliers or columns."""
        self.solves += 1
        for at in np.flatnonzero(used > 0).tolist():
            self.inside[self.order[at]] = self.solves

    def _set(self, price: FloatArray) -> None:
        """Put the price into the program; first drop the half of the points used longest ago, if there are many."""
        if len(self.order) > self.most:
            first = self._first()
            recent = sorted(self.order, key=self.inside.__getitem__)[-(self.most - len(first)) // 2 :]
            self._build([*first, *sorted(set(recent) - set(first))])
        stage = self.state.stage
        self.lp.set_rows(stage.state_rows, stage.base + stage.slope @ price)

    def _again(self, price: FloatArray) -> Answer | None:
        """Solve a program anew that the solver failed on."""
        self._build(self.order)
        self._set(price)
        return self.lp.solve()


class LowerProgram(_Program):
    """The period's program over the children's lower models; its multipliers are a mechanism."""

    def _first(self) -> list[tuple[int, int]]:
        return [(m, point) for m, child in enumerate(self.children) for point in range(len(child.state.start))]

    def _program(self) -> SmallProgram:
        stage = self.state.stage
        columns = np.append(stage.price_columns, stage.value_columns[:, None], axis=1)
        self._columns: Array = columns.astype(np.int32)
        return stage.program

    def _enter(self, points: list[tuple[int, int]]) -> None:
        pools = [self.children[m].lower for m, _ in points]
        entries = np.array([pool.lifted[point] for pool, (_, point) in zip(pools, points, strict=True)])
        heights = np.array([pool.heights[point] for pool, (_, point) in zip(pools, points, strict=True)])
        self.lp.add_rows(self._columns[[m for m, _ in points]], entries, heights)

    def solve(self, price: FloatArray, short: float, before: Step | None = None) -> Step | None:
        """Optimal multipliers and prices of children at a price; None where the solver fails.

        Parameters
        ----------
        price : float array ``(d,)``
        short : float
            By which a row must be violated to enter.
        before : Step, optional
            An optimal step at this price, after which nothing but the models has changed.
        """
        stage, answer = self.state.stage, None if before is None else before.answer
        if before is None:
            self._set(price)
        for _ in range(ROUNDS):
            answer = answer or self.lp.solve() or self._again(price)
            if answer is None:
                return None
            prices = answer.columns[stage.price_columns]
            if not len(prices):
                return Step(answer, prices, np.zeros(0))
            prices = np.maximum(prices, self.children[0].state.floor)
            values, added = answer.columns[stage.value_columns], False
            for child, members in self.groups:
                heights = child.lower.heights - prices[members] @ child.lower.points.T
                best = heights.argmax(axis=1)
                over = heights[np.arange(len(members)), best] > values[members] + short
                added |= self.add(zip(members[over].tolist(), best[over].tolist(), strict=True))
            if not added:
                break
            answer = None
        assert answer is not None
        if before is None or answer is not before.answer:
            self._mark(answer.rows[len(stage.program.row_lower) :])
        return Step(answer, prices, self._levels(answer))

    def _levels(self, answer: Answer) -> FloatArray:
        """Value of each child up to which the objective would not grow."""
        stage, values = self.state.stage, answer.columns[self.state.stage.value_columns]
        if stage.weight is None:
            rows = stage.program.matrix[stage.allocation_rows]
            slack = rows @ answer.columns - stage.program.row_lower[stage.allocation_rows]
            mine = rows[stage.report][np.arange(len(values)), :, stage.value_columns] != 0
            values = values + np.where(mine, slack[stage.report], np.inf).min(axis=1)
        return values

    def record(self, number: int, price: FloatArray, step: Step) -> Record:
        """Read the mechanism off the multipliers."""
        stage, answer = self.state.stage, step.answer
        own = len(stage.program.row_lower)
        promise = -(answer.rows[stage.state_rows] @ stage.slope)
        multipliers = answer.rows[own:]
        used = multipliers > 0
        points = np.array(self.order, dtype=np.int64).reshape(-1, 2)[used]
        kept = Answer(answer.value, np.zeros(0), answer.rows[:own].copy(), answer.reduced)
        welfare = answer.value + float(price @ promise)
        return Record(number, promise, welfare, kept, points[:, 0], points[:, 1], multipliers[used])

    def elsewhere(self, record: Record, siblings: tuple[tuple[int, FloatArray], ...]) -> Iterator[tuple[int, float]]:
        """Siblings and the same mechanism's welfare there: reports are worth the same and have another distribution."""
        if not siblings:
            return
        stage = self.state.stage
        gains = stage.program.row_lower[stage.allocation_rows]
        worth = (record.answer.rows[stage.allocation_rows] * gains).sum(axis=1)
        for m, point, weight in zip(record.child.tolist(), record.point.tolist(), record.weight.tolist(), strict=True):
            worth[stage.report[m]] += weight * self.children[m].lower.heights[point]
        for other, distribution in siblings:
            yield other, float(worth @ (distribution / self.state.distribution))


class UpperProgram(_Program):
    """The period's program over the children's upper models."""

    def _first(self) -> list[tuple[int, int]]:
        """Price 0, and the rays, counted down from -1."""
        rays = [(m, -1 - ray) for m, child in enumerate(self.children) for ray in range(len(child.state.rays))]
        return [*rays, *((m, 0) for m in range(len(self.children)))]

    def _program(self) -> SmallProgram:
        """The stage's, with rows for each child: price and value are those of a mixture."""
        stage = self.state.stage
        program, columns = stage.program, len(stage.program.cost)
        lower, cost, more = program.lower.copy(), program.cost.copy(), int(stage.weight is None)
        if not more:
            lower[stage.value_columns], cost[stage.value_columns] = 0.0, 0.0
        count, d = stage.price_columns.shape
        blocks = np.zeros((count, d + 1 + more, columns))
        every = np.arange(count)
        blocks[every[:, None], np.arange(d), stage.price_columns] = -1.0
        sides = np.zeros((count, d + 1 + more))
        sides[:, d] = 1.0
        ends = sides.copy()
        if more:
            blocks[every, -1, stage.value_columns] = 1.0
            ends[:, -1] = np.inf
        at = len(program.matrix)
        self._rows: IntArray = at + np.arange(sides.size).reshape(sides.shape)
        return replace(
            program,
            cost=cost,
            lower=lower,
            matrix=np.concatenate([program.matrix, blocks.reshape(-1, columns)]),
            row_lower=np.concatenate([program.row_lower, sides.ravel()]),
            row_upper=np.concatenate([program.row_upper, ends.ravel()]),
        )

    def _enter(self, points: list[tuple[int, int]]) -> None:
        entries, heights = np.zeros((len(points), self._rows.shape[1])), np.empty(len(points))
        d, which = self.state.stage.price_columns.shape[1], [m for m, _ in points]
        for at, (m, point) in enumerate(points):
            child = self.children[m]
            if point < 0:
                entries[at, :d], heights[at] = child.state.rays[-1 - point], child.state.ray_cost[-1 - point]
            else:
                entries[at, : d + 1], heights[at] = child.upper.lifted[point], child.upper.heights[point]
        weight = self.state.stage.weight
        if weight is None:
            entries[:, -1], cost = -heights, np.zeros(len(points))
        else:
            cost = weight[which] * heights
        self.lp.add_columns(cost, self._rows[which].astype(np.int32), entries)

    def expect(self, near: IntArray) -> None:
        """Add points that are likely to be used, by child; negative for none."""
        self.add((m, point) for m, points in enumerate(near.tolist()) for point in points if point >= 0)

    def solve(self, price: FloatArray, short: float) -> Answer | None:
        """Multipliers whose value is an upper bound at a price; None where the solver fails.

        Parameters
        ----------
        price : float array ``(d,)``
        short : float
            By which a column must be violated to enter.
        """
        stage = self.state.stage
        self._set(price)
        answer, found = self.lp.solve() or self._again(price), None
        for _ in range(ROUNDS):
            if answer is None:
                return None
            found, added = answer, False
            duals = answer.rows[self._rows]
            weight = duals[:, -1] if stage.weight is None else stage.weight
            d = stage.price_columns.shape[1]
            for child, members in self.groups:
                slack = np.multiply.outer(weight[members], child.upper.heights)
                slack -= duals[members, :d] @ child.upper.points.T + duals[members, d, None]
                best = slack.argmin(axis=1)
                under = slack[np.arange(len(members)), best] < -short * np.maximum(weight[members], 1e-3)
                added |= self.add(zip(members[under].tolist(), best[under].tolist(), strict=True))
            if not added:
                break
            answer = self.lp.solve(primal=True) or self._again(price)
        if found is None:
            return None
        self._mark(found.columns[len(stage.program.cost) :])
        return found

    def elsewhere(self, found: Answer, distribution: FloatArray) -> tuple[FloatArray, float]:
        """Price and upper bound of a sibling: multipliers scale with the probability of the report they belong to.

        Each report's value and its child's price stay as they are, since multipliers enter both over that probability.
        """
        stage, own = self.state.stage, len(self.state.stage.program.cost)
        ratio = distribution / self.state.distribution
        fixed = ratio[stage.column_report] * found.columns[:own]
        cost = stage.program.cost.copy()
        value = 0.0
        if stage.weight is not None:
            cost[stage.value_columns] = 0.0
            for (m, point), share in zip(self.order, found.columns[own:].tolist(), strict=True):
                if share:
                    child = self.children[m]
                    height = child.upper.heights[point] if point >= 0 else child.state.ray_cost[-1 - point]
                    value += float(ratio[stage.report[m]] * stage.weight[m] * height) * share
        return stage.program.matrix[stage.state_rows] @ fixed - stage.base, value + float(cost @ fixed)
