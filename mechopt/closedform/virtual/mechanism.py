"""The virtual pivot mechanism as a value: who is included, what is done and paid, and whether truth is best.

See `mechopt.closedform.virtual.pivot` for the formulas; equation numbers are those of Kakade, Lobel and Nazerzadeh
(2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt

from mechopt.closedform.pivot.many_rewards import many_values
from mechopt.closedform.virtual.diagnosis import Contract, Diagnosis
from mechopt.closedform.virtual.phase import Phase, expected_first
from mechopt.closedform.virtual.weights import VirtualWeights
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.core.provided import provided
from mechopt.environment.separable import SeparableTypes
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.sequence import SequenceMechanism

Profile = tuple[int, ...]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False)
class VirtualPivot(MechanismMethods):
    """The virtual pivot mechanism of a separable environment.

    Arrays are read-only. Axes ``*profile`` are initial types, agent 0 first. Money is present value as of contracting.

    Attributes
    ----------
    environment : SeparableTypes
    ironed : bool
    virtual : tuple over agents of VirtualWeights
    included : bool array ``(*profile, agent)``
        Who is included.
    bound : float
        (8), with the virtual levels of `virtual`: where these do not fall, or are ironed, no mechanism that is Bayesian
        incentive compatible earns more.
    allocation_welfare : tuple over agents of float arrays ``(*profile,)``
        V_i: what the allocation is worth to i.
    slope : tuple over agents of float arrays ``(*profile,)``
        Xbar: expected discounted sum of X, the slope of i's utility in her level.
    cost : float array ``(*profile,)``
        Expected costs.
    utility : tuple over agents of float arrays ``(*profile,)``
        U: utility of truthful agents.
    upfront : tuple over agents of float arrays ``(*profile,)``
        p_0, agent to seller, at contracting.
    phases : object array ``(*profile,)`` of Phase
        What follows truthful reports.
    """

    environment: SeparableTypes
    ironed: bool
    virtual: tuple[VirtualWeights, ...]
    included: BoolArray
    bound: float
    allocation_welfare: tuple[FloatArray, ...]
    slope: tuple[FloatArray, ...]
    cost: FloatArray
    utility: tuple[FloatArray, ...]
    upfront: tuple[FloatArray, ...]
    phases: npt.NDArray[np.object_]

    @property
    def claims(self) -> tuple[Constraint, ...]:
        """None: with finitely many types the theorem needs a condition, and `regime` says whether it is met."""
        return ()

    @property
    def weights(self) -> tuple[FloatArray, ...]:
        """Alpha by agent, ``(type,)``; minus infinity where the level is 0 and the virtual level below it."""
        return tuple(part.alpha for part in self.virtual)

    @property
    def regular(self) -> bool:
        """Whether no agent's virtual levels fall, before any ironing."""
        return all(part.monotone for part in self.virtual)

    @cached_property
    def ironed_bound(self) -> float:
        """The bound with ironed virtual levels: the largest profit where only initial types are private."""
        if self.ironed or self.regular:
            return self.bound
        ironed: VirtualPivot = provided(self, "with_ironing")(self.environment, ironed=True)
        return ironed.bound

    @property
    def profit(self) -> float:
        """Expected payments net of costs, everybody truthful."""
        paid = sum(worth - rent for worth, rent in zip(self.allocation_welfare, self.utility, strict=True))
        return float((self.environment.initial_distribution * (paid - self.cost)).sum())

    @property
    def revenue(self) -> float:
        """The same as `profit`."""
        return self.profit

    @property
    def utilities(self) -> tuple[float, ...]:
        """Expected utility of each agent, everybody truthful."""
        return tuple(float((self.environment.initial_distribution * part).sum()) for part in self.utility)

    @property
    def welfare(self) -> float:
        """Expected values net of costs, everybody truthful: profit plus utilities."""
        return self.profit + sum(self.utilities)

    def phase(self, profile: Profile) -> Phase:
        """The allocation phase after truthful reports.

        Parameters
        ----------
        profile : tuple of int
            Initial types.

        Raises
        ------
        InputError
            If there is no such type.
        """
        require_profile(self.environment, profile)
        found: Phase = self.phases[tuple(profile)]
        return found

    def payment(self, agent: int, profile: Profile) -> tuple[FloatArray, ...]:
        """Payments (22) of an included agent in the allocation periods, everybody truthful.

        Parameters
        ----------
        agent : int
        profile : tuple of int
            Initial types.

        Returns
        -------
        tuple over stages of float arrays, axes: signals of the included agents
            From agent to seller, money of the period; one stage with an infinite horizon.

        Raises
        ------
        InputError
            If there is no such type or agent, or she is excluded and pays nothing.
        """
        here = self.phase(profile)
        require_member(self, agent, profile)
        return payment_stages(self.virtual, here, agent, profile)

    @cached_property
    def gains(self) -> tuple[FloatArray, ...]:
        """Gains of misreporting at contracting for each agent, truthful afterwards; (16) says: at most 0.

        Axes: the profile with her report in the place of her type, her type.
        """
        return tuple(_gains(self, i) for i in range(self.environment.agents))

    @cached_property
    def contracting_gain(self) -> float:
        """Largest gain from misreporting at contracting, whatever the others' types; at least 0."""
        return max(0.0, *(float(part.max()) for part in self.gains))

    @cached_property
    def interim_contracting_gain(self) -> float:
        """The same in expectation over the others' initial types."""
        worst, env = 0.0, self.environment
        for i, part in enumerate(self.gains):
            gain = np.moveaxis(part, i, -1)
            for distribution in [distribution for j, distribution in enumerate(env.initial_probabilities) if j != i]:
                gain = np.tensordot(distribution, gain, axes=(0, 0))
            worst = max(worst, float(gain.max()))
        return worst

    @cached_property
    def direct_gain(self) -> float:
        """Largest gain of any strategy that never takes back the initial report; see `virtual_direct`."""
        gain: float = provided(self, "direct_gain")(self)
        return gain

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """Which regime the instance is in, and why; see `regime`."""
        found: Diagnosis = provided(self, "diagnosis")(self)
        return found

    @property
    def regime(self) -> str:
        """Whether the policy can be implemented: ``"a"``, ``"b"``, ``"c"``, or ``"b or c"`` where a program must tell.

        a: with the published payments, so that the bound is attained; b: with other payments only, or if initial
        reports cannot be taken back, which attain it as well (`diagnosis` says how); c: with none, so that the optimum
        lies below the bound.
        """
        return self.diagnosis.regime

    @cached_property
    def prices(self) -> FloatArray:
        """Price of each action in every period by initial type, where there is one agent; ``(type, action)``.

        Above that of the cheapest action, in the money of the period; not a number for types that are excluded.
        """
        prices: FloatArray = provided(self, "contracts")(self)[0]
        return prices

    @cached_property
    def menu(self) -> tuple[Contract, ...]:
        """Contracts (p, M(p)) that one agent may choose from at contracting, types ascending, each once.

        Raises
        ------
        InputError
            If there are several agents.
        """
        menu: tuple[Contract, ...] = provided(self, "contracts")(self)[1]
        return menu

    def to_mechanism(self, reports: str = "consistent") -> SequenceMechanism:
        """Write the mechanism at every public history of the unfolded environment.

        Parameters
        ----------
        reports : str
            ``"consistent"``, or ``"any"`` where agents may report their initial types again in every period.

        Returns
        -------
        SequenceMechanism
            On ``environment.to_markov(exclusion)``, with exclusion where it matters or any profile leaves someone out.

        Raises
        ------
        InputError
            If the horizon is infinite.
        """
        mechanism: SequenceMechanism = provided(self, "to_mechanism")(self, reports)
        return mechanism

    def __repr__(self) -> str:
        excluded = 1.0 - self.included.mean()
        return (
            f"VirtualPivot(profit {self.profit:.6g}, utilities ({', '.join(f'{u:.6g}' for u in self.utilities)}), "
            f"{excluded:.0%} excluded)"
        )


