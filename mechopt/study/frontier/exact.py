r"""A frontier in proved rationals.

The best value z(w) of (1 - w) revenue + w welfare is convex in w, and linear where one corner is optimal: its line is
z(w) = revenue + w utility. Exact optima at two weights inside a corner's interval give the line, and with it welfare
and revenue; neighbouring lines meet at the exact breakpoint. That the exact optimum there lies on both lines proves, by
convexity, that z is the one line on one side and the other one on the other: these are all corners.

Weights are integers of revenue and welfare, so that none is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from mechopt.core.errors import MechoptError
from mechopt.core.numbers import FloatArray
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.objective import Objective
from mechopt.mechanism.payments import PaymentConstraint
from mechopt.solve.optimum import optimum
from mechopt.study.workers.calls import Calls

if TYPE_CHECKING:
    from mechopt.lp.build import AnyTypes

    Ask = tuple[AnyTypes, tuple[Constraint, ...], tuple[Constraint, ...], tuple[PaymentConstraint, ...]]
    """Environment, incentive and participation constraints, and those on payments."""


@dataclass(frozen=True)
class ExactFrontier:
    """Corners and breakpoints of a frontier, each proved.

    Attributes
    ----------
    revenues, welfares : tuple of Fraction
        By corner.
    weights : tuple of Fraction
        Breakpoints, of welfare or of utility as in the frontier.
    """

    revenues: tuple[Fraction, ...]
    welfares: tuple[Fraction, ...]
    weights: tuple[Fraction, ...]


def proved(ask: Ask, between: str, breaks: FloatArray, pool: Calls) -> ExactFrontier:
    """Prove a frontier whose corners are all known.

    Parameters
    ----------
    ask : Ask
    between : str
        As of the frontier.
    breaks : float array
        Its breakpoints as weights of welfare.
    pool : Calls
        Who solves the programs.

    Raises
    ------
    InputError
        If the environment has no exact numbers.
    MechoptError
        If the corners turn out not to be all; that happens where one sticks out by less than floats can tell.
    """
    ends, best = [0.0, *breaks.tolist(), 1.0], partial(_best, ask)
    samples = [_inside(ends, k) for k in range(len(ends) - 1)]
    values = pool.in_order(best, [weight for pair in samples for weight in pair])
    lines = [_line(pair, (next(values), next(values))) for pair in samples]
    crossings = [(r - s) / (v - u) for (r, u), (s, v) in pairwise(lines)]
    checks = list(zip(crossings, lines[:-1], strict=True)) if crossings else [(Fraction(1, 2), lines[0])]
    for (weight, (revenue, utility)), found in zip(
        checks, pool.in_order(best, [weight for weight, _ in checks]), strict=True
    ):
        if found != revenue + weight * utility:
            raise MechoptError(f"the exact optimum at weight {weight} is not on the frontier; corners lie too close")
    shown = [w / (1 + w) for w in crossings] if between == "utility" else crossings
    return ExactFrontier(tuple(r for r, _ in lines), tuple(r + u for r, u in lines), tuple(shown))


def _inside(ends: Sequence[float], k: int) -> tuple[Fraction, Fraction]:
    """Two simple weights inside the k-th interval, or at an end of [0, 1]."""
    low, high = ends[k], ends[k + 1]
    first = Fraction(0) if k == 0 else _simple(low + (high - low) / 3, (high - low) / 7)
    last = Fraction(1) if k == len(ends) - 2 else _simple(high - (high - low) / 3, (high - low) / 7)
    return first, last


def _simple(weight: float, tolerance: float) -> Fraction:
    """A fraction of small denominator within a distance."""
    limit = 1
    while abs(float(found := Fraction(weight).limit_denominator(limit)) - weight) > tolerance:
        limit *= 2
    return found


def _line(weights: tuple[Fraction, Fraction], values: tuple[Fraction, Fraction]) -> tuple[Fraction, Fraction]:
    """Revenue and the agents' utility of the corner that is optimal at two weights."""
    utility = (values[1] - values[0]) / (weights[1] - weights[0])
    return values[0] - weights[0] * utility, utility


def _best(ask: Ask, weight: Fraction) -> Fraction:
    """The exact optimum at a weight of welfare."""
    whole, part = weight.denominator, weight.numerator
    if whole > 2**53:
        raise MechoptError(f"the breakpoint {weight} has too many digits for an exact program")
    objective = Objective(revenue=float(whole - part), welfare=float(part))
    best = optimum(*ask[:3], objective, exact=True, subject_to=ask[3]).require_optimal()
    if best.exact is None:
        raise MechoptError(f"there is no exact optimum at weight {weight}")
    exact: Fraction = best.exact
    return exact / whole
