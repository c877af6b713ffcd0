"""The best mechanism that does not know the future, as one linear program: its columns and rows.

A non-clairvoyant mechanism gives allocations x and payments p at every node of the tree of scenarios (a prefix of
names of distributions) and history of reports. In scenario s its revenue is measured by what a clairvoyant seller earns
there (`mechopt.lp.scenarios.terms`; Mirrokni, Paes Leme, Tang and Zuo 2020, section 5).

Since a payment is the value of what is allocated less the increment of the realised utility R, payments are common to
two scenarios exactly if x and R are. Columns, in present values:

- x at each node, per history and report: common to all scenarios through the node;
- S, per scenario: lifetime utility, S(h) = E S(h,.), which at the scenario's own end is R;
- W, per scenario: expected surplus of what is still to be sold, W(h) = E [sum_i (v_i - c) x_i(h,.) + W(h,.)];
- payment form only, R at each node, per history after it: common to all scenarios through the node.

In the utility form R at the end of a scenario is in no row of another, and R at nodes where none ends is in no row at
all: there it is only the timing of payments, and `ScenarioLayout.mechanism` sets it, once a node. So x is all that
scenarios have in common. In the payment form a scenario's S at its end is R at its last node.

Rows, scenario by scenario: those of `mechopt.lp.independent` with the scenario's own columns, those of W, and what the
objective is about: with the columns' unit of money in front, and A for the objective's own column,

- ratio:    (W - S at the start) / optimum - A >= 0, of every scenario;
- weighted: sum over scenarios of weight (W - S at the start) / optimum - A >= 0, once, after all others;
- regret:   (W - S at the start + A) / |optimum| >= 1, of every scenario (-1 where the optimum is below 0; undivided,
  >= 0, where it is 0).

No other coefficient is a product of probabilities, however long the scenarios.

With INDU in the utility form what a buyer can expect is not to depend on her report of the period: U(h,k) = S(h,k) -
R(h,k) is the same for all k in every scenario. R is common, so that S(h,k) - S(h,0) is common to the scenarios through
a node, and where it is R may follow any of them.

A scenario that ends with an absorbing period is worth W, whatever S is, and its optimum is the first best: its row is W
at the start / first best - A >= 0. Its other rows ask no more than those of the scenario that stops before it.

A scenario in which nothing can be earned (first best 0) sets no limit to a ratio, which is at most 1 in any case, and
has no part in a weighted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import cached_property, partial
from math import frexp, prod
from typing import Any

import numpy as np

from mechopt.core.errors import require_type
from mechopt.core.numbers import IntArray
from mechopt.environment.scenarios import Scenarios
from mechopt.histories.reports import HistoryTree
from mechopt.lp.independent.columns import ColumnBlock, Columns
from mechopt.lp.independent.plan import (
    BUILD_BYTES_PER_NONZERO,
    BYTES_PER_NODE,
    SOLVE_BYTES_PER_NONZERO,
    Plan,
    Size,
)
from mechopt.lp.independent.plan import plan as part_plan
from mechopt.lp.program import RowFamily, Rows
from mechopt.lp.scenarios.terms import STANDARD_TERMS, ScenarioTerms, scenario_terms
from mechopt.mechanism.constraints import STANDARD, Asked
from mechopt.mechanism.payments import Payments

BlockKey = tuple[str, int, int]
"""Kind of a block of columns, number of its scenario (of its node where it is shared), length of its histories."""


@dataclass(frozen=True)
class ScenarioRows(RowFamily):
    """A family of rows of one scenario, or of all together."""

    inner: RowFamily | None = None
    scenario: str = ""
    scenario_tree: HistoryTree | None = None

    @property
    def nonzeros(self) -> int:
        """Number of non-zeros of all rows together."""
        assert self.inner is not None
        return self.inner.nonzeros

    def describe(self, index: int, tree: HistoryTree) -> str:
        """Say in words what row number ``index`` demands, and in which scenario."""
        assert self.inner is not None
        if not self.scenario:
            return f"{self.name} of all scenarios"
        return f"scenario {self.scenario!r}, {self.inner.describe(index, self.scenario_tree or tree)}"


@dataclass(frozen=True)
class ScenarioBlock(ColumnBlock):
    """Columns of one scenario, or of one node of the tree of scenarios; that of the objective has neither."""

    place: str = ""
    place_tree: HistoryTree | None = None

    @property
    def name(self) -> str:
        """Such as ``"allocation 0, node 'F1'"``."""
        return f"{super().name}, {self.place}" if self.place else self.kind

    def describe(self, column: int, tree: HistoryTree) -> str:
        """Say in words what a column stands for, and where."""
        if not self.place:
            return self.kind
        return f"{super().describe(column, self.place_tree or tree)}, {self.place}"


@dataclass(frozen=True, eq=False)
class ScenarioPlan:
    """The program's blocks of columns and families of rows, and their sizes: everything but the arrays.

    Attributes
    ----------
    scenarios : Scenarios
    misreports : str
        ``"adjacent"``, or ``"all"`` for a row against every misreport: the same mechanisms, more rows.
    terms : ScenarioTerms
        What is asked for.
    """

    scenarios: Scenarios
    misreports: str = "adjacent"
    terms: ScenarioTerms = STANDARD_TERMS

    @cached_property
    def parts(self) -> tuple[Plan, ...]:
        """The plan of each scenario's own rows."""
        terms = self.terms
        asked: dict[str, Any] = {"form": terms.form, "misreports": self.misreports, "subject_to": terms.subject_to}
        plans = (part_plan(env, terms.part_ic, terms.ir, **asked) for env in self.scenarios.environments)
        return tuple(replace(one, unit=self.unit) for one in plans)

    @property
    def trees(self) -> tuple[HistoryTree, ...]:
        """Histories of each scenario."""
        return tuple(part.tree for part in self.parts)

    @cached_property
    def unit(self) -> float:
        """Money of the program is measured in this power of two, near the least of the scenarios' largest values.

        A solver's tolerances are absolute: this makes them small in every scenario.
        """
        tops = (max(float(v[-1]) for row in env.values for v in row) for env in self.scenarios.environments)
        least = min((top for top in tops if top > 0), default=1.0)
        return float(2.0 ** (frexp(least)[1] - 1))

    @cached_property
    def limiting(self) -> tuple[int, ...]:
        """Scenarios in which something can be earned."""
        return tuple(s for s, env in enumerate(self.scenarios.environments) if env.first_best > 0)

    @property
    def goal(self) -> str:
        """Name of the objective's column."""
        return "regret" if self.terms.objective == "regret" else "guarantee"

    @cached_property
    def blocks(self) -> dict[BlockKey, ScenarioBlock]:
        """Blocks of columns in order."""
        blocks = {("goal", 0, 0): ScenarioBlock(self.goal, 0, 0, (1,))}
        first, paid, n = 1, self.terms.form == "payment", self.scenarios.agents
        for s, (tree, sequence, path) in enumerate(
            zip(self.trees, self.scenarios.sequences, self.scenarios.paths, strict=True)
        ):
            scenario, periods = f"scenario {self.scenarios.names[s]!r}", range(tree.horizon)
            wanted: list[tuple[str, int, int, tuple[int, ...], str]] = []
            if paid:
                wanted.append(("realised utility", 0, 0, (n, 1), "at the start"))
            lengths = periods if paid else (*periods, tree.horizon)
            wanted += [("lifetime utility", s, t, (n, tree.count[t]), scenario) for t in lengths]
            wanted += [("welfare to come", s, t, (1, tree.count[t]), scenario) for t in periods]
            for t in periods:
                node = f"after {', '.join(sequence[: t + 1])}"
                wanted.append(("allocation", path[t + 1], t, (n, *tree.children(t)), node))
                if paid:
                    wanted.append(("realised utility", path[t + 1], t + 1, (n, tree.count[t + 1]), node))
            for kind, of, length, shape, place in wanted:
                if (kind, of, length) not in blocks:
                    blocks[kind, of, length] = ScenarioBlock(kind, length, first, shape, place, tree)
                    first += prod(shape)
        return blocks

    def numbers(self, kind: str, of: int, length: int) -> IntArray:
        """Column numbers of a block, in its shape."""
        block = self.blocks[kind, of, length]
        return np.arange(block.first, block.first + prod(block.shape)).reshape(block.shape)

    @cached_property
    def count(self) -> int:
        """Number of columns."""
        return sum(prod(block.shape) for block in self.blocks.values())

    @cached_property
    def columns(self) -> tuple[Columns, ...]:
        """Columns of each scenario by itself: those of its nodes, and its own lifetime utility."""
        found = []
        for s, tree in enumerate(self.trees):
            path, periods = self.scenarios.paths[s], range(tree.horizon)
            allocation = tuple(self.numbers("allocation", path[t + 1], t) for t in periods)
            realised: tuple[IntArray, ...] = ()
            if self.terms.form == "payment":
                realised = tuple(self.numbers("realised utility", node, t) for t, node in enumerate(path))
            lifetime = [self.numbers("lifetime utility", s, t) for t in periods]
            lifetime.append(realised[-1] if realised else self.numbers("lifetime utility", s, tree.horizon))
            found.append(Columns(allocation, tuple(lifetime), realised, (), self.count))
        return tuple(found)

    def families(self, optima: Sequence[Any]) -> tuple[ScenarioRows, ...]:
        """Row families in order.

        Parameters
        ----------
        optima : sequence of numbers
            By scenario, what its revenue is measured by; money of the scenarios. Above 0 in those of ``limiting``.
        """
        families: list[ScenarioRows] = []
        for s, part in enumerate(self.parts):
            own = [*part.families, *(self._worth(s, t) for t in range(part.tree.horizon)), *self.common_increments(s)]
            if self.terms.objective == "regret" or (self.terms.objective == "ratio" and s in self.limiting):
                width = 2 + (0 if self.scenarios.absorbs(s) else self.scenarios.agents)
                own.append(RowFamily(self.goal, None, 0, (), width, partial(self._goal_rows, s, optima[s])))
            families += [self._of_scenario(s, family) for family in own]
        counted = [s for s in self.limiting if self.scenarios.weights[s]]
        if self.terms.objective == "weighted" and counted:
            width = 1 + (1 + self.scenarios.agents) * len(counted)
            family = RowFamily(self.goal, None, 0, (), width, partial(self._weighted_rows, counted, optima))
            families.append(ScenarioRows(**_named(family), inner=family))
        return tuple(families)

    def _of_scenario(self, s: int, family: RowFamily) -> ScenarioRows:
        """The same family, built from the scenario's columns."""
        named = _named(family) | {"build": lambda _: family.build(self.columns[s])}
        return ScenarioRows(**named, inner=family, scenario=self.scenarios.names[s], scenario_tree=self.parts[s].tree)

    @cached_property
    def tellers(self) -> dict[int, int]:
        """Scenario whose lifetime utility is the realised one at a node: that which ends there, else the first."""
        tellers: dict[int, int] = {}
        for s, path in enumerate(self.scenarios.paths):
            for node in path:
                tellers.setdefault(node, s)
        return tellers | {path[-1]: s for s, path in enumerate(self.scenarios.paths)}

    def common_increments(self, s: int) -> list[RowFamily]:
        """S(h,k) - S(h,0) is that of the scenario that tells the realised utility, wherever there is another one."""
        found = []
        for t, node in enumerate(self.scenarios.paths[s][1:]):
            histories, *rest = self.trees[s].children(t)
            types, other = rest[0], self.tellers[node]
            if self.terms.constant and other != s and types > 1:
                axes = (("history", histories), ("step", types - 1))
                build = partial(self._increment_rows, s, other, t)
                found.append(RowFamily("constant continuation utility", 0, t, axes, 4, build))
        return found

    def _increment_rows(self, s: int, other: int, t: int, columns: Columns) -> Rows:
        shape = self.trees[s].children(t)
        own, told = (self.numbers("lifetime utility", r, t + 1).reshape(shape) for r in (s, other))
        index = [own[:, 1:], own[:, :1], told[:, 1:], told[:, :1]]
        index = [np.broadcast_to(part, own[:, 1:].shape).ravel() for part in index]
        return Rows(np.stack(index, axis=-1), np.array([1.0, -1.0, -1.0, 1.0]), 0.0, 0.0)

    def _gains(self, s: int, t: int) -> Any:
        """Probability of a report profile times what a sale to a buyer adds, ``(n, profiles)``."""
        part = self.parts[s]
        gains = []
        for i in range(self.scenarios.agents):
            stage = part.stage(t, i)
            own = stage.margins.reshape([-1 if j == i else 1 for j in range(self.scenarios.agents)])
            gains.append((stage.tree.distribution[t] * own).ravel())
        return np.stack(gains)

    def _worth(self, s: int, t: int) -> RowFamily:
        """W(h) = E [sum_i (v_i - c) x_i(h,.) + W(h,.)] over the histories of one period."""
        stage = self.parts[s].stage(t, 0)
        width = 1 + int(np.count_nonzero(self._gains(s, t)))
        if t + 1 < stage.tree.horizon:
            width += stage.profiles_likely
        axes = (("history", stage.histories),)
        return RowFamily("welfare to come", 0, t, axes, width, partial(self._worth_rows, s, t))

    def _worth_rows(self, s: int, t: int, columns: Columns) -> Rows:
        tree = self.parts[s].tree
        sold = [block.reshape(tree.count[t], -1) for block in columns.allocation[t]]
        index, coefficients = [*sold, self.numbers("welfare to come", s, t).T], [self._gains(s, t).ravel(), -np.ones(1)]
        if t + 1 < tree.horizon:
            index.append(self.numbers("welfare to come", s, t + 1).reshape(sold[0].shape))
            coefficients.append(tree.distribution[t].ravel())
        return Rows(np.concatenate(index, axis=1), np.concatenate(coefficients), 0.0, 0.0)

    def _start(self, s: int) -> IntArray:
        """Columns of W and of every buyer's S before anything is reported."""
        return np.concatenate([self.numbers("welfare to come", s, 0)[0], self.columns[s].lifetime[0][:, 0]])

    def _signs(self, one: Any) -> list[Any]:
        return [one, *[-one] * self.scenarios.agents]

    def _goal_rows(self, s: int, optimum: Any, columns: Columns) -> Rows:
        if self.scenarios.absorbs(s):
            index = np.concatenate([self.numbers("welfare to come", s, 0)[0], self.numbers("goal", 0, 0)])[None]
            return Rows(index, np.array([self.unit / optimum, -1]), 0.0, np.inf)
        index = np.concatenate([self._start(s), self.numbers("goal", 0, 0)])[None]
        if self.terms.objective == "ratio":
            return Rows(index, np.array([*self._signs(self.unit / optimum), -1]), 0.0, np.inf)
        one = self.unit / abs(optimum) if optimum else self.unit / self.unit
        least = (1.0 if optimum > 0 else -1.0) if optimum else 0.0
        return Rows(index, np.array([*self._signs(one), one]), least, np.inf)

    def _weighted_rows(self, counted: Sequence[int], optima: Sequence[Any], columns: Columns) -> Rows:
        """Sum of weight (W - S at the start) / optimum - A >= 0; weights of the scenarios that count sum to 1."""
        index, coefficients = [self.numbers("goal", 0, 0)], list[Any]([-1])
        total = sum((self.scenarios.weights[s] for s in counted), Fraction(0))
        for s in counted:
            weight = self.scenarios.weights[s] / total
            index.append(self._start(s))
            coefficients += self._signs(self._number(weight) * self.unit / optima[s])
        return Rows(np.concatenate(index)[None], np.array(coefficients), 0.0, np.inf)

    def _number(self, exact: Fraction) -> Any:
        """A number of the program: a float."""
        return float(exact)

    @cached_property
    def size(self) -> Size:
        """Rows, columns, non-zeros, histories (of all scenarios) and bytes."""
        families = self.families(np.ones(len(self.trees)).tolist())
        rows, nonzeros = sum(f.rows for f in families), sum(f.nonzeros for f in families)
        histories = sum(sum(tree.count[1:]) for tree in self.trees)
        total = (BUILD_BYTES_PER_NONZERO + SOLVE_BYTES_PER_NONZERO["simplex"]) * nonzeros + BYTES_PER_NODE * histories
        return Size(rows, self.count, nonzeros, histories, total)


def guarantee_size(
    scenarios: Scenarios,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    objective: str = "ratio",
    subject_to: Payments = (),
) -> Size:
    """Size of the program of `mechopt.maximin`, known before anything is built.

    Parameters
    ----------
    scenarios : Scenarios
    ic, ir, objective, subject_to
        As for `mechopt.maximin`.

    Examples
    --------
    >>> coin = {"name": "F", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    >>> guarantee_size(Scenarios([coin], [["F"], ["F", "F"]])).rows
    18
    """
    require_type(
        scenarios, "Scenarios", "guarantee_size", "give mo.Scenarios(...); mo.Problem(env).size is for environments"
    )
    return ScenarioPlan(scenarios, terms=scenario_terms(ic, ir, subject_to, objective, "same", scenarios.agents)).size


def _named(family: RowFamily) -> dict[str, Any]:
    return {field.name: getattr(family, field.name) for field in fields(RowFamily)}
