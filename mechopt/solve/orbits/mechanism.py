"""A mechanism that treats identical buyers alike, as a view: by own reports and the multiset of the others' reports.

Its arrays are those of `mechopt.histories.orbits`: ``(multisets of the others, own sequences)`` by length of history.
It grows with the number of orbits; ``to_mechanism`` writes it out over all histories where there are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.independent import IndependentTypes
from mechopt.histories.orbits import OrbitTree
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.outcome import own_values
from mechopt.mechanism.simulation import Runs, played

MAX_ENTRIES = 20_000_000
"""Largest number of entries of the arrays that it is written out in."""


@dataclass(frozen=True, eq=False, repr=False)
class OrbitMechanism(MechanismMethods):
    """Allocation and realised utility of a buyer by her own reports and the others'.

    Nothing is proved of a share that it guarantees; it is saved and tabulated as it is written out over histories.

    Attributes
    ----------
    environment : IndependentTypes
        With identical buyers.
    allocation : tuple over t of arrays ``(multisets, sequences)`` of length t + 1
        Probability that a buyer gets the item of period t.
    realised : tuple over t = 0, ..., T of arrays ``(multisets, sequences)`` of length t
        Her utility so far, present value.
    claims : tuple of Constraint
        What it was made to satisfy.
    source : str
        How it came about.
    """

    environment: IndependentTypes
    allocation: tuple[FloatArray, ...]
    realised: tuple[FloatArray, ...]
    claims: tuple[Constraint, ...] = ()
    source: str = ""

    @cached_property
    def tree(self) -> OrbitTree:
        """Multisets and sequences."""
        return OrbitTree(self.environment)

    @cached_property
    def welfare(self) -> float:
        """Expected value of what is sold, net of costs."""
        env = self.environment
        return env.agents * float(
            sum(
                (self.tree.reach[t + 1] * x * (self._own(t) - env.present_value[t] * env.cost[t])).sum()
                for t, x in enumerate(self.allocation)
            )
        )

    @cached_property
    def utilities(self) -> tuple[float, ...]:
        """Expected utility by buyer."""
        return (float((self.tree.reach[-1] * self.realised[-1]).sum()),) * self.environment.agents

    @property
    def revenue(self) -> float:
        """Expected revenue net of costs."""
        return self.welfare - sum(self.utilities)

    def _own(self, t: int) -> FloatArray:
        """Present value of the item of period t by own sequence of length t + 1."""
        env = self.environment
        values: FloatArray = env.present_value[t] * env.values[0][t]
        return values[np.arange(self.tree.sequences[t + 1]) % len(values)]

    @cached_property
    def lifetime(self) -> tuple[FloatArray, ...]:
        """Expected utility over the whole life by length of history, as `realised`."""
        after, made = self.realised[-1], [self.realised[-1]]
        for t in range(self.environment.horizon - 1, -1, -1):
            by_type = after.reshape(len(after), self.tree.sequences[t], -1) @ self.environment.probabilities[0][t]
            after = self._continued(t, by_type)
            made.append(after)
        return tuple(made[::-1])

    def _continued(self, t: int, array: FloatArray) -> FloatArray:
        """Mean over what the others report in period t: from multisets of length t + 1 to those of length t."""
        total = np.zeros((len(self.tree.multisets[t]), *array.shape[1:]))
        weights = self.tree.weights[t].reshape(-1, *[1] * (array.ndim - 1))
        np.add.at(total, self.tree.parents[t], weights * array)
        return total

    def gains(self) -> dict[str, float]:
        """Largest gain from a misreport after any history (DIC), and largest loss on any path (EPIR), present value.

        All misreports of all types are tried, one period each; types are independent across periods, so that no more
        can be gained by several.
        """
        worst = 0.0
        for t in range(self.environment.horizon):
            values = self.environment.present_value[t] * self.environment.values[0][t]
            shape = (len(self.tree.multisets[t + 1]), self.tree.sequences[t], len(values))
            utility = self._continued(t, self.lifetime[t + 1].reshape(shape))
            sold = self._continued(t, self.allocation[t].reshape(shape))
            told = utility[:, :, None, :] + (values[:, None] - values) * sold[:, :, None, :]
            worst = max(worst, float((told - utility[..., None]).max()))
        return {"dic": worst, "epir": max(0.0, -float(self.realised[-1].min()))}

    def to_mechanism(self) -> Mechanism:
        """Write it out over all histories.

        Raises
        ------
        LimitError
            If there are too many.
        """
        env, tree = self.environment, HistoryTree(self.environment)
        entries = env.agents * sum(tree.count[1:])
        if entries > MAX_ENTRIES:
            raise LimitError(
                f"{entries:,} histories of {env.agents} buyers are too many to write out; use revenue, gains() or "
                "simulate(), which follow orbits"
            )
        sequences = np.zeros((env.agents, 1), np.int64)
        allocation, payment = list[FloatArray](), list[FloatArray]()
        realised = np.repeat(self.realised[0].ravel(), env.agents).reshape(env.agents, 1)
        for t, x in enumerate(self.allocation):
            shape, ones = (env.agents, *tree.children(t)), [1] * env.agents
            reports = np.indices(env.shape[t])
            joined = sequences.reshape(env.agents, -1, *ones) * env.shape[t][0] + reports[:, None]
            sequences = joined.reshape(env.agents, -1)
            places = np.stack([self.tree.place(t + 1, sequences, i) for i in range(env.agents)])
            sold, now = x.ravel()[places].reshape(shape), self.realised[t + 1].ravel()[places]
            gain = now.reshape(shape) - realised.reshape(env.agents, -1, *ones)
            allocation.append(readonly(sold))
            payment.append(readonly(own_values(tree, t) * sold - gain / env.present_value[t] + 0.0))
            realised = now
        return Mechanism(env, tuple(allocation), tuple(payment), self.claims, self.source)

    def __repr__(self) -> str:
        places = sum(x.size for x in self.allocation)
        return f"OrbitMechanism({self.environment.agents} buyers, {places} places; revenue {self.revenue:.9g})"


@played.register(OrbitMechanism)
def _(mechanism: OrbitMechanism, rng: np.random.Generator, runs: int) -> Runs:
    env, tree = mechanism.environment, mechanism.tree
    sequences: IntArray = np.zeros((env.agents, runs), np.int64)
    welfare, utility = np.zeros(runs), np.zeros((env.agents, runs))
    for t, x in enumerate(mechanism.allocation):
        distribution = env.probabilities[0][t]
        types = rng.choice(len(distribution), size=sequences.shape, p=distribution / distribution.sum())
        sequences = sequences * len(distribution) + types
        margin = env.present_value[t] * (env.values[0][t] - env.cost[t])
        for i in range(env.agents):
            place = tree.place(t + 1, sequences, i)
            welfare += margin[types[i]] * x.ravel()[place]
            if t + 1 == env.horizon:
                utility[i] = mechanism.realised[-1].ravel()[place]
    return Runs(welfare - utility.sum(axis=0), utility, welfare)
