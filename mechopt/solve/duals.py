r"""Shadow prices: what the optimum would gain if one constraint were relaxed by a unit of money.

The solver's multiplier of a row, put into money of the environment: of an incentive or participation row, per unit of
present value that a misreport may gain or a utility may be below 0; of a budget or cap, per unit of the amount itself;
of supply, per unit of the item at that history, and of the promise form's slopes, per unit of allocation. Rows of a
program may be scaled, and those of persistent types are times the realisation weight W of their history, so that with y
the multiplier of the row::

    incentive rows, independent types    y / (difference of the two values)     (the row is divided by it)
    budget and cap, independent types    y unit / |amount|                      (the row is divided by the amount)
    budget, persistent types             y W
    cap, persistent types                y W delta^t

Participation that is a bound has the reduced cost of its column. Where the optimum has several solutions of the dual,
as it often does, these are one of them: each price lies between the two one-sided derivatives only in sum over what is
relaxed together (`Duals.by_constraint`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mechopt.core.atomic import write_atomically
from mechopt.core.numbers import FloatArray
from mechopt.lp.build import compile_program
from mechopt.lp.independent.plan import Plan
from mechopt.lp.program import LinearProgram, RowFamily
from mechopt.mechanism.payments import Budget, PaymentCap, PrefixBudget

if TYPE_CHECKING:
    import pandas as pd

    from mechopt.lp.build import AnyLayout, AnyPlan
    from mechopt.lp.persistent.compile import BuiltFamily

STRUCTURAL = ("promise", "flow", "realised", "paid", "value")
"""Families that say what the columns are, and constrain no mechanism."""
NO_PRICE = 1e-9
"""Multipliers that are at most this, in the program's units, are none."""


@dataclass(frozen=True)
class ShadowPrice:
    """The price of one row or bound.

    Attributes
    ----------
    constraint : str
        Name, such as ``"dic"``, ``"budget:3"`` or ``"supply"``; of a bound all participation constraints, joined by +.
    agent : int or None
    period : int or None
    history : str
        Reports (and recorded actions) before the period, as type indices.
    about : str
        What else the row is about: types and reports.
    price : float
        Money of the environment, present value, for a unit of relaxation; at least 0.
    """

    constraint: str
    agent: int | None
    period: int | None
    history: str
    about: str
    price: float


@dataclass(frozen=True, eq=False, repr=False)
class Duals:
    """Shadow prices that are not 0; worked out on first use, for which the program is built once more.

    Parameters
    ----------
    plan : Plan or PersistentPlan
    primal, dual : float arrays
        Of the solver, in the program's units.

    Examples
    --------
    Values 1 and 4 with a budget of b between them: sell to 4 at b, and to 1 at a price of 1 with such a probability
    that 4 does not mind; revenue (b + (4 - b) / 3) / 2.

    >>> from mechopt import IndependentTypes, optimum
    >>> env = IndependentTypes.iid([1, 4], ["1/2", "1/2"], horizon=1)
    >>> round(optimum(env, subject_to="budget:2").duals.by_constraint()["budget:2", 0], 9)
    0.333333333
    """

    plan: AnyPlan
    primal: FloatArray
    dual: FloatArray

    @cached_property
    def prices(self) -> tuple[ShadowPrice, ...]:
        """All prices, in the order of the program."""
        program, layout = compile_program(self.plan)
        solved = self.primal, self.dual
        return (*_rows(program, layout, *solved), *_bounds(program, layout, self.dual))

    def to_frame(self) -> pd.DataFrame:
        """One row a price: ``constraint``, ``agent``, ``period``, ``history``, ``about``, ``price``."""
        import pandas as pd

        names = ("constraint", "agent", "period", "history", "about", "price")
        return pd.DataFrame({name: [getattr(price, name) for price in self.prices] for name in names})

    def to_csv(self, path: str | Path) -> None:
        """Write the table as CSV, whole or not at all."""
        text = self.to_frame().to_csv(index=False)

        def write(file: IO[bytes]) -> None:
            file.write(text.encode())

        write_atomically(path, write)

    def by_constraint(self) -> dict[tuple[str, int | None], float]:
        """Sums of prices by constraint and agent: what a unit more of a whole budget is worth, for example."""
        total: dict[tuple[str, int | None], float] = {}
        for price in self.prices:
            key = price.constraint, price.agent
            total[key] = total.get(key, 0.0) + price.price
        return total

    def __len__(self) -> int:
        return len(self.prices)

    def __repr__(self) -> str:
        words = [
            f"{constraint}{'' if agent is None else f' of agent {agent}'} {total:.6g}"
            for (constraint, agent), total in self.by_constraint().items()
        ]
        return f"Duals({len(self.prices)} prices; in sum: {', '.join(words)})"


