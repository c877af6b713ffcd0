"""Incentives at every history: what misreporting from there on gains an agent who does not know the others' types.

Bayesian incentive compatibility looks from contracting on, where what happens at unlikely histories counts for little.
Here each public history that truth leads to is looked at by itself: the best strategy of reports from it on, chosen
before the others' current types are known, against truth from it on, after a truthful past. A mechanism is Bayesian
incentive compatible if and only if nothing is gained at any: a strategy that is better from one of them on, and truth
before, is better at contracting. Gains are in the money of their own period, given the history and her type.

Source: Kakade, Lobel and Nazerzadeh (2013), section 2; Bergemann and Valimaki (2010), section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.mechanism.protocol import Unrollable
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.persistent.response import PersistentPayoffs


@dataclass(frozen=True, eq=False, repr=False)
class HistoryIncentives:
    """Gains of misreporting from each history on.

    Attributes
    ----------
    gain : tuple over agents of tuples over periods of read-only float arrays ``(history, type)``
        Conditional on the history and her type, in the money of the period; minus infinity where truth does not lead
        there. Histories are numbered as the mechanism's tree does.
    """

    gain: tuple[tuple[FloatArray, ...], ...]

    @property
    def by_period(self) -> FloatArray:
        """Largest gain by agent and period, at least 0; ``(agent, period)``."""
        return np.array([[max(0.0, float(part.max())) for part in row] for row in self.gain])

    @property
    def largest(self) -> float:
        """Largest gain of all."""
        return float(self.by_period.max())

    def __repr__(self) -> str:
        periods = ", ".join(f"{gain:.6g}" for gain in self.by_period.max(axis=0))
        return f"HistoryIncentives(largest gain by period {periods})"


def incentives_by_history(mechanism: Any) -> HistoryIncentives:
    """Find what misreporting gains from each history on.

    Parameters
    ----------
    mechanism : SequenceMechanism, or something with ``to_mechanism``
        With a finite horizon.

    Returns
    -------
    HistoryIncentives

    Raises
    ------
    InputError
        If it is not a mechanism over histories.
    LimitError
        If there are too many histories to write it out.

    References
    ----------
    Bergemann and Valimaki (2010), section 2.

    Examples
    --------
    >>> from mechopt.closedform.pivot.dynamic_pivot import dynamic_pivot
    >>> from mechopt.environment.markov import MarkovTypes
    >>> stay, half = [["3/4", "1/4"], ["1/4", "3/4"]], ["1/2", "1/2"]
    >>> env = MarkovTypes([[[0, 0], [1, 2]]] * 2, [stay] * 2, [half] * 2, cost=[0, 2], horizon=2)
    >>> incentives_by_history(dynamic_pivot(env).to_mechanism().to_sequence()).largest < 1e-12
    True
    """
    written: Any = mechanism.to_mechanism() if isinstance(mechanism, Unrollable) else mechanism
    if not isinstance(written, SequenceMechanism):
        raise InputError([Fault("mechanism", "is not one over public histories", "give to_sequence() of it")])
    return HistoryIncentives(tuple(_agent(written, i) for i in range(written.process.agents)))


def _agent(mechanism: SequenceMechanism, i: int) -> tuple[FloatArray, ...]:
    payoffs, tree = PersistentPayoffs(mechanism, i), mechanism.tree
    found = list[FloatArray]()
    for t in range(tree.horizon):
        slots = np.arange(tree.slots[t])
        before = tree.own(t - 1, i)[tree.came(t)[0]] if t else np.zeros(tree.slots[t], dtype=np.int64)
        best, truth = payoffs.best[t].best, payoffs.truthful[t].truth
        raw = (best - truth)[slots, before]
        chance = payoffs.own_chances(t) * (_weight(mechanism, t) * mechanism.process.own_present_value[i][t])[:, None]
        gain = np.divide(raw, chance, out=np.full(raw.shape, -np.inf), where=chance > 0)
        found.append(readonly(gain))
    return tuple(found)


def _weight(mechanism: SequenceMechanism, t: int) -> FloatArray:
    """The mechanism's own probability of the actions recorded in each history, 0 where types make it impossible."""
    mass, tree = mechanism.mass(t), mechanism.tree
    weight: FloatArray = mass * (tree.reach[t - 1][tree.came(t)[0]] > 0) if t else mass
    return weight
