"""The best guarantee of a mechanism that does not know the future, as one linear program.

A non-clairvoyant mechanism gives allocations x and payments p at every node of the tree of scenarios (a prefix of
names of distributions) and history of reports. In scenario s its revenue is to be at least alpha times what a
clairvoyant seller earns there; alpha is maximised (Mirrokni, Paes Leme, Tang and Zuo 2020, section 5).

Since a payment is the value of what is allocated less the increment of the realised utility R, payments are common to
two scenarios exactly if x and R are. Columns, in present values:

- x at each node, per history and report: common to all scenarios through the node;
- S, per scenario: lifetime utility, S(h) = E S(h,.), which at the scenario's own end is R;
- W, per scenario: expected value of what is still to be sold, W(h) = E [v x(h,.) + W(h,.)].

R at the end of a scenario is in no row of another, and R at nodes where none ends is in no row at all: there it is only
the timing of payments, and `ScenarioLayout.mechanism` sets it, once a node. So x is all that scenarios have in common.

Rows: the promise rows of S, DIC with each scenario's own S (neighbouring misreports suffice, since the rows of a
scenario are in one S and one x, see `stage.adjacent_pairs`), those of W, and (W - S at the start) / optimum >= alpha.
EPIR is S >= 0 at each scenario's own end. No coefficient is a product of probabilities, however long the scenarios.

With INDU what a buyer can expect is not to depend on her report of the period: U(h,k) = S(h,k) - R(h,k) is the same for
all k in every scenario. R is common, so that S(h,k) - S(h,0) is common to the scenarios through a node, and where it is
R may follow any of them.

A scenario in which nothing can be earned (optimum 0) sets no limit to alpha, which is at most 1 in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from math import frexp, prod

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.scenarios import Scenarios
from mechopt.histories.reports import HistoryTree
from mechopt.lp.independent import incentive, participation
from mechopt.lp.independent.columns import ColumnBlock, Columns
from mechopt.lp.independent.period import Stage
from mechopt.lp.independent.plan import BUILD_BYTES_PER_NONZERO, BYTES_PER_NODE, SOLVE_BYTES_PER_NONZERO, Size
from mechopt.lp.program import LinearProgram, RowFamily, Rows, assemble
from mechopt.mechanism.constraint_names import asked_constraints
from mechopt.mechanism.constraints import DIC, EPIR, INDU, PPIC, STANDARD, Asked, closure
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.outcome import own_values

BlockKey = tuple[str, int, int]
"""Kind of a block of columns, number of its scenario (of its node for allocations), length of its histories."""


@dataclass(frozen=True)
class ScenarioRows(RowFamily):
    """A family of rows of one scenario."""

    scenario: str = ""
    scenario_tree: HistoryTree | None = None

    def describe(self, index: int, tree: HistoryTree) -> str:
        """Say in words what row number ``index`` demands, and in which scenario."""
        return f"scenario {self.scenario!r}, {super().describe(index, self.scenario_tree or tree)}"


@dataclass(frozen=True)
class ScenarioBlock(ColumnBlock):
    """Columns of one scenario, or of one node of the tree of scenarios; the guarantee has neither."""

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
    constant : bool
        Whether INDU is asked for: continuation utility that the report of the period does not move.
    """

    scenarios: Scenarios
    misreports: str = "adjacent"
    constant: bool = False

    @cached_property
    def trees(self) -> tuple[HistoryTree, ...]:
        """Histories of each scenario."""
        return tuple(map(HistoryTree, self.scenarios.environments))

    @cached_property
    def unit(self) -> float:
        """Money of the program is measured in this power of two, near the least of the scenarios' largest values.

        A solver's tolerances are absolute: this makes them small in every scenario.
        """
        tops = (max(float(v[-1]) for v in env.values[0]) for env in self.scenarios.environments)
        least = min((top for top in tops if top > 0), default=1.0)
        return float(2.0 ** (frexp(least)[1] - 1))

    @cached_property
    def limiting(self) -> tuple[int, ...]:
        """Scenarios in which something can be earned."""
        return tuple(s for s, env in enumerate(self.scenarios.environments) if env.first_best > 0)

    @cached_property
    def blocks(self) -> dict[BlockKey, ScenarioBlock]:
        """Blocks of columns in order."""
        blocks = {("guarantee", 0, 0): ScenarioBlock("guarantee", 0, 0, (1,))}
        first = 1
        for s, (tree, sequence, path) in enumerate(
            zip(self.trees, self.scenarios.sequences, self.scenarios.paths, strict=True)
        ):
            scenario, periods = f"scenario {self.scenarios.names[s]!r}", range(tree.horizon)
            wanted: list[tuple[str, int, int, tuple[int, ...], str]]
            wanted = [("lifetime utility", s, t, (1, tree.count[t]), scenario) for t in (*periods, tree.horizon)]
            wanted += [("welfare to come", s, t, (1, tree.count[t]), scenario) for t in periods]
            for t in periods:
                node = f"after {', '.join(sequence[: t + 1])}"
                wanted.append(("allocation", path[t + 1], t, (1, *tree.children(t)), node))
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
    def columns(self) -> tuple[Columns, ...]:
        """Columns of each scenario by itself: its nodes' allocation and its own lifetime utility."""
        found = []
        for s, tree in enumerate(self.trees):
            nodes = self.scenarios.paths[s][1:]
            allocation = tuple(self.numbers("allocation", node, t) for t, node in enumerate(nodes))
            lifetime = tuple(self.numbers("lifetime utility", s, t) for t in range(tree.horizon + 1))
            found.append(Columns(allocation, lifetime, (), (), 0))
        return tuple(found)

    def families(self, optima: Sequence[float]) -> tuple[ScenarioRows, ...]:
        """Row families in order.

        Parameters
        ----------
        optima : sequence of float
            By scenario, what its revenue is measured by; money of the scenarios. Above 0 in those of ``limiting``.
        """
        families: list[ScenarioRows] = []
        for s, tree in enumerate(self.trees):
            stages = [Stage(tree, t, 0, self.unit, self.misreports) for t in range(tree.horizon)]
            own = [participation.promise(stage) for stage in stages] + [incentive.dic(stage) for stage in stages]
            own += [self._worth(s, stage) for stage in stages] + self.common_increments(s)
            if s in self.limiting:
                own.append(RowFamily("guarantee", None, 0, (), 3, partial(self._revenue_rows, s, optima[s])))
            families += [self._of_scenario(s, family) for family in own]
        return tuple(families)

    def _of_scenario(self, s: int, family: RowFamily) -> ScenarioRows:
        """The same family, built from the scenario's columns."""
        named = {field.name: getattr(family, field.name) for field in fields(RowFamily)}
        named["build"] = lambda _: family.build(self.columns[s])
        return ScenarioRows(**named, scenario=self.scenarios.names[s], scenario_tree=self.trees[s])

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
            histories, types = self.trees[s].children(t)
            other = self.tellers[node]
            if self.constant and other != s and types > 1:
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

    def _worth(self, s: int, stage: Stage) -> RowFamily:
        """W(h) = E [v x(h,.) + W(h,.)] over the histories of one period."""
        law = stage.tree.distribution[stage.period]
        width = 1 + int(np.count_nonzero(law * stage.values))
        if stage.period + 1 < stage.tree.horizon:
            width += stage.profiles_likely
        build = partial(self._worth_rows, s, stage)
        return RowFamily("welfare to come", 0, stage.period, (("history", stage.histories),), width, build)

    def _worth_rows(self, s: int, stage: Stage, columns: Columns) -> Rows:
        t, law = stage.period, stage.tree.distribution[stage.period]
        sold = columns.allocation[t].reshape(stage.histories, -1)
        index, coefficients = [sold, self.numbers("welfare to come", s, t).T], [law * stage.values, -np.ones(1)]
        if t + 1 < stage.tree.horizon:
            index.append(self.numbers("welfare to come", s, t + 1).reshape(sold.shape))
            coefficients.append(law)
        return Rows(np.concatenate(index, axis=1), np.concatenate(coefficients), 0.0, 0.0)

    def _revenue_rows(self, s: int, optimum: float, columns: Columns) -> Rows:
        """(W - S at the start) / optimum - alpha >= 0."""
        index = [self.numbers("welfare to come", s, 0)[0], columns.lifetime[0][0], self.numbers("guarantee", 0, 0)]
        one = self.unit / optimum
        return Rows(np.stack(index, axis=-1), np.array([one, -one, -1.0]), 0.0, np.inf)

    @cached_property
    def size(self) -> Size:
        """Rows, columns, non-zeros, histories (of all scenarios) and bytes."""
        families = self.families(np.ones(len(self.trees)).tolist())
        columns = sum(prod(block.shape) for block in self.blocks.values())
        rows, nonzeros = sum(f.rows for f in families), sum(f.nonzeros for f in families)
        histories = sum(sum(tree.count[1:]) for tree in self.trees)
        total = (BUILD_BYTES_PER_NONZERO + SOLVE_BYTES_PER_NONZERO["simplex"]) * nonzeros + BYTES_PER_NODE * histories
        return Size(rows, columns, nonzeros, histories, total)


