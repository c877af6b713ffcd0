r"""Mechanisms whose payments add up to the cost at every history, with the last profile of reports as their memory.

In period t the agents' last profile of reports is f (none in period 0), and they report th. With a target X_i, a
function of the current profile, the others' current types are averaged out, given f and the action that f led to:

    Xbar_i(f, k)  = E[X_i(k, th_-i) | f],    gamma_i(f, k) = Xbar_i(f, k) - E[Xbar_i(f, th_i) | f_i]
    p_i(f, th)    = c(a)/n - gamma_i(f, th_i) + (1/(n-1)) sum_{j != i} gamma_j(f, th_j)

Whatever agent i does, the others' terms are worth nothing to her in expectation, and hers add up to X_i as of period 0
less its expectation. So her problem is that of being paid X_i, and the payments sum to the cost at every history,
misreports included.

Lump sums z_i(f), in sum 0 over agents, move utility between agents: z_i(f) - d z_i(th) is received in every period,
which is z_i(f) in total from any history on, whatever is reported.

Source: Athey and Segal (2013), section 4; Skrzypacz and Toikka (2015) for lump sums.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray, IntArray, readonly
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import joint_process
from mechopt.histories.chain import ahead, taken
from mechopt.histories.public import PublicTree
from mechopt.mechanism.constraints import BayesianIC, Constraint, Interim, PeriodicIR
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.mechanism.stationary import MarkovMechanism

ByPeriod = tuple[FloatArray, ...]
MAX_ENTRIES = 10**7
"""Largest number of entries of one agent's table of payments: last profiles times profiles."""


