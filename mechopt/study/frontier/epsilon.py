"""The smallest gain that misreports must be allowed (`EpsilonIC`) for a wanted value of the objective.

The optimum V(e) rises with e, since every mechanism of a smaller e is one of a larger e. The smallest e with V(e) at
least the wanted value is enclosed by programs at ever closer e: below, the upper end of V's bracket is under the wanted
value, above, the lower end is not. Where the program is linear in e, V is concave: then the chord between the two ends
meets the wanted value above the smallest e, and the line through the last two points below it meets it below, so that
the search ends where V bends; every other step halves, so that it ends everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mechopt.core.errors import InputError
from mechopt.core.shown import Shown
from mechopt.mechanism.constraints import STANDARD, Asked
from mechopt.mechanism.objective import Objective, Revenue
from mechopt.mechanism.payments import EpsilonIC, Payments, payment_constraints
from mechopt.solve.optimum import optimum
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Status

if TYPE_CHECKING:
    from mechopt.lp.build import AnyTypes

MOST_PROGRAMS = 200


@dataclass(frozen=True, eq=False)
class EpsilonFor(Shown):
    """The smallest epsilon for a value, enclosed.

    Attributes
    ----------
    value : float
        What was wanted.
    lower, epsilon : float
        Below ``lower`` no mechanism has the value; at ``epsilon``, the same or a little more, ``optimum`` has it.
    optimum : Optimum
        At ``epsilon``.
    curve : tuple of (float, float)
        Every epsilon that was tried, rising, with the optimum there.
    """

    value: float
    lower: float
    epsilon: float
    optimum: Optimum
    curve: tuple[tuple[float, float], ...]

    @property
    def mechanism(self) -> Any:
        """That attains the value."""
        return self.optimum.mechanism

    def __repr__(self) -> str:
        return f"EpsilonFor(value {self.value:.9g}: {self.lower:.9g} <= epsilon <= {self.epsilon:.9g})"


def epsilon_for(
    environment: AnyTypes,
    value: float | None = None,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    objective: Objective | str | None = None,
    subject_to: Payments = None,
    tolerance: float = 1e-9,
    points: int = 0,
) -> EpsilonFor:
    """Find the smallest gain of misreports, the same for all agents, with which an optimum has a value.

    Parameters
    ----------
    environment : environment
        With a finite horizon.
    value : float, optional
        Of the objective; default: the most that can be had where all types are known (``ic=None``).
    ic, ir : Constraint, str, several or None
        Default as of `mechopt.optimum`.
    objective : Objective or str, optional
        Default revenue.
    subject_to : PaymentConstraint, str, several or None
        Other than `EpsilonIC`.
    tolerance : float
        Largest distance of the ends, as a share of the larger of epsilon and the value. The value may be missed by a
        tenth of this share.
    points : int
        So many points of the curve more, evenly between 0 and the smallest epsilon.

    Raises
    ------
    InputError
        If no epsilon gives the value.

    Examples
    --------
    A buyer of value 1 or 2, even odds: with epsilon both are served, the higher type at a price of 1 + epsilon.

    >>> import mechopt as mo
    >>> env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    >>> round(mo.mechanisms.epsilon_for(env, 1.25).epsilon, 6), round(mo.mechanisms.epsilon_for(env).epsilon, 6)
    (0.5, 1.0)
    """
    limits = payment_constraints(subject_to)
    if any(isinstance(limit, EpsilonIC) for limit in limits):
        raise InputError("subject_to: epsilon: it is what is looked for; leave it out")
    goal = Revenue() if objective is None else objective
    tried = dict[float, Optimum]()

    def at(epsilon: float) -> Optimum:
        if epsilon not in tried:
            more = (EpsilonIC(epsilon),) if epsilon else ()
            tried[epsilon] = optimum(environment, ic, ir, goal, subject_to=(*limits, *more))
            if tried[epsilon].status is not Status.OPTIMAL:
                raise InputError(f"at epsilon {epsilon:.6g} the optimum is {tried[epsilon].status}")
        return tried[epsilon]

    known = optimum(environment, "none", ir, goal, subject_to=limits)
    if known.status is not Status.OPTIMAL:
        raise InputError(f"where all types are known the optimum is {known.status}; ask for participation too")
    wanted = known.value if value is None else float(value)
    missed = tolerance / 10 * max(abs(wanted), abs(known.value), 1e-300)
    if known.bound.upper < wanted - missed:
        raise InputError(f"value {wanted:.9g}: not even with all types known is more than {known.value:.9g} to be had")

    def reached(epsilon: float) -> bool:
        return at(epsilon).bound.lower >= wanted - missed

    if reached(0.0):
        return _found(wanted, 0.0, 0.0, at, tried, points)
    low, high = 0.0, max(abs(wanted - at(0.0).value), missed)
    while not reached(high):
        low, high = high, 2 * high
        if len(tried) > MOST_PROGRAMS:
            raise InputError(f"value {wanted:.9g}: not reached with an epsilon of {low:.3g}")
    before: float | None = None
    proved = 0.0
    while high - low > tolerance * max(high, abs(wanted)) and len(tried) < MOST_PROGRAMS:
        guesses = [_line(tried, low, high, wanted)]
        if before is not None:
            guesses.append(_line(tried, before, low, wanted))
        for guess in (*guesses, (low + high) / 2):
            if not low < guess < high:
                continue
            if reached(guess):
                high = guess
            else:
                before, low = low, guess
                proved = guess if at(guess).bound.upper < wanted else proved
    return _found(wanted, proved, high, at, tried, points)


def _line(tried: dict[float, Optimum], first: float, second: float, wanted: float) -> float:
    """Where the line through two points of the curve has the value; below both where it does not rise."""
    rise = tried[second].value - tried[first].value
    if rise <= 0:
        return -1.0
    return float(first + (wanted - tried[first].value) * (second - first) / rise)


def _found(
    wanted: float,
    low: float,
    high: float,
    at: Callable[[float], Optimum],
    tried: dict[float, Optimum],
    points: int,
) -> EpsilonFor:
    for k in range(points):
        at(high * k / max(points - 1, 1))
    curve = tuple((epsilon, tried[epsilon].value) for epsilon in sorted(tried))
    return EpsilonFor(wanted, low, high, tried[high], curve)
