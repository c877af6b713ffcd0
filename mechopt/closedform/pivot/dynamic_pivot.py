r"""The dynamic pivot mechanism: every agent gets her marginal contribution to welfare, from every history on.

With W, W_{-i} and the efficient policy a* of `efficient`, discount d, and ' for the next period::

    M_i(th) = W(th) - W_{-i}(th_-i)                                             (1)   marginal contribution
    m_i(th) = M_i(th) - d E[M_i(th') | a*(th), th]                              (10)  flow marginal contribution
    p_i(th) = v_i(a*, th_i) - m_i(th)                                           (12)  transfer
            = W_{-i}(th_-i) - sum_{j != i} v_j(a*, th_j) + c(a*) - d E[W_{-i}(th_-i') | a*, th_-i]       (13)

Transfers are computed by (13), which needs no efficient policy of the others and shows that p_i >= 0: a* is feasible
without i. Reporting the truth is then periodic ex post incentive compatible, and i's continuation utility M_i. This is
at least what i gets from the policy that is efficient without her: at least 0, so that she takes part at every history,
where none of her values are negative. The paper has no cost c; here it is the seller's, and stays when i is left out.
What the seller gains by the action alone is a cost of the other sign; by agents' types it would make them report what
she likes, and is refused.

Transfers are paid by the agent, in the money of their own period. Where several actions are efficient (`tied`) m and p
depend on which is taken, M does not.

Source: Bergemann and Valimaki (2010), section 4 and Theorem 1; equation numbers are theirs. Their multi-task example
prints the price of the winner as -(1-d) v_2: it is +(1-d) v_2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, overload

import numpy as np

from mechopt.closedform.pivot.efficient import (
    Efficient,
    Stages,
    carried,
    chosen,
    efficient,
    expected,
    flows,
    spread,
    staged,
    unstaged,
)
from mechopt.closedform.public.mechanism import PublicPivot
from mechopt.closedform.public.pivot import public_dynamic_pivot
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_kind, with_gains_as_cost
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.separable import SeparableStates
from mechopt.environment.to_markov import allocation_phase
from mechopt.mechanism.constraints import Constraint, PeriodicExPostIC
from mechopt.mechanism.endless.contracted import ContractedMechanism
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.stationary import MarkovMechanism


@dataclass(frozen=True, eq=False, repr=False)
class DynamicPivot(MechanismMethods):
    """The dynamic pivot mechanism of a Markov environment.

    Arrays are read-only, with one axis an agent: her type. With a finite horizon each array is a list over periods.

    Attributes
    ----------
    efficient : Efficient
        The efficient policy and the values that transfers are made of.
    marginal_contribution : tuple over agents of float arrays
        M_i, present value as of the period: i's equilibrium continuation utility.
    flow : tuple over agents of float arrays
        m_i, money of the period: i's equilibrium utility in it.
    transfer : tuple over agents of float arrays
        p_i, agent to seller, money of the period, undiscounted.
    contracted : SeparableTypes or None
        The environment whose allocation periods these are: arrays are then by pair of initial type and signal, the
        first period being t = 1, and welfare, utilities and revenue are as of contracting, one period before.
    """

    efficient: Efficient
    marginal_contribution: tuple[Any, ...]
    flow: tuple[Any, ...]
    transfer: tuple[Any, ...]
    contracted: SeparableTypes | None = None

    @property
    def environment(self) -> MarkovTypes | SeparableTypes:
        """Environment of the mechanism."""
        return self.contracted or self.efficient.environment

    @property
    def _start(self) -> float:
        """Weight of money of the first period."""
        return 1.0 if self.contracted is None else self.contracted.discount

    @property
    def claims(self) -> tuple[Constraint, ...]:
        """Periodic ex post IC, whatever was reported before (Theorem 1)."""
        return PeriodicExPostIC(), PeriodicExPostIC(rereport=True)

    @property
    def policy(self) -> Any:
        """Index of the action; axes: type profile."""
        return self.efficient.policy

    @property
    def tied(self) -> Any:
        """Whether another action would be efficient as well; axes: type profile."""
        return self.efficient.tied

    @property
    def welfare(self) -> float:
        """Expected present value of the agents' values net of costs."""
        return self._start * self.efficient.expected_welfare

    @cached_property
    def utilities(self) -> tuple[float, ...]:
        """Expected present value of each agent's utility: of M_i under the distribution of the first types."""
        env = self.efficient.environment
        return tuple(self._start * expected(env, part) for part in self.marginal_contribution)

    @property
    def revenue(self) -> float:
        """Expected present value of transfers net of costs: welfare that is left to the seller."""
        return self.welfare - sum(self.utilities)

    @cached_property
    def discrepancy(self) -> float:
        """Largest difference between flows by (10), from M alone, and those of (12) and (13); money."""
        env, worst = self.efficient.environment, 0.0
        policies = staged(env, self.policy)
        for part, flow in zip(self.marginal_contribution, self.flow, strict=True):
            contribution = staged(env, part)
            for t, (now, m) in enumerate(zip(contribution, staged(env, flow), strict=True)):
                following = contribution[0] if env.infinite else contribution[t + 1] if t + 1 < env.stages else None
                later: FloatArray = np.zeros(())
                if following is not None:
                    later = env.discount * chosen(carried(env, range(env.agents), following, t), policies[t])
                worst = max(worst, float(np.abs(now - later - m).max()))
        return worst

    def to_mechanism(self) -> MarkovMechanism | ContractedMechanism:
        """Policy and transfers as a mechanism of current reports, for `mechopt.verify`, histories and files."""
        env = self.efficient.environment
        transfers = tuple(tuple(staged(env, part)) for part in self.transfer)
        written = MarkovMechanism(
            env, tuple(staged(env, self.policy)), transfers, self.claims, "dynamic pivot mechanism"
        )
        return written if self.contracted is None else ContractedMechanism(self.contracted, written)

    def __repr__(self) -> str:
        utilities = ", ".join(f"{u:.6g}" for u in self.utilities)
        return f"DynamicPivot(welfare {self.welfare:.6g}, revenue {self.revenue:.6g}, utilities ({utilities}))"


