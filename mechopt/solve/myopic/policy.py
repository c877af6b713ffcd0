"""A mechanism for agents who do not look ahead: what is done and paid by last profile, last action and reports."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray
from mechopt.environment.process import JointProcess, PersistentEnvironment
from mechopt.histories.public import PublicTree
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.solve.myopic.stages import StageTable, branches, distributions

MAX_WRITTEN = 100_000
"""Largest number of public histories over which a policy is written out."""


@dataclass(frozen=True, eq=False, repr=False)
class MyopicPolicy(MechanismMethods):
    """A mechanism whose memory is the last reported profile and the last action.

    Attributes
    ----------
    process : JointProcess
    tables : tuple over periods of StageTable
    claims : tuple of Constraint
    source : str
    """

    process: JointProcess
    tables: tuple[StageTable, ...]
    claims: tuple[Constraint, ...]
    source: str = "optimum for myopic agents"

    @property
    def environment(self) -> PersistentEnvironment:
        """Environment of the mechanism."""
        return self.process.environment

    @cached_property
    def _totals(self) -> tuple[float, FloatArray, FloatArray]:
        """Expected welfare, utilities and payments, from the distribution of states."""
        process, mass = self.process, np.ones(1)
        welfare, utility, paid = 0.0, np.zeros(process.agents), np.zeros(process.agents)
        for t, (table, weight) in enumerate(zip(self.tables, process.present_value, strict=True)):
            likely = mass[:, None] * distributions(process, t)  # (S, M)
            done = likely[:, :, None] * table.allocation  # (S, M, A)
            values = np.einsum("sma,iam->i", done, process.values[t])
            payments = np.einsum("sm,ism->i", likely, table.payment)
            welfare += float(weight * (values.sum() - np.einsum("sma,am->", done, self._costs(t))))
            utility += weight * (values - payments)
            paid += weight * payments
            if t + 1 < process.horizon:
                after = done.sum(axis=0)  # (M, A)
                mass = (after.T if branches(process, t) > 1 else after.sum(axis=1)).ravel()
        return welfare, utility, paid

    def _costs(self, t: int) -> FloatArray:
        costs: FloatArray = np.broadcast_to(self.process.net_costs(t), self.process.values[t].shape[1:])
        return costs

    @property
    def welfare(self) -> float:
        """Expected present value of values net of costs."""
        return self._totals[0]

    @property
    def utilities(self) -> tuple[float, ...]:
        """Expected present value of each agent's utility."""
        return tuple(self._totals[1].tolist())

    @property
    def revenue(self) -> float:
        """Expected present value of payments net of the seller's costs."""
        return self.welfare - sum(self.utilities)

    def to_mechanism(self) -> SequenceMechanism:
        """Write the policy out over public histories.

        Raises
        ------
        LimitError
            If there are too many.
        """
        tree = PublicTree(self.process)
        if sum(tree.count) > MAX_WRITTEN:
            raise LimitError(
                f"{sum(tree.count):,} public histories are too many to write out (at most {MAX_WRITTEN:,}); revenue, "
                "welfare and utilities follow states alone"
            )
        mass, allocation, payment = np.ones(1), [], []
        for t, table in enumerate(self.tables):
            state = np.zeros(tree.slots[t], dtype=np.int64)
            if t:
                past, branch = tree.before(t)
                state = branch * self.process.profiles[t - 1] + past
            at, profile = state[tree.slot[t]], tree.profile[t]
            weights = table.allocation[at, profile] * mass[tree.slot[t]][:, None]
            worth = self.process.values[t][:, :, profile].swapaxes(1, 2)  # (n, nodes, A)
            paid = table.payment[:, at, profile]
            if tree.branches[t] > 1:  # all recorded actions leave an agent the same
                surplus = (worth * table.allocation[at, profile]).sum(axis=2) - paid
                payment.append((worth - surplus[:, :, None]) * weights)
                recorded = weights
            else:
                recorded = weights.sum(axis=1, keepdims=True)
                payment.append(paid[:, :, None] * recorded)
            allocation.append(weights)
            mass = recorded.ravel()
        return SequenceMechanism(tree, tuple(allocation), tuple(payment), self.claims, self.source)

    def __repr__(self) -> str:
        utilities = ", ".join(f"{u:.6g}" for u in self.utilities)
        return f"MyopicPolicy(revenue {self.revenue:.6g}, welfare {self.welfare:.6g}, utilities ({utilities}))"
