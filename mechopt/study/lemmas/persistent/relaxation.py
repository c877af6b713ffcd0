r"""Lemma 3.1 as a proof of optimality: a mechanism for the dynamic environment that earns what the relaxed one allows.

Where initial types alone are private every incentive compatible and individually rational mechanism stays so, which is
the lemma's first half. So with R* the relaxed optimum, a mechanism with both properties in the environment itself that
earns R* is optimal in both: the second half. What it earns less than R* bounds what any other can earn more.

Source: Kakade, Lobel and Nazerzadeh (2013), Lemma 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mechopt.environment.process import PersistentEnvironment
from mechopt.mechanism.constraints import BayesianIC, Interim
from mechopt.mechanism.protocol import Unrollable
from mechopt.solve.optimum import relaxed_optimum
from mechopt.solve.solution import Bound
from mechopt.verification.verify import verify


@dataclass(frozen=True)
class Relaxation:
    """What the relaxed environment says of a mechanism.

    Attributes
    ----------
    revenue : float
        Of the mechanism.
    relaxed : Bound
        Bracket of the relaxed optimum.
    holds : bool
        Whether the mechanism is Bayesian incentive compatible and individually rational at contracting, in the
        environment itself.
    tolerance : float
        What the bracket and the mechanism's checks leave open.
    """

    revenue: float
    relaxed: Bound
    holds: bool
    tolerance: float

    @property
    def gap(self) -> float:
        """What any mechanism can earn more at most: the relaxed optimum, from above, less the revenue."""
        return self.relaxed.upper - self.revenue

    @property
    def optimal(self) -> bool:
        """Lemma 3.1, second half: whether the mechanism is shown to be optimal, in both environments."""
        return self.holds and self.gap <= self.tolerance


def relaxation(mechanism: Any, environment: PersistentEnvironment, time_limit: float | None = None) -> Relaxation:
    """Compare a mechanism with the optimum where initial types alone are private.

    Parameters
    ----------
    mechanism : SequenceMechanism, or something with ``to_mechanism``
    environment : MarkovTypes, SeparableTypes or InterdependentTypes
        With a finite horizon; of a separable one the later signals are public in the relaxed environment.
    time_limit : float, optional
        Seconds of the relaxed program.

    Returns
    -------
    Relaxation

    Raises
    ------
    InputError
        If the horizon is infinite.
    LimitError
        If there are too many histories to write the mechanism out.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), Lemma 3.1.

    Examples
    --------
    The virtual pivot where interval dominance holds, and where it does not: it earns the bound in both.

    >>> from mechopt.closedform.virtual.pivot import virtual_pivot
    >>> from mechopt.environment.separable import SeparableTypes
    >>> third, half = [["1/3"] * 3], [["1/2", "1/2"]]
    >>> for cost in ("1/10", "3/5"):
    ...     env = SeparableTypes([[1, 2, 3]], third, [[[0, 0], ["1/2", 2]]], half, cost=[0, cost], horizon=1)
    ...     found = relaxation(virtual_pivot(env), env)
    ...     print(found.optimal, found.holds, abs(round(found.gap, 6)))
    True True 0.0
    False False 0.0
    """
    written = mechanism.to_mechanism() if isinstance(mechanism, Unrollable) else mechanism
    report = verify(written, [BayesianIC(), Interim()])
    found = relaxed_optimum(environment, time_limit=time_limit)
    revenue = float(written.revenue)
    tolerance = 1e-7 * max(1.0, abs(found.bound.upper)) + found.bound.upper - found.bound.lower
    return Relaxation(revenue, found.bound, report.holds, tolerance)