@overload
def dynamic_pivot(environment: MarkovTypes | SeparableTypes) -> DynamicPivot: ...
@overload
def dynamic_pivot(environment: SeparableStates) -> PublicPivot: ...
def dynamic_pivot(environment: MarkovTypes | SeparableTypes | SeparableStates) -> DynamicPivot | PublicPivot:
    """Build the dynamic pivot mechanism.

    Parameters
    ----------
    environment : MarkovTypes, SeparableTypes or SeparableStates
        Values may be negative; transfers are at least 0 all the same, but M_i may be negative. A separable one with a
        finite horizon is unfolded, with everybody included; with an infinite one the mechanism is that of its
        allocation periods, as nothing is done at contracting. By period and public state (`SeparableStates`) the set
        of agents that is best is taken in at contracting, as ``environment.to_markov()`` has it.

    Returns
    -------
    DynamicPivot, or PublicPivot of `SeparableStates`

    Raises
    ------
    LimitError
        If actions times type profiles are too many for one array.

    References
    ----------
    Bergemann and Valimaki (2010), Theorem 1.

    Examples
    --------
    Two bidders, many tasks worth 5 against one worth 3, discount 4/5: doing the many for ever is worth 25, and leaves
    3 undone.

    >>> from mechopt.environment.families.tasks import many_tasks_against_one
    >>> pivot = dynamic_pivot(many_tasks_against_one(5, 3, "4/5"))
    >>> [float(part[0, 0].round(12)) for part in (pivot.transfer[0], pivot.marginal_contribution[0], pivot.flow[0])]
    [0.6, 22.0, 4.4]
    """
    if isinstance(environment, SeparableStates):
        return public_dynamic_pivot(environment)
    if isinstance(environment, SeparableTypes):
        require_kind(environment, "separable", "dynamic_pivot", seller_values="by action")
        if environment.infinite:
            return replace(dynamic_pivot(allocation_phase(environment)), contracted=environment)
        environment = environment.to_markov(exclusion=False)
    require_kind(environment, "markov", "dynamic_pivot", seller_values="by action")
    plain = with_gains_as_cost(environment)
    best = replace(efficient(plain), environment=environment)
    welfare, policies = staged(environment, best.welfare), staged(environment, best.policy)
    shown = unstaged(environment)
    contributions, flow, transfers = [], [], []
    for i in range(environment.agents):
        without = staged(environment, best.welfare_without[i])
        contributions.append(
            shown(tuple(readonly(w - np.expand_dims(w_i, i)) for w, w_i in zip(welfare, without, strict=True)))
        )
        pairs = [_stage(plain, i, policies[t], without, t) for t in range(environment.stages)]
        flow.append(shown(tuple(m for m, _ in pairs)))
        transfers.append(shown(tuple(p for _, p in pairs)))
    return DynamicPivot(best, tuple(contributions), tuple(flow), tuple(transfers))


def _stage(
    environment: MarkovTypes, i: int, policy: IntArray, without: Stages, t: int
) -> tuple[FloatArray, FloatArray]:
    """Flow marginal contribution (12) and transfer (13) of agent i in a period; axes: type profile."""
    others = [j for j in range(environment.agents) if j != i]
    by_action = without[t] - flows(environment, others, t)
    following = without[0] if environment.infinite else without[t + 1] if t + 1 < environment.stages else None
    if following is not None:
        by_action = by_action - environment.discount * carried(environment, others, following, t)
    shape = (environment.action_counts[t], *policy.shape)
    transfer = chosen(np.broadcast_to(np.expand_dims(by_action, i + 1), shape), policy)
    value = chosen(np.broadcast_to(spread(environment.values[i][t], i, policy.ndim), shape), policy)
    return readonly(value - transfer), readonly(transfer)
