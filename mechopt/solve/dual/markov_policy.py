"""A mechanism for one agent whose type persists, whose only memory is what it has promised each type: tables of points.

Each point of a period holds an allocation by report, what the agent gets at once beyond the promise, and for each
report and distribution of motion a public lottery over the points of the next period. Under EPIR the utility of a
period is what is given at once, which is not negative. Under interim participation the fee of a period is the value of
the allocation, less the utility promised to the report, plus what the next point promises in expectation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.environment.process import JointProcess, PersistentEnvironment
from mechopt.histories.public import PublicTree
from mechopt.mechanism.constraints import EPIR, Constraint
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.mechanism.simulation import Runs, drawn_rows, played
from mechopt.solve.dual.markov_period import PersistentPeriod, persistent_periods
from mechopt.solve.dual.mechanism import MAX_ENTRIES, SMALLEST_WEIGHT
from mechopt.solve.dual.tables import PolicyTable


@dataclass(frozen=True, eq=False, repr=False)
class PersistentPolicy(MechanismMethods):
    """A mechanism over promises to each type of one agent.

    Attributes
    ----------
    process : JointProcess
        With one agent.
    tables : tuple over periods of PolicyTable
        Reports are types, options the actions, children the pairs (report, distribution of motion). The first has one
        point.
    unit : float
        Money of the environment in the unit of the tables.
    claims : tuple of Constraint
        What it keeps.
    """

    process: JointProcess
    tables: tuple[PolicyTable, ...]
    unit: float
    claims: tuple[Constraint, ...]

    @property
    def environment(self) -> PersistentEnvironment:
        """Environment of the mechanism."""
        return self.process.environment

    @property
    def source(self) -> str:
        """How it came about."""
        return "optimum of revenue, dual dynamic program"

    @property
    def ex_post(self) -> bool:
        """Whether utility is given at once (EPIR)."""
        return EPIR() in self.claims

    @cached_property
    def periods(self) -> list[PersistentPeriod]:
        """The process by period, in the unit of the tables."""
        return persistent_periods(self.process)[0]

    @cached_property
    def _totals(self) -> tuple[float, float]:
        """Expected welfare and utility, from the distribution of points."""
        mass, welfare, utility = np.ones(1), 0.0, 0.0
        for t, (table, period) in enumerate(zip(self.tables, self.periods, strict=True)):
            flow = mass[:, None] * period.distributions[table.state]
            welfare += float(np.einsum("pk,pka,ak->", flow, table.allocation, period.values - period.cost[:, None]))
            utility += float(flow.ravel() @ table.excess.sum(axis=2).ravel())
            if t == 0 and not self.ex_post:
                utility = float(flow[0] @ table.promise[0])
            if table.after is not None:
                moved = (table.allocation[..., None] * _indicator(period)).sum(axis=2)
                mass = table.after.T @ (flow[:, :, None] * moved).ravel()
        return self.unit * welfare, self.unit * utility

    @property
    def welfare(self) -> float:
        """Expected value of what is done, net of costs."""
        return self._totals[0]

    @property
    def utilities(self) -> tuple[float, ...]:
        """The agent's expected utility."""
        return (self._totals[1],)

    @property
    def revenue(self) -> float:
        """Expected revenue net of costs."""
        return self._totals[0] - self._totals[1]

    def to_mechanism(self) -> SequenceMechanism:
        """Write the policy out on the tree of public histories, each lottery replaced by its mean.

        Raises
        ------
        LimitError
            If there are too many histories.
        InputError
            If the discount makes a period's money too small to be told from 0.
        """
        tree = PublicTree(self.process)
        if max(n * len(table.state) for n, table in zip(tree.slots, self.tables, strict=True)) > MAX_ENTRIES:
            raise LimitError(
                f"{tree.horizon} periods have too many histories to write out; use revenue or simulate(), which follow "
                "points"
            )
        if self.process.present_value[-1] < SMALLEST_WEIGHT:
            raise InputError(f"the discount over {tree.horizon} periods makes the last one's money too small")
        mixture, allocation, payment = np.ones((1, 1)), [], []
        for t, (table, period) in enumerate(zip(self.tables, self.periods, strict=True)):
            here, report = mixture[tree.slot[t]], tree.profile[t]
            chosen = np.einsum("hp,pha->hpa", here, table.allocation[:, report])
            gains = period.values[:, report].T[:, None, :] - table.excess[:, report].sum(axis=2).T[:, :, None]
            if not self.ex_post:
                gains = gains - table.promise[:, report].T[:, :, None]
            fee = (chosen * gains).sum(axis=1)
            fee = fee if tree.branches[t] > 1 else fee.sum(axis=1, keepdims=True)
            if table.after is not None:
                mixture = self._next(table, period, chosen, report, tree.branches[t] > 1)
                if not self.ex_post:
                    action = np.arange(fee.shape[1])
                    distribution = period.kernels[period.moves[action]][:, report].swapaxes(0, 1)
                    distribution = distribution.reshape(-1, distribution.shape[2])
                    fee = fee + ((mixture @ self.tables[t + 1].promise) * distribution).sum(axis=1).reshape(fee.shape)
            allocation.append(chosen.sum(axis=1))
            payment.append(fee[None] * (self.unit / self.process.present_value[t]))
        return SequenceMechanism(tree, tuple(allocation), tuple(payment), self.claims, self.source)

    def _next(
        self, table: PolicyTable, period: PersistentPeriod, chosen: FloatArray, report: IntArray, recorded: bool
    ) -> FloatArray:
        """Weights of the next points at each slot, ``(nodes * branches, points)``."""
        assert table.after is not None
        weights = chosen if recorded else chosen.sum(axis=2, keepdims=True)
        distributions, children = len(period.kernels), _children(period)
        after = np.zeros((*weights.shape[::2], table.after.shape[1]))
        for k in range(children // distributions):
            nodes = np.flatnonzero(report == k)
            for branch in range(weights.shape[2]):
                row = k * distributions + (int(period.moves[branch]) if recorded else 0)
                after[nodes, branch] = (table.after[row::children].T @ weights[nodes, :, branch].T).T
        return after.reshape(-1, after.shape[2])

    def __repr__(self) -> str:
        points = sum(len(table.state) for table in self.tables)
        return f"PersistentPolicy({len(self.tables)} periods, {points} points; revenue {self.revenue:.9g})"


def _children(period: PersistentPeriod) -> int:
    return len(period.kernels) * int(period.values.shape[1])


def _indicator(period: PersistentPeriod) -> FloatArray:
    """Which distribution of motion each action brings, ``(actions, distributions)``."""
    return np.eye(max(len(period.kernels), 1))[period.moves]


@played.register(PersistentPolicy)
def _(policy: PersistentPolicy, rng: np.random.Generator, runs: int) -> Runs:
    """Types, actions and public lotteries."""
    point, welfare, utility = np.zeros(runs, np.int64), np.zeros(runs), np.zeros(runs)
    distribution = np.broadcast_to(policy.process.initial, (runs, len(policy.process.initial)))
    for t, (table, period) in enumerate(zip(policy.tables, policy.periods, strict=True)):
        drawn = drawn_rows(rng, distribution)
        action = drawn_rows(rng, table.allocation[point, drawn])
        welfare += period.values[action, drawn] - period.cost[action]
        utility += table.excess[point, drawn].sum(axis=1)
        if not policy.ex_post:
            utility += table.promise[point, drawn]
        if table.after is not None:
            move = period.moves[action]
            distribution = period.kernels[move, drawn]
            point = table.draw(point * _children(period) + drawn * len(period.kernels) + move, rng)
            if not policy.ex_post:
                utility -= (distribution * policy.tables[t + 1].promise[point]).sum(axis=1)
    return Runs(policy.unit * (welfare - utility), policy.unit * utility[None], policy.unit * welfare)