def asks_constant(ic: Asked) -> bool:
    """Whether incentive constraints are DIC with INDU, and not DIC alone.

    Raises
    ------
    InputError
        If they are others.
    """
    asked, _ = asked_constraints(ic, STANDARD, "independent")
    if closure(asked) == closure([DIC()]):
        return False
    if INDU() in asked and {DIC(), PPIC()} & set(asked) and set(asked) <= {DIC(), PPIC(), INDU()}:
        return True  # given INDU, DIC is PPIC
    names = "+".join(constraint.name for constraint in asked) or "none"
    raise InputError(f"ic {names!r}: a guarantee is found under 'dic', or under 'dic+indu'")


@dataclass(frozen=True, eq=False)
class ScenarioLayout:
    """The way back from a vector of columns to the mechanisms of the scenarios.

    Attributes
    ----------
    plan : ScenarioPlan
    """

    plan: ScenarioPlan

    def mechanism(self, x: FloatArray, s: int) -> Mechanism:
        """The mechanism in scenario number s; the same for two scenarios as long as they are at the same nodes.

        Where no scenario ends, the buyer's realised utility follows the lifetime utility of the first one through the
        node: the mechanism is then per-period incentive compatible, and no prefix of reports is worth less than 0.

        Parameters
        ----------
        x : float array ``(columns,)``
        s : int
        """
        plan, tree, columns = self.plan, self.plan.trees[s], self.plan.columns
        env, path = tree.environment, plan.scenarios.paths[s]
        realised = [np.zeros((1, 1))]
        for t, node in enumerate(path[1:], start=1):
            realised.append(x[columns[plan.tellers[node]].lifetime[t]] * plan.unit)
        allocation, payment = [], []
        for t in range(tree.horizon):
            sold = np.clip(x[columns[s].allocation[t]], 0.0, 1.0)
            gain = realised[t + 1].reshape(sold.shape) - realised[t][..., None]
            allocation.append(readonly(sold))
            payment.append(readonly(own_values(tree, t) * sold - gain / env.present_value[t]))
        words = f"best non-clairvoyant guarantee, scenario {plan.scenarios.names[s]}"
        claims = (DIC(), PPIC(), INDU(), EPIR()) if plan.constant else (DIC(), EPIR())
        return Mechanism(env, tuple(allocation), tuple(payment), claims, words)


