"""A mechanism for several buyers whose only memory is what it has promised them: tables of points.

Each point of a period holds an allocation by profile of reports, what every buyer gets at once beyond her promise, and
for each profile a public lottery over the points of the next period. The realised utility of a period is never
negative. Written out over histories the lotteries are replaced by their means: constraints and objective are linear.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.core.provided import provided
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.constraints import DIC, EPIR, Constraint
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.simulation import Runs, played
from mechopt.solve.dual.buyers import possible
from mechopt.solve.dual.tables import PolicyTable


@dataclass(frozen=True, eq=False, repr=False)
class BuyersPolicy(MechanismMethods):
    """A mechanism over promises to several buyers.

    Attributes
    ----------
    environment : IndependentTypes
    tables : tuple over periods of PolicyTable
        Reports are profiles of types of positive probability, options the buyers. The first has one point.
    unit : float
        Money of the environment in the unit of the tables.
    claims : tuple of Constraint
        What it keeps.
    """

    environment: IndependentTypes
    tables: tuple[PolicyTable, ...]
    unit: float
    claims: tuple[Constraint, ...] = (DIC(), EPIR())

    @property
    def source(self) -> str:
        """How it came about."""
        return "optimum of revenue, dual dynamic program"

    @cached_property
    def kept(self) -> list[list[tuple[IntArray, FloatArray, FloatArray]]]:
        """Types of positive probability by period and buyer, see `possible`."""
        return possible(self.environment)

    def profiles(self, t: int) -> tuple[FloatArray, FloatArray]:
        """Probability and margins of sale, present value, of the profiles of a period; ``(m,)``, ``(m, n)``."""
        row, env = self.kept[t], self.environment
        grid = np.indices([len(v) for _, v, _ in row]).reshape(len(row), -1)
        distribution = np.prod([p[k] for (_, _, p), k in zip(row, grid, strict=True)], axis=0)
        values = np.stack([v[k] for (_, v, _), k in zip(row, grid, strict=True)], axis=1)
        return distribution, env.present_value[t] * (values - env.cost[t])

    @cached_property
    def _totals(self) -> tuple[float, tuple[float, ...]]:
        """Expected welfare and utilities, from the distribution of points."""
        mass: FloatArray = np.ones(1)
        welfare, utility = 0.0, np.zeros(self.environment.agents)
        for t, table in enumerate(self.tables):
            distribution, margin = self.profiles(t)
            welfare += float(mass @ np.einsum("pmi,m,mi->p", table.allocation, distribution, margin))
            utility += self.unit * np.einsum("p,pmi,m->i", mass, table.excess, distribution)
            if table.after is not None:
                mass = table.after.T @ np.multiply.outer(mass, distribution).ravel()
        return welfare, tuple(utility.tolist())

    @property
    def welfare(self) -> float:
        """Expected value of what is sold, net of costs."""
        return self._totals[0]

    @property
    def utilities(self) -> tuple[float, ...]:
        """Expected utility of each buyer."""
        return self._totals[1]

    @property
    def revenue(self) -> float:
        """Expected revenue net of costs."""
        return self.welfare - sum(self.utilities)

    def to_mechanism(self) -> Mechanism:
        """Write the policy out on the tree of histories; see `mechopt.solve.dual.mechanism`.

        Raises
        ------
        LimitError
            If there are too many histories.
        InputError
            If the discount makes a period's money too small to be told from 0.
        """
        mechanism: Mechanism = provided(self, "to_mechanism")(self)
        return mechanism

    def __repr__(self) -> str:
        points = sum(len(table.allocation) for table in self.tables)
        return f"BuyersPolicy({len(self.tables)} periods, {points} points; revenue {self.revenue:.9g})"


@played.register(BuyersPolicy)
def _(policy: BuyersPolicy, rng: np.random.Generator, runs: int) -> Runs:
    """Types and public lotteries."""
    point, welfare, utility = np.zeros(runs, np.int64), np.zeros(runs), np.zeros((policy.environment.agents, runs))
    for t, table in enumerate(policy.tables):
        distribution, margin = policy.profiles(t)
        drawn = rng.choice(len(distribution), size=runs, p=distribution / distribution.sum())
        welfare += (table.allocation[point, drawn] * margin[drawn]).sum(axis=1)
        utility += policy.unit * table.excess[point, drawn].T
        if table.after is not None:
            point = table.draw(point * len(distribution) + drawn, rng)
    return Runs(welfare - utility.sum(axis=0), utility, welfare)
