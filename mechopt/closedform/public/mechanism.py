"""A pivot mechanism with public states, as a value; see `mechopt.closedform.public.pivot` for the formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

import numpy as np

from mechopt.closedform.public.process import Program
from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray
from mechopt.environment.process import joint_process
from mechopt.environment.states.separable import SeparableStates
from mechopt.histories.public import PublicTree
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.sequence import SequenceMechanism

Profile = tuple[int, ...]


@dataclass(frozen=True)
class After:
    """Continuation after one public state and profile of initial types.

    Attributes
    ----------
    members : tuple of int
        Who is included.
    bound : float
        Weighted welfare, present value as of contracting.
    utility, upfront : tuples over agents of float
        Of truthful agents, and what they pay at contracting.
    values, cost : float
        What the allocation is worth to agents, and costs net of what states are worth to the seller.
    weights : tuple over agents of (alpha, beta), or None where she is excluded
        Beta by period and state, ``beta[t][s]``: array ``(action,)``.
    """

    members: tuple[int, ...]
    bound: float
    utility: tuple[float, ...]
    upfront: tuple[float, ...]
    values: float
    cost: float
    weights: tuple[tuple[float, list[list[FloatArray]]] | None, ...]


@dataclass(frozen=True, eq=False, repr=False)
class PublicPivot(MechanismMethods):
    """The virtual or the dynamic pivot mechanism of a `SeparableStates` environment.

    Money is present value as of contracting, in expectation, unless said.

    Attributes
    ----------
    environment : SeparableStates
    source : str
        "virtual pivot" or "dynamic pivot".
    claims : tuple of Constraint
        Of the dynamic pivot periodic ex post IC; of the virtual one none, see `contracting_gain`.
    after : dict from (state, profile of initial types) to After
        States of positive probability alone.
    gains : dict from (state, agent, profile with her report) to float array ``(type,)``
        What reporting that at contracting, and the truth afterwards, brings each type: (16) says at most 0.
    """

    environment: SeparableStates
    source: str
    claims: tuple[Constraint, ...]
    after: dict[tuple[int, Profile], After]
    gains: dict[tuple[int, int, Profile], FloatArray]
    _pairs: Callable[[After], Program] = field(repr=False)

    def _mean(self, part: Callable[[After], float]) -> float:
        distributions = self.environment.cells[0][0].initial_distribution
        first = self.environment.state_initial
        return sum(float(first[s] * distributions[profile]) * part(found) for (s, profile), found in self.after.items())

    @property
    def bound(self) -> float:
        """(8) of the virtual pivot, given the first public state; expected welfare of the dynamic one."""
        return self._mean(lambda found: found.bound)

    @property
    def profit(self) -> float:
        """Expected payments net of costs, everybody truthful."""
        return self._mean(lambda found: found.values - sum(found.utility) - found.cost)

    @property
    def revenue(self) -> float:
        """The same as `profit`."""
        return self.profit

    @property
    def welfare(self) -> float:
        """Expected values net of costs, everybody truthful."""
        return self._mean(lambda found: found.values - found.cost)

    @property
    def utilities(self) -> tuple[float, ...]:
        """Expected utility of each agent."""

        def of(i: int) -> float:
            return self._mean(lambda found: found.utility[i])

        return tuple(map(of, range(self.environment.agents)))

    @cached_property
    def contracting_gain(self) -> float:
        """Largest gain from misreporting at contracting, whatever the state and the others' types; at least 0."""
        return max(0.0, *(float(part.max()) for part in self.gains.values()), 0.0)

    @property
    def regime(self) -> str:
        """``"a"`` where (16) holds, so that the published payments attain the bound; else ``"b or c"``.

        Of the virtual pivot; `mechopt.mechanisms.diagnose` solves programs for the rest.
        """
        slack = VERIFY_TOLERANCE * max(1e-300, *(abs(found.bound) for found in self.after.values()))
        return "a" if self.contracting_gain <= slack else "b or c"

    def program(self, found: After) -> Program:
        """The dynamic program after one public state and profile of initial types, by pair of these and the signal."""
        return self._pairs(found)

    def to_mechanism(self) -> SequenceMechanism:
        """Write the mechanism at every public history, reports being consistent with those before.

        Raises
        ------
        LimitError
            If there are too many histories.
        """
        env = self.environment
        tree = PublicTree(joint_process(env))
        n, shape, base = env.agents, env.initial_shape, env.base
        signals = env.cells[0][0].signal_shape
        count = len(env.state_initial)
        first = [tree.own(0, i) for i in range(n)]
        state0 = first[0] // shape[0]
        policy = [np.zeros(tree.count[0], dtype=np.int64)]
        payment = [np.zeros((n, tree.count[0]))]
        for t in range(1, tree.horizon):
            policy.append(np.zeros(tree.count[t], dtype=np.int64))
            payment.append(np.zeros((n, tree.count[t])))
        roots = [np.arange(tree.count[0])]
        for t in range(1, tree.horizon):
            node, _ = tree.came(t)
            roots.append(roots[-1][node[tree.slot[t]]])
        sizes = [base.shape[1][i] for i in range(n)] if tree.horizon > 1 else []
        assert all(state < count for state in state0)
        for r in range(tree.count[0]):
            profile = tuple(int(own[r] % k) for own, k in zip(first, shape, strict=True))
            found = self.after[int(state0[r]), profile]
            excluded = base.action_counts[0] > 1
            policy[0][r] = sum(1 << i for i in found.members) if excluded else 0
            payment[0][:, r] = found.upfront
            program = self._pairs(found)
            for t in range(1, tree.horizon):
                nodes = np.flatnonzero(roots[t] == r)
                own = [tree.own(t, i)[nodes] for i in range(n)]
                state = own[0] // sizes[0]
                private = [part % size for part, size in zip(own, sizes, strict=True)]
                reported = tuple(np.minimum(private[i], shape[i] * signals[i] - 1) for i in found.members)
                policy[t][nodes] = program.best[1][t - 1][(state, *reported)]
                for i in found.members:
                    weights = found.weights[i]
                    assert weights is not None
                    fees = program.payment(i, t - 1, weights[0], weights[1][t - 1])
                    payment[t][i, nodes] = fees[(state, *reported)]
        return SequenceMechanism.of_policy(tree, policy, payment, self.claims, self.source)

    def __repr__(self) -> str:
        utilities = ", ".join(f"{u:.6g}" for u in self.utilities)
        return f"PublicPivot({self.source}; profit {self.profit:.6g}, utilities ({utilities}))"


def every(environment: SeparableStates) -> list[tuple[int, Profile]]:
    """States of positive probability at contracting with all profiles of initial types."""
    states = np.flatnonzero(environment.state_initial > 0).tolist()
    return [(s, profile) for s in states for profile in product(*map(range, environment.initial_shape))]
