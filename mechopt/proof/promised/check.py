r"""The checker of certificates by promises: plain fractions, nothing of the dynamic program or of a solver.

Money is present value; period t has values :math:`\theta_k`, probabilities :math:`f_k`, cost c and weight
:math:`\delta^t`. :math:`G_t(w)` is the largest expected welfare from period t on if the buyer is promised expected
utility w there, under DIC, and no path leaves her below 0; :math:`G_{T+1}(w) = 0` for w >= 0. The optimal revenue is
:math:`\max_w G_1(w) - w`. Both sides go back from the last period:

- *points*: a lottery over posted prices and a lowest promise >= 0 give every type k the promise
  :math:`v_k = v_1 + \sum_j z_j (\theta_k - \theta_j)^+`; posted prices satisfy DIC. Points of the next period, whose
  mean promise is at most :math:`v_k`, keep it. So :math:`G_t(w) \ge h` at the point's promise
  :math:`w = \sum f_k v_k` and height h, if h is at most the lottery's welfare plus the mean height of what follows.
- *lines*: whatever the mechanism, allocations :math:`x_k` rise in k and
  :math:`D_k x_k \le v_{k+1} - v_k \le D_k x_{k+1}` with :math:`D_k = \theta_{k+1} - \theta_k`. If
  :math:`G_{t+1}(v) \le \tau_k + \lambda_k v` and :math:`\sum f_k \lambda_k \le \lambda`, then with
  :math:`c_k = \sum_{l>k} f_l (\lambda_l - \lambda)`

  .. math:: G_t(w) - \lambda w \le \sum_k f_k \tau_k + \max_x \sum_k f_k (\theta_k - c) x_k
            + \sum_k D_k \max(c_k x_k, c_k x_{k+1}),

  because :math:`v_1 \ge 0` has the weight :math:`\sum f_k \lambda_k - \lambda \le 0`. Where :math:`c_k > 0` the second
  term is taken at :math:`x_{k+1}`, else at :math:`x_k`; what is left is linear in x, and its maximum over rising
  :math:`x \in [0, 1]` lies at a threshold: all types from some k on, or none.

The optimum is at least height - promise of the first period's point and at most the height of a line of slope 1 there.

Source: Thomas and Worrall (1990) for the promise as the state; Mirrokni, Paes Leme, Tang and Zuo (2020), Lemma A.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from mechopt.core.errors import require_type
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.constraints import EPIR
from mechopt.proof.constraints import INDEPENDENT, expressible
from mechopt.proof.promised.certificate import Line, Point, PromisedCertificate, PromisedCertificateError

ZERO = Fraction(0)


def check_promised(environment: IndependentTypes, proof: PromisedCertificate) -> tuple[Fraction, Fraction]:
    """Prove a certificate by promises anew.

    Parameters
    ----------
    environment : IndependentTypes
        That it claims to be about.
    proof : PromisedCertificate

    Returns
    -------
    lower, upper : Fraction
        ``lower <= optimum <= upper``, money of the environment, present value; equal where the optimum is proved.

    Raises
    ------
    PromisedCertificateError
        If it proves nothing; it says which period and entry fails.
    """
    require_type(proof, "PromisedCertificate", "check_promised", "give best.certificate of mo.optimum(env, exact=True)")
    if proof.fingerprint != environment.fingerprint:
        raise PromisedCertificateError(
            f"fingerprint: made for another environment ({proof.fingerprint[:12]}, this one is "
            f"{environment.fingerprint[:12]}); give the model file that it was made from"
        )
    exact = environment.exact
    if exact is None or environment.agents != 1:
        raise PromisedCertificateError("fingerprint: it takes one buyer with exact numbers")
    if any(terms is not None for terms in (exact.seller_values, exact.slots, exact.outside, exact.discounts)):
        raise PromisedCertificateError(
            "fingerprint: promises are not for seller_values, slots, outside options or discounts that differ"
        )
    INDEPENDENT.require(proof.ic, proof.ir)
    if not expressible("promise", 1, proof.ic, proof.ir) or EPIR() not in INDEPENDENT.closure(proof.ir):
        raise PromisedCertificateError("ic, ir: promises are for DIC and EPIR, or what implies them")
    if len(proof.points) != environment.horizon or len(proof.lines) != environment.horizon:
        raise PromisedCertificateError(f"points, lines: {environment.horizon} periods of each are wanted")
    after_points: tuple[Point, ...] = (Point(ZERO, ZERO, ZERO, (), ()),)
    after_lines: tuple[Line, ...] = (Line(ZERO, ZERO, ()),)
    for t in range(environment.horizon - 1, -1, -1):
        weight = exact.discount**t
        values = [weight * value for value in exact.values[0][t]]
        period = values, exact.probabilities[0][t], weight * exact.cost[t]
        for number, point in enumerate(proof.points[t]):
            _check_point(f"points[{t}][{number}]", *period, point, after_points)
        for number, line in enumerate(proof.lines[t]):
            _check_line(f"lines[{t}][{number}]", *period, line, after_lines)
        after_points, after_lines = proof.points[t], proof.lines[t]
    lower = max((point.height - point.promise for point in after_points), default=None)
    upper = min((line.height for line in after_lines if line.slope == 1), default=None)
    if lower is None or upper is None:
        raise PromisedCertificateError("points, lines: the first period has no point, or no line of slope 1")
    if (lower, upper) != (proof.lower, proof.upper):
        raise PromisedCertificateError(f"lower, upper: {lower} and {upper} are proved, not what is claimed")
    return lower, upper


def _check_point(
    at: str,
    values: Sequence[Fraction],
    distribution: Sequence[Fraction],
    cost: Fraction,
    point: Point,
    after: Sequence[Point],
) -> None:
    if any(not 0 <= j < len(values) or z < 0 for j, z in point.lottery) or sum(z for _, z in point.lottery) > 1:
        raise PromisedCertificateError(f"{at}: its prices are not a lottery over the types' values")
    if point.lowest < 0 or len(point.places) != len(values):
        raise PromisedCertificateError(f"{at}: the lowest promise is below 0, or there is not one place a type")
    promise = height = ZERO
    for k, (value, p) in enumerate(zip(values, distribution, strict=True)):
        if not p:
            continue
        sold = sum((z for j, z in point.lottery if j <= k), ZERO)
        v = point.lowest + sum((z * max(value - values[j], ZERO) for j, z in point.lottery), ZERO)
        left, right, share = point.places[k]
        if not (0 <= left < len(after) and 0 <= right < len(after) and 0 <= share <= 1):
            raise PromisedCertificateError(f"{at}: the place of type {k} is not one of the next period")
        a, b = after[left], after[right]
        if a.promise + share * (b.promise - a.promise) > v:
            raise PromisedCertificateError(f"{at}: what follows type {k} takes more than its promise {v}")
        promise += p * v
        height += p * ((value - cost) * sold + a.height + share * (b.height - a.height))
    if promise != point.promise:
        raise PromisedCertificateError(f"{at}: the promise is {promise}, not {point.promise}")
    if height < point.height:
        raise PromisedCertificateError(f"{at}: welfare is {height}, less than {point.height}")


def _check_line(
    at: str,
    values: Sequence[Fraction],
    distribution: Sequence[Fraction],
    cost: Fraction,
    line: Line,
    after: Sequence[Line],
) -> None:
    if line.slope < 0 or len(line.after) != len(values) or any(not 0 <= j < len(after) for j in line.after):
        raise PromisedCertificateError(f"{at}: the slope is below 0, or a line of the next period is not there")
    below = [after[j] for j in line.after]
    mean = sum((p * later.slope for p, later in zip(distribution, below, strict=True) if p), ZERO)
    if mean > line.slope:
        raise PromisedCertificateError(f"{at}: the slopes that follow have the mean {mean}, above its own")
    coefficients = [p * (value - cost) for value, p in zip(values, distribution, strict=True)]
    tail = ZERO
    for k in range(len(values) - 1, 0, -1):
        tail += distribution[k] * (below[k].slope - line.slope)
        coefficients[k if tail > 0 else k - 1] += (values[k] - values[k - 1]) * tail
    best = total = ZERO
    for number in reversed(coefficients):
        total += number
        best = max(best, total)
    height = best + sum((p * later.height for p, later in zip(distribution, below, strict=True) if p), ZERO)
    if height > line.height:
        raise PromisedCertificateError(f"{at}: welfare is only proved to be at most {height} at 0, not {line.height}")
