r"""Gains of reports at contracting, of any mechanism for a separable environment: Lemmas 3.1 to 3.6 with numbers.

Agent i reports k' at contracting and the truth afterwards, her initial type included where it can be reported again;
everybody else is truthful. With :math:`V(k', k)` what that is worth to type k, :math:`U_k = V(k, k)`, and
:math:`\mathbb{E}^{k' \to k}` the expectation of what is done then, the integrals of the paper become sums of

.. math:: \underline X(k', k) = \mathbb{E}^{k' \to k} \sum_t d^t (v_{k+1} - v_k)(a_t, z_t), \qquad
    \overline X(k', k) = \mathbb{E}^{k' \to k} \sum_t d^t (v_k - v_{k-1})(a_t, z_t).

- Lemma 3.2 (envelope): where only initial types are private, incentive compatibility of neighbours says
  :math:`\underline X(k, k) \le U_{k+1} - U_k \le \overline X(k+1, k+1)`, an interval and not an integral.
- Lemma 3.3, 3.4 (profit): with :math:`\phi_k = v_k - h_k (v_{k+1} - v_k)`, agent i pays
  :math:`\mathbb{E}\phi - U_0 - \sum_k P(\text{type} > k)\,(U_{k+1} - U_k - \underline X(k, k))`: an identity.
- Lemma 3.5: periodic ex post IC from period 1 on says, after every report k',
  :math:`\underline X(k', k) \le V(k', k+1) - V(k', k) \le \overline X(k', k+1)`.
- Lemma 3.6: under it the mechanism is incentive compatible if and only if interval dominance (16) holds,
  :math:`U_k - U_{k'} \ge V(k', k) - U_{k'}` for all k and k'.
- Lemma 3.1: a deviator whose signals are seen reports k' and is treated as k' for good, :math:`R(k', k)`. She gains no
  more than the best strategy does, so what is incentive compatible is so in the relaxed environment.

Source: Kakade, Lobel and Nazerzadeh (2013), section 3; equation numbers are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.require_kind import require_kind
from mechopt.environment.separable import SeparableTypes
from mechopt.mechanism.protocol import Unrollable
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.persistent.response import PersistentPayoffs

Arrays = tuple[FloatArray, ...]


@dataclass(frozen=True, eq=False, repr=False)
class InitialReports:
    """Gains of reports at contracting; money as of contracting, arrays read-only, one an agent.

    Attributes
    ----------
    utility : float arrays ``(type,)``
        U, expected over the others' types.
    value : float arrays ``(report, type)``
        V.
    slope_up, slope_down : float arrays ``(report, type)``
        Sums of what values rise by to the next type up, and from the one below; 0 at the last, and at the first type.
        Off the diagonal not a number where initial types cannot be reported again.
    relaxed : float arrays ``(report, type)``
        R, where signals are seen and the type that was reported counts for good.
    virtual : float arrays ``(type,)``
        Expected sum of phi.
    payment : float arrays ``(type,)``
        Expected sum of payments.
    tails : float arrays ``(type,)``
        Probability of a higher type.
    probabilities : float arrays ``(type,)``
    ex_post_gain : float
        Largest V less U whatever the others' initial types.
    later_gain : float
        Largest gain of one misreport after contracting, whatever the others' types: periodic ex post IC from t = 1 on.
    strategy_gain : float
        Largest gain of any strategy from contracting on: Bayesian incentive compatibility.
    """

    utility: Arrays
    value: Arrays
    slope_up: Arrays
    slope_down: Arrays
    relaxed: Arrays
    virtual: Arrays
    payment: Arrays
    tails: Arrays
    probabilities: Arrays
    ex_post_gain: float
    later_gain: float
    strategy_gain: float

    @property
    def dominance(self) -> Arrays:
        """Right side less left side of (16), ``(report, type)``: what the report gains the type."""
        return tuple(v - u for v, u in zip(self.value, self.utility, strict=True))

    @property
    def dominance_gain(self) -> float:
        """Largest of these; at least 0."""
        return max(0.0, *(float(part.max()) for part in self.dominance))

    @property
    def relaxed_gain(self) -> float:
        """Largest gain of a misreport where only initial types are private; at least 0 (Lemma 3.1: at most any's)."""
        return max(0.0, *(float((r - u).max()) for r, u in zip(self.relaxed, self.utility, strict=True)))

    @property
    def envelope(self) -> tuple[tuple[FloatArray, FloatArray, FloatArray], ...]:
        """Lemma 3.2 by agent: lower end, rise of U and upper end, ``(type - 1,)`` each."""
        return tuple(
            (np.diagonal(low)[:-1], np.diff(u), np.diagonal(high)[1:])
            for low, u, high in zip(self.slope_up, self.utility, self.slope_down, strict=True)
        )

    @property
    def envelope_gap(self) -> float:
        """By how much some rise of U is outside of its interval; 0 where the envelope condition holds."""
        gaps = [(low - rise, rise - high) for low, rise, high in self.envelope]
        return max([0.0, *(float(part.max()) for pair in gaps for part in pair if part.size)])

    @property
    def later_envelope_gap(self) -> float:
        """The same of Lemma 3.5, after every report; not a number where initial types cannot be reported again."""
        worst = 0.0
        for value, low, high in zip(self.value, self.slope_up, self.slope_down, strict=True):
            rise = np.diff(value, axis=1)
            gaps = np.maximum(low[:, :-1] - rise, rise - high[:, 1:])
            worst = float(np.maximum(worst, gaps.max())) if gaps.size else worst
        return worst

    @property
    def rent_slack(self) -> tuple[float, ...]:
        """Lemma 3.3 by agent: what payments are below the virtual values less the lowest type's utility."""
        return tuple(
            float(tail[:-1] @ (rise - low)) for tail, (low, rise, _) in zip(self.tails, self.envelope, strict=True)
        )

    @property
    def expected_payments(self) -> tuple[float, ...]:
        """Lemmas 3.3 and 3.4 by agent: virtual values less lowest utility and slack."""
        return tuple(
            float(f @ phi) - float(u[0]) - slack
            for f, phi, u, slack in zip(self.probabilities, self.virtual, self.utility, self.rent_slack, strict=True)
        )

    def __repr__(self) -> str:
        return (
            f"InitialReports(dominance gain {self.dominance_gain:.6g}, later gain {self.later_gain:.6g}, "
            f"envelope gap {self.envelope_gap:.6g})"
        )


def initial_reports(mechanism: Any, environment: SeparableTypes) -> InitialReports:
    """Measure what reports at contracting bring, by Lemmas 3.1 to 3.6.

    Parameters
    ----------
    mechanism : SequenceMechanism, or something with ``to_mechanism``
        On ``environment.to_markov()``, with types who are left out or without.
    environment : SeparableTypes
        With a finite horizon, of any form, signals independent of initial types, all of positive probability.

    Returns
    -------
    InitialReports

    Raises
    ------
    InputError
        If the environment is of another kind, or the mechanism for another environment.
    LimitError
        If there are too many histories to write the mechanism out.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), Lemmas 3.1 to 3.6.

    Examples
    --------
    One buyer of type 1, 2 or 3, a signal worth 1/2 or 2 times that, sold at cost 3/5: the published payments let a type
    gain, although the envelope condition holds.

    >>> from mechopt.closedform.virtual.pivot import virtual_pivot
    >>> third, half = [["1/3"] * 3], [["1/2", "1/2"]]
    >>> env = SeparableTypes([[1, 2, 3]], third, [[[0, 0], ["1/2", 2]]], half, cost=[0, "3/5"], horizon=1)
    >>> found = initial_reports(virtual_pivot(env).to_mechanism(reports="any"), env)
    >>> found.envelope_gap < 1e-12, round(found.dominance_gain, 9), found.later_gain < 1e-12
    (True, 0.15, True)
    """
    require_kind(environment, "separable", "initial_reports")
    if environment.correlated or any((distribution == 0).any() for distribution in environment.initial_probabilities):
        what = "has signals that depend on initial types, or types of probability 0"
        raise InputError([Fault("environment", what, "the lemmas are not about these")])
    written: Any = mechanism.to_mechanism() if isinstance(mechanism, Unrollable) else mechanism
    if not isinstance(written, SequenceMechanism) or not _is_for(written, environment):
        raise InputError([Fault("mechanism", "is not one over histories for environment.to_markov()", "give one")])
    agents = [_agent(written, environment, i) for i in range(environment.agents)]
    columns: Any = [tuple(readonly(agent[n]) for agent in agents) for n in range(9)]
    gains = [max([0.0, *(float(agent[n]) for agent in agents)]) for n in range(9, 12)]
    return InitialReports(*columns, *gains)


def _is_for(mechanism: SequenceMechanism, environment: SeparableTypes) -> bool:
    given = mechanism.environment.fingerprint
    for exclusion in (False, True):
        try:
            if environment.to_markov(exclusion).fingerprint == given:
                return True
        except (InputError, LimitError):
            continue
    return False


@dataclass(frozen=True, eq=False)
class _Sums(PersistentPayoffs):
    """Expected sums of a table ``(action, type)`` of the allocation periods, in place of values less payments."""

    table: FloatArray

    def flow(self, t: int) -> FloatArray:
        """Weighted entries of the table by node, true type and branch, present value."""
        tree, process = self.mechanism.tree, self.mechanism.process
        shape = (tree.count[t], self.types(t), tree.branches[t])
        if t == 0:
            return np.zeros(shape)
        own = np.broadcast_to(np.arange(self.types(t)), shape[:2])
        entries = np.moveaxis(self.table[:, own], 0, 2) * self.mechanism.allocation[t][:, None, :]
        weighted: FloatArray = process.own_present_value[self.agent][t] * entries
        return weighted if tree.branches[t] > 1 else weighted.sum(axis=2, keepdims=True)


def _by_report(payoffs: PersistentPayoffs) -> FloatArray:
    """Value by report at contracting and true type, truth afterwards."""
    groups = payoffs.by_report[0]
    rows = groups.sum(payoffs.beliefs(0) * payoffs.truthful[0].node)
    table: FloatArray = np.empty_like(rows)
    table[groups.member] = rows
    return table


def _agent(mechanism: SequenceMechanism, environment: SeparableTypes, i: int) -> tuple[Any, ...]:
    payoffs, values = PersistentPayoffs(mechanism, i), environment.value_tables[i]
    distribution, count = environment.initial_probabilities[i], environment.initial_shape[i]
    value = _by_report(payoffs)
    utility = np.diagonal(value).copy()
    up = np.diff(values, axis=1, append=values[:, -1:])
    down = np.diff(values, axis=1, prepend=values[:, :1])
    again = mechanism.tree.reports == "any"
    slopes = [_along(mechanism, i, table, again) for table in (up, down)]
    tails = 1 - distribution.cumsum()
    tails[-1] = 0.0
    worth = np.diagonal(_along(mechanism, i, values, False))
    relaxed = np.empty((count, count))
    for k in range(count):
        other = values[:, [k]] - values  # what type k has more than the type that counts
        relaxed[:, k] = utility + np.diagonal(_along(mechanism, i, other, False))
    virtual = worth - tails / distribution * np.diagonal(slopes[0])
    informed = payoffs.informed
    gains = [_gain(payoffs, t) for t in range(len(informed))]
    strategy = payoffs.strategy_gains.max()
    found = (utility, value, *slopes, relaxed, virtual, worth - utility, tails, distribution)
    return (*found, gains[0], max([0.0, *gains[1:]]), strategy)


def _along(mechanism: SequenceMechanism, i: int, table: FloatArray, again: bool) -> FloatArray:
    """Expected sums of a table ``(action, type, signal)`` by report and type; the diagonal alone if not ``again``."""
    types = mechanism.process.shape[1][i]
    flat = table.reshape(len(table), -1)
    flat = np.concatenate([flat, np.zeros((len(flat), types - flat.shape[1]))], axis=1)
    found = _by_report(_Sums(mechanism, i, flat))
    return found if again else np.where(np.eye(len(found), dtype=bool), found, np.nan)


def _gain(payoffs: PersistentPayoffs, t: int) -> float:
    """Largest gain of one misreport in a period, the others' types being known."""
    tree, stage = payoffs.mechanism.tree, payoffs.informed[t]
    own: IntArray = tree.own(t, payoffs.agent)[:, None]
    asked = tree.process.may_report(t, payoffs.agent, np.arange(payoffs.types(t)), own)
    return float(np.where(asked, stage.node - stage.truth[payoffs.group_of(t)], -np.inf).max())
