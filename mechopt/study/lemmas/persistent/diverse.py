r"""Diverse preferences, and what they pin down on a grid: Assumption 1 and Lemmas 1 and 2.

Assumption 1 asks every agent for a type :math:`\theta^0` who never gets anything from any action and stays so, and for
every action a and every x at least 0 for a type :math:`\theta^{a,x}` who gets x from a now, nothing from any other
action, and becomes :math:`\theta^0` for certain. With finitely many types there are finitely many x. Lemma 1 then says
only that what :math:`\theta^{a,x}` pays lies in an interval (`mechopt.mechanisms.payment_intervals`) that contains the
dynamic pivot's payment, and that is no wider than the step of the grid around it; Lemma 2 that her value of truth lies
in one that contains the marginal contribution.

Source: Bergemann and Valimaki (2010), Assumption 1, Lemmas 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mechopt.closedform.pivot.dynamic_pivot import dynamic_pivot
from mechopt.closedform.pivot.intervals import PaymentIntervals, ValueIntervals, payment_intervals, value_intervals
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_kind


@dataclass(frozen=True, eq=False, repr=False)
class DiversePreferences:
    r"""One agent's diverse types, and what Lemmas 1 and 2 leave of her payments and values.

    Attributes
    ----------
    agent : int
    null : int or None
        The type that is :math:`\theta^0`; None where there is none, so that Assumption 1 fails.
    diverse : tuple over actions of tuples of (float, int)
        x and type of each :math:`\theta^{a,x}`, x ascending.
    payments : PaymentIntervals
        What each profile's payment may be.
    pivot : read-only float array, axes: type profile
        The dynamic pivot's payment.
    values : ValueIntervals
        What the value of truth may be at each profile.
    marginal : read-only float array, axes: type profile
        Marginal contribution, which is the dynamic pivot's value of truth.
    """

    agent: int
    null: int | None
    diverse: tuple[tuple[tuple[float, int], ...], ...]
    payments: PaymentIntervals
    pivot: FloatArray
    values: ValueIntervals
    marginal: FloatArray

    @property
    def holds(self) -> bool:
        """Whether there is a null type, and a type for every action at one x above 0 at least."""
        return self.null is not None and all(self.diverse)

    @property
    def inside(self) -> bool:
        """Lemmas 1 and 2: whether the pivot's payments, and marginal contributions, lie in the intervals everywhere."""
        pairs = ((self.payments, self.pivot), (self.values, self.marginal))
        for interval, number in pairs:
            slack = 1e-7 * max(1.0, float(np.abs(number).max()))
            if not ((interval.lower - slack <= number) & (number <= interval.upper + slack)).all():
                return False
        return True

    @property
    def diverse_width(self) -> float:
        """Lemma 1: widest interval of a diverse type's payment; 0 with a continuum, here at most a step of the grid."""
        widths = np.moveaxis(self.payments.width, self.agent, 0)
        types = [k for row in self.diverse for _, k in row]
        return float(widths[types].max()) if types else float("inf")

    @property
    def value_width(self) -> float:
        """Lemma 2: widest interval of a diverse type's value of truth; as wide as that of her payment, made once."""
        widths = np.moveaxis(self.values.width, self.agent, 0)
        types = [k for row in self.diverse for _, k in row]
        return float(widths[types].max()) if types else float("inf")

    def __repr__(self) -> str:
        count = sum(map(len, self.diverse))
        return f"DiversePreferences(agent {self.agent}, {count} diverse types, widest {self.diverse_width:.6g})"


def diverse_preferences(environment: MarkovTypes, agent: int) -> DiversePreferences:
    """Find an agent's diverse types, and what is pinned down by them under participation and efficient exit.

    Parameters
    ----------
    environment : MarkovTypes
        With an infinite horizon.
    agent : int

    Returns
    -------
    DiversePreferences

    Raises
    ------
    InputError
        If the horizon is finite, or there is no such agent.

    References
    ----------
    Bergemann and Valimaki (2010), Assumption 1, Lemmas 1 and 2.

    Examples
    --------
    Agent 0 wants the good once, at 1, 2 or 3, or not at all; agent 1 wants it in every period, at 12/5, so that the
    pivot's price is 12/5: pinned down to the cell from 2 to 3.

    >>> values = [[[0] * 4, [0, 1, 2, 3], [0] * 4], [[0], [0], ["12/5"]]]
    >>> gone = [[[1, 0, 0, 0]] * 4, [[1]]]
    >>> env = MarkovTypes(values, gone, [["1/4"] * 4, [1]], discount="1/2")
    >>> found = diverse_preferences(env, 0)
    >>> found.null, found.diverse[1], found.inside, round(found.diverse_width, 6)
    (0, ((1.0, 1), (2.0, 2), (3.0, 3)), True, 1.0)
    """
    require_kind(environment, "markov", "diverse_preferences")
    if not environment.infinite:
        raise InputError([Fault("horizon", f"is {environment.horizon}", 'it must be "infinite"')])
    if agent not in range(environment.agents):
        raise InputError([Fault("agent", f"is {agent!r}", f"give one from 0 to {environment.agents - 1}")])
    values, kernel = environment.values[agent][0], environment.kernel[agent][0]
    stays = (kernel[:, np.arange(values.shape[1]), np.arange(values.shape[1])] == 1).all(axis=0)
    null = np.flatnonzero((values == 0).all(axis=0) & stays)
    first = int(null[0]) if null.size else None
    diverse = tuple(_of_action(values, kernel, a, first) for a in range(len(values)))
    pivot = dynamic_pivot(environment)
    return DiversePreferences(
        agent,
        first,
        diverse,
        payment_intervals(environment, agent, pivot.policy),
        readonly(pivot.transfer[agent]),
        value_intervals(environment, agent, pivot.policy),
        readonly(pivot.marginal_contribution[agent]),
    )


def _of_action(values: FloatArray, kernel: FloatArray, a: int, null: int | None) -> tuple[tuple[float, int], ...]:
    """The types who want this action now, and nothing else ever."""
    if null is None:
        return ()
    others: npt.NDArray[np.bool_] = (np.delete(values, a, axis=0) == 0).all(axis=0)
    gone = (kernel[:, :, null] == 1).all(axis=0)
    types = np.flatnonzero(others & gone & (values[a] > 0))
    return tuple(sorted((float(values[a, k]), int(k)) for k in types))
