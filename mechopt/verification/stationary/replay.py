"""Replay of a counterexample in a mechanism of current reports alone, with dense distributions of whole profiles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import prod
from typing import Any

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.mechanism.constraints import PPIR, Interim, PeriodicIR
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.independent.replay import Counterexample, Replayable

Profile = tuple[int, ...]


@dataclass(frozen=True)
class MarkovCounterexample(Counterexample):
    """One violation in a mechanism that depends on current reports alone, after any history.

    Attributes
    ----------
    before : tuple of int or None
        For periodic participation after the first period: the type profile of the period before.
    """

    before: tuple[int, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return super().to_dict() | ({"before": list(self.before)} if self.before else {})

    def __str__(self) -> str:
        words = f"agent {self.agent}, period {self.period}, "
        others = f" while the others are {list(self.others)}" if self.others else ""
        if self.constraint.role == "ic":
            does = f"type {self.true_type} reports {self.report}{others} and gains {self.gain:.6g}"
            return f"{words}after any history: {does}"
        after = f"after types {list(self.before)}" if self.before else "after any history"
        return f"{words}{after}: the utility of type {self.true_type}{others} is {-self.gain:.6g}"

    def replay(self, mechanism: Replayable | MarkovMechanism) -> float:
        """Compute the gain again with the kernel of whole type profiles.

        Parameters
        ----------
        mechanism : MarkovMechanism

        Returns
        -------
        float
            Equals ``gain`` up to rounding.
        """
        assert isinstance(mechanism, MarkovMechanism)
        return replay(self, mechanism)


class _Dense:
    """Values of truth of one agent: dense linear equations and steps back."""

    def __init__(self, mechanism: MarkovMechanism, agent: int) -> None:
        self.mechanism, self.agent, self.env = mechanism, agent, mechanism.environment

    def distribution(self, t: int, action: int, types: Profile) -> FloatArray:
        """Distribution of the next profile, flat."""
        rows = [self.env.kernel[j][self.mechanism.stage(t)][action, k] for j, k in enumerate(types)]
        distribution: FloatArray = reduce(lambda one, other: np.multiply.outer(one, other).ravel(), rows)
        return distribution

    def utility(self, t: int, true: Profile, told: Profile) -> float:
        action = int(self.mechanism.policy[self.mechanism.stage(t)][told])
        worth = self.env.values[self.agent][self.mechanism.stage(t)][action, true[self.agent]]
        return float(worth - self.mechanism.transfer[self.agent][min(t, self.mechanism.periods - 1)][told])

    def value(self, t: int) -> FloatArray:
        """V of period t, flat over profiles."""
        stage = self.mechanism.stage(t)
        profiles = list(product(*map(range, self.env.shape[stage])))
        flow = np.array([self.utility(t, p, p) for p in profiles])
        last = t >= self.mechanism.periods - 1
        if last and not self.env.infinite:
            return flow
        moves = np.array([self.distribution(t, int(self.mechanism.policy[stage][p]), p) for p in profiles])
        if last:
            value: FloatArray = np.linalg.solve(np.eye(len(flow)) - self.env.discount * moves, flow)
            return value
        value = flow + self.env.discount * moves @ self.value(t + 1)
        return value

    def report(self, t: int, true: Profile, told: Profile) -> float:
        """A report, then truth."""
        now = self.utility(t, true, told)
        if not self.env.infinite and t + 1 == self.env.stages:
            return now
        action = int(self.mechanism.policy[self.mechanism.stage(t)][told])
        return now + self.env.discount * float(self.distribution(t, action, true) @ self.value(t + 1))


def replay(found: MarkovCounterexample, mechanism: MarkovMechanism) -> float:
    """Gain of a counterexample from its definition; see `MarkovCounterexample.replay`."""
    return mechanism.environment.discount**found.period * _as_of_period(found, mechanism)


def _as_of_period(found: MarkovCounterexample, mechanism: MarkovMechanism) -> float:
    dense, i, t, k, r = _Dense(mechanism, found.agent), found.agent, found.period, found.true_type, found.report
    assert k is not None and r is not None
    if found.constraint in (PeriodicIR(), Interim()):
        env, stage = mechanism.environment, mechanism.stage(t)
        distributions: list[FloatArray] = list(env.initial)
        if found.before is not None:
            before = mechanism.stage(t - 1)
            action = int(mechanism.policy[before][found.before])
            distributions = [env.kernel[j][before][action, own] for j, own in enumerate(found.before)]
        total, value = 0.0, dense.value(t).reshape(env.shape[stage])
        for types in product(*map(range, env.shape[stage])):
            if types[i] == k:
                total += prod(float(distributions[j][own]) for j, own in enumerate(types) if j != i) * float(
                    value[types]
                )
        return -total
    assert found.others is not None
    true, told = ((*found.others[:i], own, *found.others[i:]) for own in (k, r))
    if found.constraint == PPIR():
        return -dense.utility(t, true, true)
    truth = dense.report(t, true, true)
    return -truth if found.constraint.role == "ir" else dense.report(t, true, told) - truth
