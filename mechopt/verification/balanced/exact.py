"""The checks of balanced mechanisms for ever with rounding bounded in fractions.

Values of truth and of the best strategy for ever begin with the floats of `mechopt.verification.balanced.check`. Put
into their recursion in fractions they leave a residual R, and the exact values are no further off than R / (1 - d);
they are corrected by what that residual is worth until it is nothing beside them. From there to period 0 every step is
one in fractions. So nothing rests on how floats round. Where the environment is exact its own numbers are used;
payments are the floats that they are.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.mechanism.balanced import BalancedMechanism
from mechopt.verification.exact import require_few

Before = tuple[int, ...]
Row = list[Fraction]
Values = dict[Before, Row]
"""By last profile of reports, and own type."""
ROUNDS = 8
"""Corrections at most; each leaves about 2^-50 of the residual."""
ENOUGH = Fraction(1, 2**90)
"""Residual beside the largest value at which no more corrections are made."""


class Told(NamedTuple):
    """What a report brings an own type after a last profile: now, and weights of the values that may follow."""

    now: Fraction
    later: list[tuple[Fraction, Before, int]]

    def value(self, following: Values) -> Fraction:
        """Value where these values follow; the weights are discounted."""
        return self.now + sum((weight * following[profile][k] for weight, profile, k in self.later), start=Fraction(0))


class InFractions:
    """One agent's problem for ever.

    Parameters
    ----------
    mechanism : BalancedMechanism
        With an infinite horizon.
    agent : int
    truth, best : float arrays ``[f, k]``
        Values from the last listed period on, of truth and of the best strategy.

    Raises
    ------
    LimitError
        If it takes too many products.
    """

    def __init__(self, mechanism: BalancedMechanism, agent: int, truth: FloatArray, best: FloatArray) -> None:
        env = mechanism.environment
        source = env if env.exact is None else env.exact
        self.mechanism, self.agent, self.last = mechanism, agent, mechanism.periods - 1
        profiles, own = prod(env.shape[0]), env.shape[0][agent]
        steps = 1 + profiles * mechanism.periods
        require_few(steps * profiles * own * own, f"the check of a balanced mechanism with {profiles} profiles")
        self.discount = Fraction(source.discount)
        self.initial = [[Fraction(p) for p in row] for row in source.initial]
        self.kernel = [[[[Fraction(p) for p in row] for row in part] for part in each[0]] for each in source.kernel]
        self.values = [[Fraction(v) for v in row] for row in source.values[agent][0]]
        self.types = range(own)
        self.truth, self.truth_error = self._by_period(truth, lambda before, k: [k])
        self.best, self.best_error = self._by_period(best, lambda before, k: self.allowed(before))

    def _chances(self, j: int, before: Before) -> Row:
        """Distribution of agent j's type after a last profile."""
        return self.kernel[j][int(self.mechanism.policy[0][before])][before[j]] if before else self.initial[j]

    def allowed(self, before: Before) -> list[int]:
        """Reports that a last profile allows."""
        return [r for r, chance in enumerate(self._chances(self.agent, before)) if chance]

    def told(self, t: int, before: Before, report: int, own: int) -> Told:
        """What a report brings in a period."""
        m, i = self.mechanism, self.agent
        chances = [list(enumerate(self._chances(j, before))) for j in range(m.environment.agents)]
        chances[i] = [(report, Fraction(1))]
        now, later = Fraction(0), list[tuple[Fraction, Before, int]]()
        for drawn in product(*chances):
            profile, weight = tuple(k for k, _ in drawn), prod((p for _, p in drawn), start=Fraction(1))
            if not weight:
                continue
            action, paid = int(m.policy[0][profile]), Fraction(float(m.transfers[i][t][(*before, *profile)]))
            now += weight * (self.values[action][own] - paid)
            moves = enumerate(self.kernel[i][action][own])
            later += [(self.discount * weight * chance, profile, k) for k, chance in moves if chance]
        return Told(now, later)

    def _by_period(
        self, floats: FloatArray, reports: Callable[[Before, int], list[int]]
    ) -> tuple[list[Values], list[Fraction]]:
        """Values of the best of some reports by period, and what they are off by at most."""
        places = [list(np.ndindex(part.shape)) for part in self.mechanism.lump_sums[self.agent]]

        def options(t: int, before: Before) -> list[list[Told]]:
            return [[self.told(t, before, r, k) for r in reports(before, k)] for k in self.types]

        for_ever = {before: options(self.last, before) for before in places[-1]}
        rows = floats.reshape(len(places[-1]), -1).tolist()
        given = {before: [Fraction(x) for x in row] for before, row in zip(places[-1], rows, strict=True)}
        values, missed = self._settled(for_ever, given)
        found, errors = [values], [missed / (1 - self.discount)]
        for t in reversed(range(self.last)):
            after = found[0]
            found.insert(0, {f: [max(r.value(after) for r in row) for row in options(t, f)] for f in places[t]})
            errors.insert(0, self.discount * errors[0])
        return found, errors

    def _settled(self, options: dict[Before, list[list[Told]]], values: Values) -> tuple[Values, Fraction]:
        """Values that their recursion leaves as they are, nearly, and by how much it does not."""
        number = {place: n for n, place in enumerate(product(options, self.types))}
        for turn in range(ROUNDS + 1):
            tried = {(f, k): [r.value(values) for r in options[f][k]] for f, k in number}
            residual = [max(tried[f, k]) - values[f][k] for f, k in number]
            missed = max(map(abs, residual))
            if missed <= ENOUGH * max(abs(max(row)) for row in tried.values()) or turn == ROUNDS:
                break
            matrix = np.eye(len(number))
            for place, n in number.items():
                f, k = place
                for weight, profile, x in options[f][k][tried[place].index(max(tried[place]))].later:
                    matrix[n, number[profile, x]] -= float(weight)
            change = np.linalg.solve(matrix, np.array([float(r / missed) for r in residual]))
            values = {
                f: [values[f][k] + missed * Fraction(float(change[number[f, k]])) for k in self.types] for f in options
            }
        return values, missed

    def strategies(self) -> tuple[FloatArray, float]:
        """Gain of the best strategy by first type and first report, ``[1, k, r]``, and what it may be off by."""
        allowed, truth = self.allowed(()), self.truth[0][()]
        gain = np.full((1, len(self.types), len(self.types)), -np.inf)
        for k, r in product(allowed, allowed):  # a type of probability 0 is none at first
            gain[0, k, r] = float(self.told(0, (), r, k).value(self.best[1]) - truth[k])
        return gain, _rounded(self.best_error[0] + self.truth_error[0], gain)

    def losses(self, t: int) -> tuple[FloatArray, float]:
        """How far utilities are below 0, as of period t, ``[f, k, 1]``, and what that may be off by."""
        lost = np.array([[[-float(value)] for value in row] for row in self.truth[t].values()])
        return lost, _rounded(self.truth_error[t], lost)


def _rounded(error: Fraction, gains: FloatArray) -> float:
    """An error from above, with that of writing gains as floats."""
    largest = float(np.abs(gains[np.isfinite(gains)]).max(initial=0.0))
    return float(np.nextafter(float(error) + 2.0**-52 * largest, np.inf)) if error or largest else 0.0