def _rows(program: LinearProgram, layout: AnyLayout, primal: FloatArray, dual: FloatArray) -> Iterator[ShadowPrice]:
    starts = np.array([first for first, _ in program.families])
    for row in np.flatnonzero(np.abs(dual) > NO_PRICE):
        number = int(np.searchsorted(starts, row, side="right")) - 1
        first, family = program.families[number]
        if family.name in STRUCTURAL:
            continue
        index, scale = int(row) - first, abs(float(dual[row]))
        equal = program.row_lower[row] == program.row_upper[row]
        if isinstance(family, RowFamily):
            history, about = _described(family, index, program.tree)
            price = scale * _independent_scale(family, index, layout)
        else:
            from mechopt.lp.persistent.compile import BuiltFamily

            if not isinstance(family, BuiltFamily):
                continue
            if equal and family.rows.labels and family.rows.labels[0][0] == "true type":
                continue  # the value of truth is what it is
            history, about = _described_built(family, index, program.tree)
            price = scale * _persistent_scale(family, index, layout, primal)
        if price > 0:
            yield ShadowPrice(family.name, family.agent, family.period, history, about, price)


def _described(family: RowFamily, index: int, tree: Any) -> tuple[str, str]:
    words, history = list[str](), "[]"
    place = np.unravel_index(index, tuple(size for _, size in family.axes)) if family.axes else ()
    for (axis, _), position in zip(family.axes, place, strict=True):
        if axis == "history":
            history = tree.written(family.period, int(position))
        elif axis == "pair" and family.pairs is not None:
            true, report = family.pairs[int(position)]
            words.append(f"true type {true}, report {report}")
        elif axis == "report profile":
            words.append(f"reports {[int(k) for k in np.unravel_index(int(position), tree.shape[family.period])]}")
        else:
            words.append(f"{axis} {int(position)}")
    return history, ", ".join(words)


def _described_built(family: BuiltFamily, index: int, tree: Any) -> tuple[str, str]:
    words = list[str]()
    for name, numbers in family.rows.labels:
        number = int(numbers[index])
        if name == "reports":
            words.append(f"reports {[int(k) for k in np.unravel_index(number, tree.process.shape[family.period])]}")
        else:
            words.append(f"{name} {number}")
    return tree.written(family.period, int(family.rows.slot[index])), ", ".join(words)


def _limit(layout: AnyLayout, name: str) -> PaymentCap | Budget | PrefixBudget | None:
    for constraint in layout.plan.subject_to:
        if constraint.name == name and isinstance(constraint, (PaymentCap, Budget, PrefixBudget)):
            return constraint
    return None


def _independent_scale(family: RowFamily, index: int, layout: AnyLayout) -> float:
    plan = layout.plan
    assert isinstance(plan, Plan)
    limit = _limit(layout, family.name)
    if limit is not None and family.agent is not None:
        amount = abs(float(limit.amount(family.agent)))
        if amount:
            return plan.unit / amount
        own = plan.environment.own_present_value[family.agent]
        return float(own[family.period]) if isinstance(limit, PaymentCap) else 1.0
    if family.name == "supply":
        return plan.unit * float(np.max(family.build(layout.columns).coefficients))  # type: ignore[arg-type]
    if family.name.startswith("dic ("):
        return plan.unit
    if family.pairs is not None and family.name != "indu" and family.agent is not None:
        axes = [name for name, _ in family.axes]
        place = np.unravel_index(index, tuple(size for _, size in family.axes))
        pair = int(place[axes.index("pair")])
        if plan.stage(family.period, family.agent).epsilon:
            return 1.0 / float(plan.stage(family.period, family.agent).slack)
        gain = abs(float(plan.stage(family.period, family.agent).gains[pair]))
        return 1.0 / gain
    return 1.0


def _persistent_scale(family: BuiltFamily, index: int, layout: AnyLayout, primal: FloatArray) -> float:
    limit = _limit(layout, family.name)
    if limit is None:
        return 1.0
    assert not isinstance(layout.plan, Plan)
    rows, tree, t = family.rows, layout.plan.tree, family.period
    labels = {name: int(numbers[index]) for name, numbers in rows.labels}
    node = int(tree.find(t, np.array(rows.slot[index]), np.array(labels["reports"])))
    weights = primal[layout.columns.allocation[t][node]]
    weight = float(weights[labels["action"]] if "action" in labels else weights.sum())
    if not isinstance(limit, PaymentCap) or family.agent is None:
        return weight
    return weight * float(layout.plan.process.own_present_value[family.agent][t])


def _bounds(program: LinearProgram, layout: AnyLayout, dual: FloatArray) -> Iterator[ShadowPrice]:
    reduced = np.abs(program.cost - dual @ program.matrix)
    names = "+".join(constraint.name for constraint in layout.plan.ir)
    at_bound = (reduced > NO_PRICE) & np.isfinite(program.lower) & ~np.isfinite(program.upper)
    for column in np.flatnonzero(at_bound):
        block = next(block for block in reversed(program.column_blocks) if column >= block.first)
        if block.kind == "allocation":
            continue
        agent = getattr(block, "agent", None)
        period = getattr(block, "period", getattr(block, "length", None))
        words = block.describe(int(column), program.tree)
        if agent is None:
            agent = int(np.unravel_index(int(column) - block.first, block.shape)[0])
        yield ShadowPrice(names, agent, period, "", words, float(reduced[column]))
