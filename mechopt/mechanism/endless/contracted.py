"""A mechanism of current reports that starts one period after contracting, and asks for nothing at it.

Agents of a separable environment know their initial types at contracting, t = 0, and their signals from t = 1 on. Where
nothing is reported, decided or paid at t = 0 the mechanism is one of the allocation periods alone, which have pairs of
initial type and signal as their types. Money is present value as of contracting.
"""

from __future__ import annotations

from dataclasses import dataclass

from mechopt.core.errors import Fault, InputError
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.to_markov import allocation_phase
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.stationary import MarkovMechanism


@dataclass(frozen=True, eq=False, repr=False)
class ContractedMechanism(MechanismMethods):
    """Actions and payments in the allocation periods of a separable environment, for ever.

    Parameters
    ----------
    environment : SeparableTypes
        With an infinite horizon.
    allocation : MarkovMechanism
        Of the allocation periods, the first being t = 1; types are pairs of initial type and signal, as
        `allocation_phase` numbers them.

    Raises
    ------
    InputError
        If the horizon is finite, or ``allocation`` is for another environment.
    """

    environment: SeparableTypes
    allocation: MarkovMechanism

    def __post_init__(self) -> None:
        if not self.environment.infinite:
            fix = "write the mechanism on environment.to_markov()"
            raise InputError([Fault("environment", "has a finite horizon", fix)])
        if self.allocation.environment.fingerprint != allocation_phase(self.environment).fingerprint:
            fix = "write it on the allocation periods of this one"
            raise InputError([Fault("allocation", "is for another environment", fix)])

    @property
    def claims(self) -> tuple[Constraint, ...]:
        """Those of the allocation periods: nothing is reported at contracting."""
        return self.allocation.claims

    @property
    def source(self) -> str:
        """How it came about."""
        return self.allocation.source

    @property
    def welfare(self) -> float:
        """Expected present value of values net of costs."""
        return self.environment.discount * self.allocation.welfare

    @property
    def utilities(self) -> tuple[float, ...]:
        """Expected present value of each agent's utility when all are truthful."""
        return tuple(self.environment.discount * utility for utility in self.allocation.utilities)

    @property
    def revenue(self) -> float:
        """Expected present value of transfers net of costs."""
        return self.environment.discount * self.allocation.revenue

    def __repr__(self) -> str:
        n, utilities = self.environment.agents, ", ".join(f"{u:.6g}" for u in self.utilities)
        return (
            f"ContractedMechanism({n} agent{'s' * (n > 1)}, infinite horizon; revenue {self.revenue:.6g}, "
            f"welfare {self.welfare:.6g}, utilities ({utilities}))"
        )