def require_profile(environment: SeparableTypes, profile: Sequence[int]) -> None:
    """Refuse a profile with a type that does not exist."""
    counts = environment.initial_shape
    if len(profile) != len(counts):
        raise InputError(f"profile {tuple(profile)}: has {len(profile)} types for {len(counts)} agents")
    faults = [
        Fault(f"profile[{i}]", f"is {k}, agent {i} has no such initial type", f"give one from 0 to {count - 1}")
        for i, (k, count) in enumerate(zip(profile, counts, strict=True))
        if k not in range(count)
    ]
    if faults:
        raise InputError(faults)


def require_member(pivot: VirtualPivot, agent: int, profile: Sequence[int]) -> None:
    """Refuse an agent who does not exist or is excluded at a profile."""
    if agent not in range(pivot.environment.agents):
        raise InputError(f"agent: is {agent!r}; give one from 0 to {pivot.environment.agents - 1}")
    if not pivot.included[tuple(profile)][agent]:
        raise InputError(f"agent: {agent} is excluded at profile {tuple(profile)} and pays nothing; see included")


def payment_stages(virtual: Sequence[VirtualWeights], here: Phase, i: int, profile: Profile) -> tuple[FloatArray, ...]:
    """Payments (22) of a member with the weights of a profile; see `VirtualPivot.payment`."""
    stages: tuple[FloatArray, ...] = here.payment(i, float(virtual[i].alpha[profile[i]]), virtual[i].beta[profile[i]])
    return stages


def _gains(pivot: VirtualPivot, i: int) -> FloatArray:
    """Both sides of (16) for every report (in the profile) and true type of agent i: right less left."""
    env, virtual = pivot.environment, pivot.virtual
    count = env.initial_shape[i]
    gain = np.zeros((*env.initial_shape, count))
    for report in product(*map(range, env.initial_shape)):
        truth = pivot.utility[i][tuple(slice(None) if j == i else r for j, r in enumerate(report))]
        gain[report] = pivot.utility[i][report] - truth
        if not pivot.included[report][i]:
            continue
        here = pivot.phase(report)
        honest = expected_first(env, here.members, here.welfare[0])
        types = [k for k in range(count) if k != report[i]]
        if types:
            tables = np.stack([virtual[i].flow(report[i], env.value_tables[i][:, k]) for k in types])
            worth = [
                expected_first(env, here.members, best) for best in many_values(here.chains, here.members, i, tables)
            ]
            gain[report][types] += (np.array(worth) - honest) / virtual[i].alpha[report[i]]
    return readonly(gain)
