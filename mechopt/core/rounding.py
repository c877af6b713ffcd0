"""Three answers to a question about floats, and bounds of rounding that they rest on.

What the bound is, and where it comes from, is in `mechopt.verification.rounding`.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray

UNIT = 2.0**-53
SMALLEST = 2.0**-1022
MAX_RELATIVE = 0.1
"""Largest m u for which the bound is used; above it nothing is known."""


class Status(StrEnum):
    """Answer of a check."""

    SATISFIED = "satisfied"
    VIOLATED = "violated"
    UNDECIDED = "undecided"


class Precision(NamedTuple):
    """Factor of magnitudes, and the amount added.

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
    def largest(self) -> float:
        """Largest gain that was added, 0 where none is above; infinite where one cannot be computed."""
        return self._gain

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
