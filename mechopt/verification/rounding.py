r"""Three answers: satisfied, violated, undecided; and the rounding bound that they rest on.

**Tolerance.** It comes from the environment alone: `VERIFY_TOLERANCE` times the largest present value, as of period 0,
that an agent can get from any path of types and actions, in absolute value. Nothing that a mechanism contains moves it,
so that a mechanism which lends large sums is checked as sharply as one that does not.

**Rounding.** A computed gain is a sum of products of values, allocations, payments and probabilities. Evaluate the same
expression with all of them in absolute value and every difference as a sum: its value S is the *magnitude* of the gain.
If no term of the sum takes part in more than m roundings, the rounding of the inputs to floats included, then (Higham
2002, Lemmas 3.1 and 3.3; a maximum rounds nothing, and moves by no more than what it is of)

.. math:: |\text{computed} - \text{exact}| \le \gamma_m S, \qquad \gamma_m = m u / (1 - m u), \quad u = 2^{-53}.

S is itself computed in floats, and is too small by no more than the same share: the bound here is 2 m u S, plus m
times the smallest normal number (times the largest value or payment) for what underflows. The exact number meant is
that of the environment's exact rationals where it has them, and of its floats where not.

**Answers.** With gain g, rounding r and tolerance d at each place that a constraint speaks of: *violated* if g - r > d
anywhere, *satisfied* if g + r <= d everywhere, else *undecided*, which does not hold: ask for ``exact=True``, which
computes in fractions. A magnitude that is not finite (overflow, NaN, infinities) is a violation: what a mechanism
asks for must be sums that can be computed.

**Which places.** Gains are present values as of period 0, times the mechanism's own probabilities of coming to the
history (1 where it draws nothing). Incentive constraints speak of all types and histories, likely or not, except that
Bayesian, adjacent and downward constraints, which are expectations from contracting on, speak of types that truth leads
to. Participation constraints of types that are independent across periods speak of all types, likely or not; those of
persistent types of histories and current types that truth leads to with positive probability. Conditions of bank tables
speak of all rows and types. It is the same for every form in which a mechanism is written.

References
----------
Higham (2002), Accuracy and Stability of Numerical Algorithms, 2nd ed., chapter 3.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes

UNIT = 2.0**-53
SMALLEST = 2.0**-1022
MAX_RELATIVE = 0.1
"""Largest m u for which the bound is used; above it nothing is known."""


class Status(StrEnum):
    """Answer of a check."""

    SATISFIED = "satisfied"
    VIOLATED = "violated"
    UNDECIDED = "undecided"


def largest_value(environment: IndependentTypes | MarkovTypes | InterdependentTypes) -> float:
    """Largest present value in absolute value that an agent can get from all periods: her best types and actions.

    Examples
    --------
    >>> largest_value(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3, discount="1/2"))
    3.5
    """
    by_agent = [[np.abs(part).max() for part in row] for row in environment.values]
    d = environment.discount
    if environment.discounts is not None:
        weights = zip(environment.own_present_value, by_agent, strict=True)
        return float(max(sum(own * row) for own, row in weights))
    if not isinstance(environment, IndependentTypes) and environment.infinite:
        by_agent = [[*row[:-1], row[-1] / (1 - d)] for row in by_agent]
    return float(max(sum(d**t * value for t, value in enumerate(row)) for row in by_agent))


def tolerance_of(largest: float) -> float:
    """Largest gain that counts as none, for the largest present value of an agent."""
    return VERIFY_TOLERANCE * largest


class Precision(NamedTuple):
    """What magnitudes are multiplied with, and what is added.

    Attributes
    ----------
    share : float
        2 m u, or infinity where it is too large to mean anything.
    least : float
        For what underflows.
    """

    share: float
    least: float

    @classmethod
    def of(cls, depth: int, largest: float, divisor: float = 1.0) -> Precision:
        """Bound for sums in which no term takes part in more than ``depth`` roundings.

        Parameters
        ----------
        depth : int
        largest : float
            Largest value or payment in absolute value.
        divisor : float
            Smallest probability by which something is divided.
        """
        relative = depth * UNIT
        share = 2 * relative if relative <= MAX_RELATIVE else np.inf
        return cls(share, 0.0 if largest == 0 else depth * SMALLEST * (1 + largest) / divisor)

    def bound(self, size: FloatArray) -> FloatArray:
        """Bound of the rounding of gains of these magnitudes."""
        rounding: FloatArray = self.share * size + self.least
        return rounding


class Answer(NamedTuple):
    """A verdict on all gains together.

    Attributes
    ----------
    status : Status
    gain : float
        Largest gain, 0 where there is none; where violated that of ``place``, whose excess is the most certain.
    rounding : float
        The true largest gain is at most ``gain + rounding``; where violated it is at least ``gain - rounding``.
    place : tuple (batch, index) or None
        Which array, in the order in which they were added, and where in it (flat); None where satisfied.
    exact : Fraction or None
        The largest gain, where it was computed in fractions.
    """

    status: Status
    gain: float
    rounding: float
    place: tuple[int, int] | None
    exact: Fraction | None = None


class Verdict:
    """Takes arrays of gains one after another; the first place counts where there are ties."""

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self._batches = 0
        self._gain, self._lower, self._upper = 0.0, -np.inf, 0.0

    def add(self, gain: FloatArray, rounding: FloatArray) -> None:
        """Look at gains (minus infinity: not asked for, with a rounding of 0) and bounds of their rounding."""
        gain, rounding = (part.ravel() for part in np.broadcast_arrays(gain, rounding))
        batch, self._batches = self._batches, self._batches + 1
        if not gain.size:
            return
        wild = ~np.isfinite(rounding) | np.isnan(gain) | (gain == np.inf)
        lower, upper = np.where(wild, np.inf, gain - rounding), np.where(wild, np.inf, gain + rounding)
        low, high = int(lower.argmax()), int(upper.argmax())
        if lower[low] > self._lower:
            certain = (np.inf, 0.0) if wild[low] else (float(gain[low]), float(rounding[low]))
            self._lower, self._violation = float(lower[low]), Answer(Status.VIOLATED, *certain, (batch, low))
        if upper[high] > self._upper:
            self._upper, self._open = float(upper[high]), (batch, high)
        self._gain = max(self._gain, float(np.where(wild, np.inf, gain).max()))

    @property
    def answer(self) -> Answer:
        """The verdict on what was added so far."""
        if self._lower > self.tolerance:
            return self._violation
        rounding = max(self._upper - self._gain, 0.0)
        if self._upper <= self.tolerance:
            return Answer(Status.SATISFIED, self._gain, rounding, None)
        return Answer(Status.UNDECIDED, self._gain, rounding, self._open)


class ExactVerdict:
    """The same in fractions, of gains one by one."""

    def __init__(self, tolerance: float) -> None:
        self.tolerance = Fraction(tolerance)
        self.gain = Fraction(0)
        self.place: tuple[int, ...] | None = None

    def add(self, gain: Fraction, place: tuple[int, ...]) -> None:
        """Look at one gain."""
        if gain > self.gain:
            self.gain, self.place = gain, place

    @property
    def answer(self) -> Answer:
        """The verdict; its ``place`` is None, see `place`."""
        status = Status.VIOLATED if self.gain > self.tolerance else Status.SATISFIED
        return Answer(status, as_float(self.gain), 0.0, None, self.gain)


def as_float(number: Fraction) -> float:
    """The nearest float, infinite where there is none."""
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