@dataclass(frozen=True, eq=False, repr=False)
class BalancedMechanism(MechanismMethods):
    """An efficient or other policy with payments that sum to its cost at every history.

    Periods are 0, 1, ..., T - 1; with an infinite horizon as many as listed, at least two, and the last one is for all
    later periods too. "Last profile" axes are those of the profile reported in the period before; period 0 has none.

    Attributes
    ----------
    environment : MarkovTypes
        Of at least two agents.
    policy : tuple over stages of read-only int arrays, axes: type profile
    incentive_terms : tuple over agents of tuples over periods of read-only float arrays ``(*last profile, own report)``
        gamma_i, which the agent receives; money of the period.
    fees : read-only float array ``(agent,)``
        Paid in period 0 whatever is reported; in sum 0.
    lump_sums : tuple over agents of tuples over periods of read-only float arrays ``(*last profile,)``
        z_i; in sum over agents 0.
    claims : tuple of Constraint
        What it was made to satisfy; `mechopt.verify` checks these unless told otherwise.
    source : str
        How it came about.
    """

    environment: MarkovTypes
    policy: tuple[IntArray, ...]
    incentive_terms: tuple[ByPeriod, ...]
    fees: FloatArray
    lump_sums: tuple[ByPeriod, ...]
    claims: tuple[Constraint, ...] = (BayesianIC(),)
    source: str = ""

    @property
    def periods(self) -> int:
        """Number of periods whose payments may differ: T, or with an infinite horizon those listed."""
        return len(self.incentive_terms[0])

    def stage(self, t: int) -> int:
        """Place of period t in the environment's data."""
        return 0 if self.environment.infinite else t

    @cached_property
    def shared_cost(self) -> MarkovMechanism:
        """The same policy where everybody pays an equal share of the cost, and nothing else."""
        return shared_cost(self.environment, self.policy)

    @cached_property
    def transfers(self) -> tuple[ByPeriod, ...]:
        """``transfers[i][t]``, axes ``(*last profile, *profile)``: agent to all others and cost, money of the period.

        Raises
        ------
        LimitError
            If there are too many pairs of profiles.
        """
        sizes = [part.size * int(np.prod(self.policy[self.stage(t)].shape[1:])) for t, part in self._first_terms()]
        if max(sizes) > MAX_ENTRIES:
            raise LimitError(
                f"payments depend on {max(sizes):,} pairs of profiles, above {MAX_ENTRIES:,}; use fewer types or "
                "agents, or read incentive_terms, which need no pairs"
            )
        return tuple(
            tuple(readonly(self._transfer(i, t)) for t in range(self.periods)) for i in range(self.environment.agents)
        )

    def _first_terms(self) -> list[tuple[int, FloatArray]]:
        return list(enumerate(self.incentive_terms[0]))

    def _transfer(self, i: int, t: int) -> FloatArray:
        env, n = self.environment, self.environment.agents
        policy = self.policy[self.stage(t)]
        last = self.lump_sums[i][t].shape
        paid = np.zeros((*last, *policy.shape)) + self.shared_cost.transfer[i][self.stage(t)]
        for j in range(n):
            weight = -1.0 if j == i else 1 / (n - 1)
            paid += weight * _spread(self.incentive_terms[j][t], j, policy.ndim)
        paid -= self.lump_sums[i][t].reshape(*last, *(1,) * n)
        later = self.lump_sums[i][min(t + 1, self.periods - 1)] if env.infinite or t + 1 < self.periods else None
        if later is not None:
            paid += env.discount * later
        return paid + (self.fees[i] if t == 0 else 0.0)

    @cached_property
    def budget(self) -> float:
        """Largest difference of payments and cost at any history, in absolute value: 0 but for rounding."""
        worst = 0.0
        for t in range(self.periods):
            total = sum(row[t] for row in self.transfers)
            cost = self.environment.agents * self.shared_cost.transfer[0][self.stage(t)]
            worst = max(worst, float(np.abs(total - cost).max()))
        return worst

    @cached_property
    def interim_utilities(self) -> tuple[ByPeriod, ...]:
        """``interim_utilities[i][t]``, axes ``(*last profile, own type)``: the value of truth, as of period t.

        Before the others' current types are known, everybody having reported f in the period before.
        """
        found = []
        for i, row in enumerate(self.incentive_terms):
            own = averaged(self.environment, self.policy, self.shared_cost.continuation[i], i, self.periods)
            parts = [mean + term for mean, term in zip(own, row, strict=True)]
            parts = [part + z[..., np.newaxis] for part, z in zip(parts, self.lump_sums[i], strict=True)]
            parts[0] = parts[0] - self.fees[i]
            found.append(tuple(map(readonly, parts)))
        return tuple(found)

    @cached_property
    def utilities(self) -> tuple[float, ...]:
        """Expected present value of each agent's utility when all are truthful."""
        return tuple(
            float(distribution @ row[0])
            for distribution, row in zip(self.environment.initial, self.interim_utilities, strict=True)
        )

    @property
    def welfare(self) -> float:
        """Expected present value of values net of costs."""
        return float(self.shared_cost.welfare)

    @property
    def revenue(self) -> float:
        """Expected payments net of costs: welfare less utilities, 0 but for rounding."""
        return self.welfare - sum(self.utilities)

    @cached_property
    def participation_surplus(self) -> ByPeriod:
        """By period, axes last profile: sum over agents of the least utility of the types that may follow.

        Lump sums can give every type of every agent at least 0 at a history exactly where it is at least 0 there:
        with the efficient policy, where the collective pivot mechanism runs no deficit. Infinite where truth never
        leads to.
        """
        reached, found = likely(self), []
        for t in range(self.periods):
            least = sum(self._least(i, t) for i in range(self.environment.agents))
            found.append(readonly(np.where(reached[t], least, np.inf)))
        return tuple(found)

    def _least(self, i: int, t: int) -> FloatArray:
        """Least interim utility of the types that may follow; axes: last profile."""
        return np.asarray(
            np.where(follows(self.environment, self.policy, i, t) > 0, self.interim_utilities[i][t], np.inf).min(-1)
        )

    def with_lump_sums(self, every_period: bool = False) -> BalancedMechanism:
        """Move utility between agents so that all take part, at contracting or in every period.

        Every agent's worst type gets an equal share of `participation_surplus`. Incentives and balance stay.

        Parameters
        ----------
        every_period : bool
            Whether agents may leave in any period, when they know their type and before payments.

        Returns
        -------
        BalancedMechanism

        Raises
        ------
        InputError
            If no lump sums do: with the period, the last profile and what is missing.

        Examples
        --------
        See `balanced_team`.
        """
        n = self.environment.agents
        surplus, scale = (
            self.participation_surplus,
            max(1e-300, max(float(np.abs(u).max()) for u in self._all_utilities)),
        )
        asked = range(self.periods if every_period else 1)
        for t in asked:
            if (worst := float(surplus[t].min())) < -VERIFY_TOLERANCE * scale:
                where = tuple(int(k) for k in np.unravel_index(int(surplus[t].argmin()), surplus[t].shape))
                after = f" after the types {list(where)}" if t else ""
                what = f"lacks {-worst:.6g} in period {t}{after} for the worst types of all agents to take part"
                fix = (
                    "use a larger discount, or ask for participation at contracting only"
                    if t
                    else ("no lump sums do; other payments with the same policy may, see mo.optimum")
                )
                raise InputError([Fault("participation", what, fix)])
        rows = []
        for i in range(n):
            row = list(self.lump_sums[i])
            for t in asked:
                least = [self._least(j, t) for j in range(n)]
                row[t] = readonly(row[t] + sum(least) / n - least[i])
            rows.append(tuple(row))
        claims = (BayesianIC(), Interim(), PeriodicIR()) if every_period else (BayesianIC(), Interim())
        return replace(self, lump_sums=tuple(rows), claims=claims)

    @property
    def _all_utilities(self) -> list[FloatArray]:
        return [part for row in self.interim_utilities for part in row]

    def to_mechanism(self) -> SequenceMechanism:
        """Write the mechanism at every public history.

        Returns
        -------
        SequenceMechanism

        Raises
        ------
        InputError
            If the horizon is infinite.
        """
        tree = PublicTree(joint_process(self.environment))
        policy = [self.policy[t].ravel()[tree.profile[t]] for t in range(tree.horizon)]
        paid = []
        for t in range(tree.horizon):
            last = tree.before(t)[0][tree.slot[t]] if t else np.zeros(tree.count[0], dtype=np.int64)
            tables = [row[t].reshape(-1, self.policy[t].size) for row in self.transfers]
            paid.append(np.array([table[last, tree.profile[t]] for table in tables]))
        return SequenceMechanism.of_policy(tree, policy, paid, self.claims, self.source)

    def __repr__(self) -> str:
        utilities = ", ".join(f"{u:.6g}" for u in self.utilities)
        return f"BalancedMechanism({self.source}; welfare {self.welfare:.6g}, utilities ({utilities}))"


