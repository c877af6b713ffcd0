"""A direct mechanism where types persist: what is done and paid at every public history, in sequence form.

Where an action moves types, what a mechanism does now changes which histories it can come to. Its allocation is
therefore kept as realisation weights: ``allocation[t][node, a]`` is the product of the probabilities, over the
mechanism's own draws, of the recorded actions on the way to the node and of action a there. The *mass* of a slot is the
weight of the last recorded action (1 at the root); the weights at a node sum to it. Payments are weighted alike, so
utilities are linear in both and no division by zero can occur.

A payment where the mass is zero stands for a payment without bound at a history of vanishing probability: the optimum
of a program over mechanisms may be such a limit (Kakade, Lobel and Nazerzadeh 2013 leave it open). `limit` tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mechopt.core.errors import Fault, InputError, require_type
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import JointProcess
from mechopt.histories.public import PublicTree
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.direct import ALLOCATION_SLACK
from mechopt.mechanism.methods import MechanismMethods


@dataclass(frozen=True, eq=False, repr=False)
class SequenceMechanism(MechanismMethods):
    """Actions and payments at every public history of an environment whose types persist.

    Parameters
    ----------
    tree : PublicTree
    allocation : sequence over t of arrays ``(nodes, A_t)``
        Realisation weights; at least 0, and in sum over actions the mass of the node's slot.
    payment : sequence over t of arrays ``(n, nodes, branches[t])``
        From agent to seller, money of period t, undiscounted, times the realisation weight; by recorded action, and
        expected over the mechanism's draw where the action is not recorded.
    claims : tuple of Constraint
        What the mechanism was made to satisfy; `mechopt.verify` checks these unless told otherwise.
    source : str
        How it came about.

    Raises
    ------
    InputError
        On wrong shapes, numbers that are not finite, or weights that do not add up.

    Examples
    --------
    Sell in one period at price 2 to a buyer who values the item at 1 or 2:

    >>> from mechopt.environment.process import joint_process
    >>> from mechopt.environment.markov import MarkovTypes
    >>> env = MarkovTypes([[[0, 0], [1, 2]]], [[[1, 0], [0, 1]]], [["1/2", "1/2"]], horizon=1)
    >>> tree = PublicTree(joint_process(env))
    >>> SequenceMechanism(tree, [np.array([[1, 0], [0, 1]])], [np.array([[[0], [2]]])])
    SequenceMechanism(1 agent, 1 period, 2 nodes; revenue 1, welfare 1, utilities (0))
    """

    tree: PublicTree
    allocation: tuple[FloatArray, ...]
    payment: tuple[FloatArray, ...]
    claims: tuple[Constraint, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        require_type(self.tree, "PublicTree", "SequenceMechanism", "give the tree of its histories")
        object.__setattr__(self, "claims", tuple(self.claims))
        tree, faults = self.tree, list[Fault]()
        n, periods = tree.process.agents, range(tree.horizon)
        shapes = {
            "allocation": [(tree.count[t], tree.process.actions[t]) for t in periods],
            "payment": [(n, tree.count[t], tree.branches[t]) for t in periods],
        }
        for name, expected in shapes.items():
            if not isinstance(arrays := getattr(self, name), (tuple, list, np.ndarray)) or len(arrays) != tree.horizon:
                what = f"is {type(arrays).__name__}, not a list of {tree.horizon} arrays"
                faults.append(Fault(name, what, "give an array a period"))
                continue
            try:
                given = tuple(readonly(part) for part in arrays)
            except (TypeError, ValueError):
                faults.append(Fault(name, "holds what is not an array of numbers", "give an array a period"))
                continue
            object.__setattr__(self, name, given)
            if [part.shape for part in given] != expected:
                faults.append(Fault(name, f"has shapes {[part.shape for part in given]}", f"expected are {expected}"))
            elif not all(np.isfinite(part).all() for part in given):
                faults.append(Fault(name, "has an entry that is not finite", "give finite numbers"))
        if not faults:
            faults = self._weight_faults()
        if faults:
            raise InputError(faults)

    def _weight_faults(self) -> list[Fault]:
        faults = []
        for t, weights in enumerate(self.allocation):
            off = float(np.abs(weights.sum(axis=1) - self.mass(t)[self.tree.slot[t]]).max(initial=0.0))
            low = float(weights.min(initial=0.0))
            ruled = self.process.forbidden
            if ruled is not None and (taken := weights[ruled[t].T[self.tree.profile[t]]]).any():
                what = f"takes an action that the public state rules out, with weight {float(np.abs(taken).max()):.3g}"
                faults.append(Fault(f"allocation[{t}]", what, "take another one"))
            if low < -ALLOCATION_SLACK or off > ALLOCATION_SLACK:
                what = f"has a smallest entry of {low:.3g} and sums that are {off:.3g} off the weight of their history"
                faults.append(Fault(f"allocation[{t}]", what, "realisation weights of the actions"))
        return faults

    @classmethod
    def of_policy(
        cls,
        tree: PublicTree,
        policy: Sequence[IntArray],
        payment: Sequence[FloatArray],
        claims: Sequence[Constraint] = (),
        source: str = "",
    ) -> SequenceMechanism:
        """Build a mechanism that draws nothing.

        Parameters
        ----------
        tree : PublicTree
        policy : sequence over t of int arrays ``(nodes,)``
            Action at each node.
        payment : sequence over t of arrays ``(n, nodes)``
            Unweighted, money of the period.
        """
        mass, allocation, weighted = np.ones(1), [], []
        for t in range(tree.horizon):
            here = mass[tree.slot[t]]
            rows = np.zeros((tree.count[t], tree.process.actions[t]))
            rows[np.arange(tree.count[t]), policy[t]] = here
            recorded = rows if tree.branches[t] > 1 else here[:, None]
            allocation.append(rows)
            weighted.append(np.asarray(payment[t])[:, :, None] * recorded)
            mass = recorded.ravel()
        return cls(tree, tuple(allocation), tuple(weighted), tuple(claims), source)

    @property
    def environment(self) -> MarkovTypes | InterdependentTypes:
        """Environment of the mechanism."""
        return self.tree.process.environment

    @property
    def process(self) -> JointProcess:
        """The environment's distributions by profile."""
        return self.tree.process

    def recorded(self, t: int) -> FloatArray:
        """Weight after each node by recorded action, ``(nodes, branches[t])``."""
        weights = self.allocation[t]
        return weights if self.tree.branches[t] > 1 else weights.sum(axis=1, keepdims=True)

    def mass(self, t: int) -> FloatArray:
        """Realisation weight of each slot of period t."""
        return self.recorded(t - 1).ravel() if t else np.ones(1)

    @cached_property
    def policy(self) -> tuple[FloatArray, ...]:
        """Probability of each action at each node, ``(nodes, A_t)``; rows of zeros where the mass is 0."""
        parts = []
        for t, weights in enumerate(self.allocation):
            mass = self.mass(t)[self.tree.slot[t]][:, None]
            parts.append(readonly(np.divide(weights, mass, out=np.zeros_like(weights), where=mass > ALLOCATION_SLACK)))
        return tuple(parts)

    @cached_property
    def limit(self) -> bool:
        """Whether something is paid at a history of mass 0: the mechanism is then a limit of mechanisms."""
        scale = max((float(np.abs(part).max(initial=0.0)) for part in self.payment), default=0.0)
        return any(
            bool((np.abs(part)[:, self.recorded(t) <= ALLOCATION_SLACK] > 1e-7 * scale).any())
            for t, part in enumerate(self.payment)
        )

    def stage_values(self, t: int) -> FloatArray:
        """Weighted truthful value of each agent at each node of period t, money of the period; ``(n, nodes)``."""
        values: FloatArray = np.einsum(
            "iak,ka->ik", self.process.values[t][:, :, self.tree.profile[t]], self.allocation[t]
        )
        return values

    @cached_property
    def utilities(self) -> tuple[float, ...]:
        """Expected present value of each agent's utility when all are truthful."""
        total = np.zeros(self.process.agents)
        for t, weight in enumerate(np.array(self.process.own_present_value).T):
            total += weight * ((self.stage_values(t) - self.payment[t].sum(axis=2)) @ self.tree.reach[t])
        return tuple(total.tolist())

    @cached_property
    def payments(self) -> tuple[float, ...]:
        """Expected present value, to the seller, of each agent's payments when all are truthful."""
        total = np.zeros(self.process.agents)
        for t, weight in enumerate(self.process.present_value):
            total += weight * self.payment[t].sum(axis=2) @ self.tree.reach[t]
        return tuple(total.tolist())

    @cached_property
    def cost(self) -> float:
        """Expected present value of the seller's costs, less what actions are worth to her besides payments."""
        stages = zip(self.process.present_value, self.allocation, self.process.costs, self.tree.reach, strict=True)
        total = float(sum(weight * (reach @ (x @ cost)) for weight, x, cost, reach in stages))
        for t, gains in enumerate(self.process.gains or ()):
            worth = (self.allocation[t] * gains.T[self.tree.profile[t]]).sum(axis=1)
            total -= float(self.process.present_value[t] * (self.tree.reach[t] @ worth))
        return total

    @property
    def revenue(self) -> float:
        """Expected present value of payments net of the seller's costs."""
        return sum(self.payments) - self.cost

    @property
    def welfare(self) -> float:
        """Expected present value of values, to each agent, net of costs, to the seller; from the allocation alone."""
        stages = zip(np.array(self.process.own_present_value).T, self.tree.reach, strict=True)
        worth = (float(weight @ (self.stage_values(t) @ reach)) for t, (weight, reach) in enumerate(stages))
        return float(sum(worth)) - self.cost

    def __repr__(self) -> str:
        n, periods = self.process.agents, self.tree.horizon
        utilities = ", ".join(f"{u:.6g}" for u in self.utilities)
        return (
            f"SequenceMechanism({n} agent{'s' * (n > 1)}, {periods} period{'s' * (periods > 1)}, "
            f"{sum(self.tree.count)} nodes; revenue {self.revenue:.6g}, welfare {self.welfare:.6g}, "
            f"utilities ({utilities}))"
        )
