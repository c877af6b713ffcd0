"""The best guarantee of a mechanism that does not know the future, as one linear program.

A non-clairvoyant mechanism gives allocations x and payments p at every node of the tree of scenarios (a prefix of
names of distributions) and history of reports. In scenario s its revenue is to be at least alpha times what a
clairvoyant seller earns there; alpha is maximised (Mirrokni, Paes Leme, Tang and Zuo 2020, section 5).

Since a payment is the value of what is allocated less the increment of the realised utility R, payments are common to
two scenarios exactly if x and R are. Columns, in present values:

- x, per node: common to all scenarios through it;
- R at the end of each scenario, per path of reports. At nodes where no scenario ends R is in no row: it is only the
  timing of payments, and is chosen afterwards, once a node;
- S, per scenario: lifetime utility, with S(h) = E S(h,.) and S = R at the scenario's own end;
- W, per scenario: expected value of what is sold after a history, W(h) = E [v x(h,.) + W(h,.)].

Rows: the promise rows of S, DIC with each scenario's own S (neighbouring misreports suffice, since for each scenario the
rows are in one S and one x, see `stage.adjacent_pairs`), the rows of W, and (W - S at the start) / optimum >= alpha.
EPIR is R >= 0 at each scenario's own end. No coefficient is a product of probabilities, however long the scenarios.

A scenario in which nothing can be earned (optimum 0) is kept in the rows but sets no limit to alpha, which is at most 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import ceil, frexp, log2, prod

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.scenarios import Scenarios
from mechopt.lp import incentive, participation
from mechopt.lp.columns import ColumnBlock, Columns
from mechopt.lp.compile import BUILD_BYTES_PER_NONZERO, BYTES_PER_NODE, SOLVE_BYTES_PER_NONZERO, Size
from mechopt.lp.program import LinearProgram, RowFamily, Rows, assemble
from mechopt.lp.stage import Stage
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.notions import DIC, EPIR
from mechopt.mechanism.outcome import own_values
from mechopt.tree import HistoryTree

MAX_SCALE_EXPONENT = 60


@dataclass(frozen=True)
class ScenarioRows(RowFamily):
    """A family of rows of one scenario, or of all."""

    scenario: str = ""
    scenario_tree: HistoryTree | None = None

    def describe(self, index: int, tree: HistoryTree) -> str:
        """Say in words what row number ``index`` demands, and in which scenario."""
        return f"scenario {self.scenario}, {super().describe(index, self.scenario_tree or tree)}"


@dataclass(frozen=True)
class ScenarioColumns(ColumnBlock):
    """Columns of one scenario, or of one node of their tree."""

    place: str
    place_tree: HistoryTree | None = None

    @property
    def name(self) -> str:
        """Such as ``"allocation 0, node F1"``."""
        return f"{super().name}, {self.place}" if self.place else self.kind

    def describe(self, column: int, tree: HistoryTree) -> str:
        """Say in words what a column stands for, and where."""
        if self.place_tree is None:
            return self.name
        return f"{super().describe(column, self.place_tree)}, {self.place}"


@dataclass(frozen=True, eq=False)
class ScenarioPlan:
    """The row families and their sizes: everything but the arrays.

    Attributes
    ----------
    scenarios : Scenarios
    misreports : str
        ``"adjacent"`` or ``"all"``.
    """

    scenarios: Scenarios
    misreports: str = "adjacent"

    @cached_property
    def trees(self) -> tuple[HistoryTree, ...]:
        """Histories of each scenario."""
        return tuple(map(HistoryTree, self.scenarios.environments))

    @cached_property
    def unit(self) -> float:
        """Money of the program is measured in this power of two, near the least of the scenarios' largest values.

        A solver's tolerances are absolute; so they are small in every scenario.
        """
        tops = (max(float(v[-1]) for v in env.values[0]) for env in self.scenarios.environments)
        least = min((top for top in tops if top > 0), default=1.0)
        return 2.0 ** (frexp(least)[1] - 1)

    @cached_property
    def limiting(self) -> tuple[bool, ...]:
        """Whether anything can be earned in a scenario, by scenario."""
        return tuple(env.full_welfare > 0 for env in self.scenarios.environments)
