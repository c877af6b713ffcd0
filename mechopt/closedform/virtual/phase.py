r"""The allocation phase of the virtual pivot: with weights fixed at contracting, the best policy and what is paid.

The agents S that are included report (k, z) every period. With the weights alpha, beta of the reports at contracting,
cost c and discount d::

    W(z)      = max_a  sum_{j in S} (alpha_j v_j + beta_j)(a) - c(a) + d E[W(z') | a, z]                 (17), (18)
    W_{-i}    : the same over S without i; actions and costs stay                                        (20)
    p_i(z)    = (1/alpha_i) [ W_{-i}(z) - sum_{j != i} (alpha_j v_j + beta_j)(a*) - beta_i(a*) + c(a*)
                              - d E[W_{-i}(z') | a*, z] ]                                                (22)

so that i's continuation utility is (W - W_{-i}) / alpha_i: an affine pivot. Display (18) of the paper has a minus
before beta, which must be a plus.

Source: Kakade, Lobel and Nazerzadeh (2013), sections 4 and 4.2 for (19) to (22); equation numbers are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.closedform.pivot.efficient import Stages, carried, chosen, evaluate_policy, flows, solve
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.separable import SeparableTypes


@dataclass(frozen=True, eq=False)
class WeightedChains:
    """Chains of types with weighted values, in the layout of `MarkovTypes`; see `efficient.Chains`."""

    values: tuple[tuple[FloatArray, ...], ...]
    kernel: tuple[tuple[FloatArray, ...], ...]
    costs: tuple[FloatArray, ...]
    discount: float
    infinite: bool
    seller_values: None = None

    @property
    def stages(self) -> int:
        """Number of periods whose data differ."""
        return len(self.costs)

    @cached_property
    def action_counts(self) -> tuple[int, ...]:
        """Number of actions by stage."""
        return tuple(map(len, self.costs))

    @cached_property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """``shape[t][i]``: number of types."""
        return tuple(tuple(row[t].shape[1] for row in self.values) for t in range(self.stages))


def signal_chains(environment: SeparableTypes, tables: Sequence[FloatArray]) -> WeightedChains:
    """Chains of signals in the allocation periods.

    Parameters
    ----------
    environment : SeparableTypes
    tables : sequence over agents of arrays ``(action, signal)``
        Weighted values.
    """
    length = 1 if isinstance(environment.horizon, str) else environment.horizon
    moves = 1 if environment.infinite else length - 1
    return WeightedChains(
        tuple((table,) * length for table in tables),
        tuple((kernel,) * moves for kernel in environment.signal_kernel),
        (environment.cost,) * length,
        environment.discount,
        environment.infinite,
    )


def later_chains(unfolded: MarkovTypes, tables: Sequence[FloatArray]) -> WeightedChains:
    """Chains of the types of an unfolded environment from period 1 on.

    Parameters
    ----------
    unfolded : MarkovTypes
        As `SeparableTypes.to_markov` gives it.
    tables : sequence over agents of arrays ``(action, type)``
        Weighted values, the same in all periods.
    """
    return WeightedChains(
        tuple((table,) * (unfolded.stages - 1) for table in tables),
        tuple(row[1:] for row in unfolded.kernel),
        unfolded.costs[1:],
        unfolded.discount,
        False,
    )


@dataclass(frozen=True, eq=False, repr=False)
class Phase:
    """An allocation phase; every stage is a tuple over stages of arrays over the members' types.

    Attributes
    ----------
    chains : WeightedChains
    members : tuple of int
        S.
    welfare : stages
        W.
    policy, tied : stages
        Index of the action, and whether another one is optimal as well.
    without : dict from member to stages
        W_{-i}; axes: types of the other members.
    """

    chains: WeightedChains
    members: tuple[int, ...]
    welfare: Stages
    policy: Stages
    tied: Stages
    without: dict[int, Stages]

    def following(self, stages: Stages, t: int) -> FloatArray | None:
        """The stage after t; None where there is none."""
        if self.chains.infinite:
            return np.asarray(stages[0])
        return np.asarray(stages[t + 1]) if t + 1 < self.chains.stages else None

    def payment(self, i: int, alpha: float, beta: FloatArray) -> Stages:
        """p_i by (22): agent to seller, money of the period; axes: types of the members.

        Parameters
        ----------
        i : int
            A member.
        alpha : float
        beta : array ``(action,)``
        """
        place, stages = self.members.index(i), []
        others = [j for j in self.members if j != i]
        for t, policy in enumerate(self.policy):
            by_action = self.without[i][t] - flows(self.chains, others, t)
            by_action = by_action - beta.reshape(-1, *(1 for _ in others))
            after = self.following(self.without[i], t)
            if after is not None:
                by_action = by_action - self.chains.discount * carried(self.chains, others, after, t)
            shape = (self.chains.action_counts[t], *policy.shape)
            stages.append(
                readonly(chosen(np.broadcast_to(np.expand_dims(by_action, place + 1), shape), policy) / alpha)
            )
        return tuple(stages)

    def total(self, reward: Stages) -> FloatArray:
        """Expected present value, as of stage 0, of rewards under the policy; axes: types of the members.

        Parameters
        ----------
        reward : stages
            Money of the period.
        """
        if self.chains.infinite:
            start = np.zeros_like(reward[0])
            return evaluate_policy(self.chains, self.members, self.policy[0], np.asarray(reward[0]), start)
        value: FloatArray | None = None
        for t in reversed(range(self.chains.stages)):
            now = np.asarray(reward[t], dtype=np.float64)
            if value is not None:
                moved = carried(self.chains, self.members, value, t)
                now = now + self.chains.discount * chosen(moved, self.policy[t])
            value = now
        assert value is not None
        return value

    def at_policy(self, table: FloatArray, i: int | None = None) -> Stages:
        """Entries of ``(action, type of i)``, or ``(action,)``, at the policy's actions; axes: types of members."""
        stages = []
        for policy in self.policy:
            axes = [1] * policy.ndim
            if i is not None:
                axes[self.members.index(i)] = table.shape[1]
            spread = table.reshape(table.shape[0], *axes)
            stages.append(chosen(np.broadcast_to(spread, (table.shape[0], *policy.shape)), policy))
        return tuple(stages)


def phase(chains: WeightedChains, members: Sequence[int]) -> Phase:
    """Find the policy of an allocation phase and what is left without each member.

    Parameters
    ----------
    chains : WeightedChains
    members : sequence of int
        The included agents.
    """
    welfare, policy, tied = solve(chains, members)
    without = {i: solve(chains, [j for j in members if j != i])[0] for i in members}
    return Phase(chains, tuple(members), welfare, policy, tied, without)


def expected_first(environment: SeparableTypes, members: Sequence[int], values: Any) -> float:
    """Expectation of a function of the members' first signals, discounted to t = 0.

    Parameters
    ----------
    environment : SeparableTypes
        Signals do not depend on initial types.
    members : sequence of int
    values : array, axes: signals of the members
    """
    array = np.asarray(values, dtype=np.float64)
    for i in members:
        array = np.tensordot(environment.signal_initial[i], array, axes=(0, 0))
    return environment.discount * float(array)