def compile_scenarios(plan: ScenarioPlan, optima: Sequence[float]) -> tuple[LinearProgram, ScenarioLayout]:
    """Build the program of the best guarantee.

    Parameters
    ----------
    plan : ScenarioPlan
    optima : sequence of float
        By scenario, what its revenue is measured by: the clairvoyant optimum.

    Returns
    -------
    program : LinearProgram
        Maximises the guarantee.
    layout : ScenarioLayout
        Takes its solutions back to mechanisms.

    Examples
    --------
    >>> coin = {"name": "F", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    >>> program, layout = compile_scenarios(ScenarioPlan(Scenarios([coin], [["F"], ["F", "F"]])), [2, 4.5])
    >>> program.size, layout.plan.size.nonzeros, program.describe_row(5)
    ((18, 21, 56), 56, "scenario 'F, F', promise, buyer 0, period 0, at the start")
    """
    families, blocks = plan.families(optima), tuple(plan.blocks.values())
    count = plan.size.columns
    cost, lower, upper = np.zeros(count), np.zeros(count), np.full(count, np.inf)
    for block in blocks:
        if block.kind in ("allocation", "guarantee"):
            upper[block.first : block.first + prod(block.shape)] = 1.0
    cost[plan.numbers("guarantee", 0, 0)] = 1.0
    start, index, value, row_lower, row_upper = assemble([family.build(plan.columns[0]) for family in families])
    firsts = np.cumsum([0, *(family.rows for family in families)])[:-1]
    program = LinearProgram(
        readonly(cost),
        0.0,
        readonly(lower),
        readonly(upper),
        start,
        index,
        value,
        row_lower,
        row_upper,
        tuple((int(first), family) for first, family in zip(firsts, families, strict=True)),
        blocks,
        plan.trees[0],
    )
    return program, ScenarioLayout(plan)
