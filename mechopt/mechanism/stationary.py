r"""A mechanism whose action and transfers depend on the current reports, and on the period, but on nothing before.

Efficient mechanisms for private persistent types are of this form: with a_t the policy and p_{i,t} the transfers,
truth gives agent i from period t on

    V_{i,t}(th) = v_i(a_t(th), th_i) - p_{i,t}(th) + d E[V_{i,t+1}(th') | a_t(th), th].

With an infinite horizon the policy is stationary and so are the transfers after finitely many first periods, which may
have their own: an entry fee, a bond. V is then one linear system, and a step back for each of those periods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import joint_process
from mechopt.histories.chain import ahead, along, lasting, taken
from mechopt.histories.public import PublicTree
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.sequence import SequenceMechanism

MAX_NODES = 5 * 10**6
"""Largest number of public histories that `MarkovMechanism.to_sequence` writes out."""


@dataclass(frozen=True, eq=False, repr=False)
class MarkovMechanism(MechanismMethods):
    """An action and transfers for every profile of current reports.

    Parameters
    ----------
    environment : MarkovTypes
    policy : sequence over t of int arrays, axes: type of agent 0, ..., type of agent n-1
        Action; of length T, or 1 with an infinite horizon.
    transfer : sequence over agents of sequences over t of float arrays, the same axes
        Agent to seller, money of the period, undiscounted; of length T. With an infinite horizon of any length, the
        same for all agents: the last one is for that period and all later ones.
    claims : tuple of Constraint
        What the mechanism was made to satisfy; `mechopt.verify` checks these unless told otherwise.
    source : str
        How it came about.

    Raises
    ------
    InputError
        With every array of the wrong shape, actions that do not exist, transfers that are not finite.

    Examples
    --------
    Sell at price 1 for ever to a buyer who values the item at 0 or 2, each half of the time; discount 1/2.

    >>> env = MarkovTypes([[[0, 0], [0, 2]]], [[["1/2", "1/2"]] * 2], [["1/2", "1/2"]], discount="1/2")
    >>> MarkovMechanism(env, [np.array([0, 1])], [[np.array([0, 1])]])
    MarkovMechanism(1 agent, infinite horizon; revenue 1, welfare 2, utilities (1))
    """

    environment: MarkovTypes
    policy: tuple[IntArray, ...]
    transfer: tuple[tuple[FloatArray, ...], ...]
    claims: tuple[Constraint, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        env, faults = self.environment, list[Fault]()
        set_field = object.__setattr__
        set_field(self, "claims", tuple(self.claims))
        set_field(self, "policy", tuple(readonly(part, np.int64) for part in self.policy))
        set_field(self, "transfer", tuple(tuple(readonly(part) for part in row) for row in self.transfer))
        if env.discounts is not None:
            what = "has agents who discount otherwise than the seller"
            faults.append(Fault("environment", what, "write the mechanism over histories, SequenceMechanism.of_policy"))
        if len(self.policy) != env.stages:
            faults.append(Fault("policy", f"has {len(self.policy)} periods", f"it must have {env.stages}"))
        for t, (actions, shape, count) in enumerate(zip(self.policy, env.shape, env.action_counts, strict=False)):
            if actions.shape != shape:
                faults.append(Fault(f"policy[{t}]", f"has shape {actions.shape}", f"types have the shape {shape}"))
            elif actions.min(initial=0) < 0 or actions.max(initial=0) >= count:
                faults.append(Fault(f"policy[{t}]", "has an action that does not exist", f"give 0 to {count - 1}"))
        if len(self.transfer) != env.agents:
            faults.append(Fault("transfer", f"has {len(self.transfer)} agents", f"there are {env.agents}"))
        for i, row in enumerate(self.transfer):
            faults += self._row_faults(i, row)
        if faults:
            raise InputError(faults)

    def _row_faults(self, i: int, row: tuple[FloatArray, ...]) -> list[Fault]:
        env, faults = self.environment, list[Fault]()
        expected = max(1, len(self.transfer[0])) if env.infinite else env.stages
        if len(row) != expected:
            faults.append(Fault(f"transfer[{i}]", f"has {len(row)} periods", f"it must have {expected}"))
        for t, part in enumerate(row[:expected]):
            shape = env.shape[0 if env.infinite else t]
            if part.shape != shape:
                faults.append(Fault(f"transfer[{i}][{t}]", f"has shape {part.shape}", f"types have the shape {shape}"))
            elif not np.isfinite(part).all():
                faults.append(Fault(f"transfer[{i}][{t}]", "has an entry that is not finite", "give finite numbers"))
        return faults

    @property
    def periods(self) -> int:
        """Number of periods whose transfers may differ: T, or with an infinite horizon those listed."""
        return len(self.transfer[0])

    def stage(self, t: int) -> int:
        """Place of period t in the environment's data."""
        return 0 if self.environment.infinite else t

    def flow(self, i: int, t: int) -> FloatArray:
        """Truthful utility of agent i in period t; money of the period, axes: type profile."""
        s = self.stage(t)
        worth = along(self.environment, i, s, range(self.environment.agents))
        return taken(worth, self.policy[s]) - self.transfer[i][t]

    @cached_property
    def continuation(self) -> tuple[tuple[FloatArray, ...], ...]:
        """V, value of truth from a period on, as of that period; by agent and period, axes: type profile."""
        return tuple(
            self._discounted([self.flow(i, t) for t in range(self.periods)]) for i in range(self.environment.agents)
        )

    def _discounted(self, rewards: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
        """Discounted sums under the policy, of rewards by period."""
        env, everybody = self.environment, range(self.environment.agents)
        values = list[FloatArray]()
        for t in reversed(range(len(rewards))):
            s = self.stage(t)
            if values:
                later = taken(ahead(env, values[-1], s, everybody), self.policy[s])
                values.append(readonly(rewards[t] + env.discount * later))
            else:
                values.append(
                    readonly(lasting(env, self.policy[0], rewards[t], everybody) if env.infinite else rewards[t])
                )
        return tuple(reversed(values))

    def expected(self, array: FloatArray) -> float:
        """Expectation of a function of the first type profile."""
        return float((self.environment.initial_distribution * array).sum())

    @cached_property
    def utilities(self) -> tuple[float, ...]:
        """Expected present value of each agent's utility when all are truthful."""
        return tuple(self.expected(values[0]) for values in self.continuation)

    @cached_property
    def continuation_welfare(self) -> tuple[FloatArray, ...]:
        """Values net of costs from a period on, as of that period; by stage, axes: type profile."""
        env, rewards = self.environment, list[FloatArray]()
        everybody = range(env.agents)
        for t in range(env.stages):
            total = sum(along(env, i, t, everybody) for i in everybody) - env.costs[t].reshape(-1, *(1,) * env.agents)
            for i, row in enumerate(env.seller_values or ()):
                total = total + row[t].reshape(len(row[t]), *(row[t].shape[1] if j == i else 1 for j in everybody))
            rewards.append(taken(total, self.policy[t]))
        return self._discounted(rewards)

    @property
    def welfare(self) -> float:
        """Expected present value of values net of costs."""
        return self.expected(self.continuation_welfare[0])

    @property
    def revenue(self) -> float:
        """Expected present value of transfers net of the seller's costs: welfare less utilities."""
        return self.welfare - sum(self.utilities)

    def to_sequence(self, tree: PublicTree | None = None) -> SequenceMechanism:
        """Write the mechanism out over public histories; the horizon must be finite.

        Parameters
        ----------
        tree : PublicTree, optional
            Default: that of all reports, whatever the reported past.

        Raises
        ------
        InputError
            If the horizon is infinite.
        LimitError
            If there are too many histories.
        """
        tree = PublicTree(joint_process(self.environment), "any") if tree is None else tree
        if not isinstance(tree, PublicTree):
            raise InputError(f"to_sequence takes a PublicTree and not {type(tree).__name__}; write to_sequence()")
        if sum(tree.count) > MAX_NODES:
            raise LimitError(
                f"the mechanism has {sum(tree.count):,} public histories, above {MAX_NODES:,}; constraints that "
                f"need none "
                "are periodic-ex-post, periodic-ex-post-ir, periodic, per-period and interim"
            )
        policy = [self.policy[t].ravel()[tree.profile[t]] for t in range(tree.horizon)]
        paid = [np.array([row[t].ravel()[tree.profile[t]] for row in self.transfer]) for t in range(tree.horizon)]
        return SequenceMechanism.of_policy(tree, policy, paid, self.claims, self.source)

    def __repr__(self) -> str:
        env = self.environment
        utilities = ", ".join(f"{u:.6g}" for u in self.utilities)
        length = "infinite horizon" if env.infinite else f"{env.stages} period{'s' * (env.stages > 1)}"
        return (
            f"MarkovMechanism({env.agents} agent{'s' * (env.agents > 1)}, {length}; revenue {self.revenue:.6g}, "
            f"welfare {self.welfare:.6g}, utilities ({utilities}))"
        )
