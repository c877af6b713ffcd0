r"""Three answers: satisfied, violated, undecided; and the rounding bound that they rest on.

**Tolerance.** It comes from the environment alone: `VERIFY_TOLERANCE` times the largest present value, as of period 0,
that an agent can get from any path of types and actions, in absolute value. Nothing that a mechanism contains moves it,
so that a mechanism which lends large sums is checked as sharply as one that does not. Contingent transfers
have one by agent and period, from her own values alone; see `mechopt.verification.contingent.tolerance`.

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

from collections.abc import Sequence

import numpy as np

from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray
from mechopt.core.rounding import MAX_RELATIVE as MAX_RELATIVE
from mechopt.core.rounding import SMALLEST as SMALLEST
from mechopt.core.rounding import UNIT as UNIT
from mechopt.core.rounding import Answer as Answer
from mechopt.core.rounding import ExactVerdict as ExactVerdict
from mechopt.core.rounding import Precision as Precision
from mechopt.core.rounding import Status as Status
from mechopt.core.rounding import Verdict as Verdict
from mechopt.core.rounding import as_float as as_float
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes

LOOSE = 1 + 2.0**-20
"""By more than what a bound that is computed in floats may itself be off by."""


def largest_value(environment: IndependentTypes | MarkovTypes | InterdependentTypes) -> float:
    """Largest present value in absolute value that an agent can get from all periods, or outside, if that is more.

    Where nothing is worth anything to any agent, the same of the seller's costs and payoffs: then only money matters,
    and there is no other.

    Examples
    --------
    >>> largest_value(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3, discount="1/2"))
    3.5
    """
    by_agent = [[float(np.abs(part).max()) for part in row] for row in environment.values]
    own = environment.own_present_value if environment.discounts is not None else None
    largest = _present(environment, by_agent, own)
    if environment.outside is not None:
        options = zip(environment.own_present_value, environment.outside, strict=True)
        largest = max(largest, *(float((own * [np.abs(part).max() for part in row]).max()) for own, row in options))
    if largest > 0:
        return largest
    costs = environment.cost if isinstance(environment, IndependentTypes) else environment.costs
    gains = [[float(np.abs(part).max()) for part in row] for row in environment.seller_values or ()]
    return _present(environment, [[float(np.abs(cost).max()) for cost in costs], *gains])


def _present(
    environment: IndependentTypes | MarkovTypes | InterdependentTypes,
    rows: Sequence[Sequence[float]],
    weights: Sequence[FloatArray] | None = None,
) -> float:
    """Largest present value of amounts by period; those of the last period for ever where the horizon is infinite."""
    if weights is not None:
        return float(max(sum(own * row) for own, row in zip(weights, rows, strict=True)))
    d = environment.discount
    if not isinstance(environment, IndependentTypes) and environment.infinite:
        rows = [[*row[:-1], row[-1] / (1 - d)] for row in rows]
    return float(max(sum(d**t * value for t, value in enumerate(row)) for row in rows))


def lasting_error(missed: float, discount: float) -> float:
    """Bound of the error of values for ever whose equation is missed by so much.

    Examples
    --------
    >>> round(lasting_error(1.0, 0.75) / LOOSE, 12)
    4.0
    """
    return missed * LOOSE / max(1.0 - discount - 2 * UNIT, SMALLEST)


def left(discount: float) -> float:
    """Lower bound of 1 - d, where the float may be a rounded d: what is off by r in every period is off by r / left.

    Examples
    --------
    >>> left(1 - 2.0**-50) * 2**50
    0.5
    """
    return 1 - discount * (1 + 4 * UNIT)


def tolerance_of(largest: float) -> float:
    """Largest gain that counts as none, for the largest present value of an agent."""
    return VERIFY_TOLERANCE * largest