def shared_cost(environment: MarkovTypes, policy: tuple[IntArray, ...]) -> MarkovMechanism:
    """Build the mechanism where everybody pays an equal share of the cost."""
    share = tuple(cost[actions] / environment.agents for cost, actions in zip(environment.costs, policy, strict=True))
    return MarkovMechanism(environment, policy, (share,) * environment.agents, source="equal shares of the cost")


def balanced(
    environment: MarkovTypes,
    policy: tuple[IntArray, ...],
    targets: tuple[ByPeriod, ...],
    fees: FloatArray,
    source: str,
) -> BalancedMechanism:
    """Build the balanced payments that give every agent the incentives of being paid her target.

    Parameters
    ----------
    environment : MarkovTypes
    policy : tuple over stages of int arrays, axes: type profile
    targets : tuple over agents of tuples over periods of float arrays, axes: type profile
        X_i, present value as of the period; with an infinite horizon the last one is for all later periods.
    fees : array ``(agent,)``
    source : str
    """
    periods = max(2, len(targets[0])) if environment.infinite else environment.stages
    rows = []
    for i, target in enumerate(targets):
        means = averaged(environment, policy, target, i, periods)
        rows.append(tuple(readonly(_centred(environment, policy, i, t, mean)) for t, mean in enumerate(means)))
    nothing = tuple(readonly(np.zeros(term.shape[:-1])) for term in rows[0])
    return BalancedMechanism(
        environment, policy, tuple(rows), readonly(fees), (nothing,) * environment.agents, source=source
    )


def averaged(
    environment: MarkovTypes, policy: tuple[IntArray, ...], target: ByPeriod, i: int, periods: int
) -> list[FloatArray]:
    """Average the others' types out of a function of the profile, by period; axes ``(*last profile, own type)``."""
    others = [j for j in range(environment.agents) if j != i]
    first = np.moveaxis(np.asarray(target[0]), i, 0)
    for j in others:
        first = np.tensordot(first, environment.initial[j], axes=(1, 0))
    found = [first]
    for t in range(1, periods):
        s = 0 if environment.infinite else t - 1
        by_own = np.moveaxis(np.asarray(target[min(t, len(target) - 1)]), i, 0)
        parts = [taken(np.expand_dims(ahead(environment, part, s, others), i + 1), policy[s]) for part in by_own]
        found.append(np.stack(parts, axis=-1))
    return found


def follows(environment: MarkovTypes, policy: tuple[IntArray, ...], i: int, t: int) -> FloatArray:
    """Distribution of agent i's type of period t given the last profile, ``(*last profile, own type)``."""
    if t == 0:
        return environment.initial[i]
    s = 0 if environment.infinite else t - 1
    kernel = np.moveaxis(environment.kernel[i][s], 2, 0)  # next type, action, type
    shape = [kernel.shape[2] if j == i else 1 for j in range(environment.agents)]
    return np.stack([taken(part.reshape(len(part), *shape), policy[s]) for part in kernel], axis=-1)


def likely(mechanism: BalancedMechanism) -> list[npt.NDArray[np.bool_]]:
    """Whether truth leads to a last profile, by period; with an infinite horizon the last is for all later ones."""
    env, policy = mechanism.environment, mechanism.policy
    found: list[npt.NDArray[np.bool_]] = [np.ones((), dtype=bool)]
    reached = env.initial_distribution > 0
    for t in range(1, mechanism.periods):
        found.append(reached)
        if env.infinite or t + 1 < mechanism.periods:
            reached = _reach(env, policy[mechanism.stage(t - 1)], mechanism.stage(t - 1), reached)
    if env.infinite:
        while (more := found[-1] | _reach(env, policy[0], 0, found[-1])).sum() > found[-1].sum():
            found[-1] = more
    return found


def _reach(environment: MarkovTypes, policy: IntArray, s: int, now: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Profiles that some of these lead to."""
    total: npt.NDArray[np.bool_] | None = None
    for a in np.unique(policy[now]):
        part = (now & (policy == a)).astype(np.float64)
        for axis in range(environment.agents):
            moved = np.tensordot(part, (environment.kernel[axis][s][a] > 0).astype(np.float64), axes=(axis, 0))
            part = (np.moveaxis(moved, -1, axis) > 0).astype(np.float64)
        total = part > 0 if total is None else total | (part > 0)
    assert total is not None
    return total


def _centred(environment: MarkovTypes, policy: tuple[IntArray, ...], i: int, t: int, mean: FloatArray) -> FloatArray:
    centre = (follows(environment, policy, i, t) * mean).sum(axis=-1, keepdims=True)
    return np.asarray(mean - centre)


def _spread(term: FloatArray, j: int, agents: int) -> FloatArray:
    """Axes ``(*last profile, own report)`` to ``(*last profile, *profile)``, of length 1 for the others' reports."""
    return term.reshape(*term.shape[:-1], *(term.shape[-1] if k == j else 1 for k in range(agents)))
