"""The clairvoyant optimum of two values by dynamic programming over promised utility, in exact fractions.

G_t(w) is the largest welfare from period t on if the buyer, before she knows her type, is promised the utility w and
no path of types may leave her with a loss. With values a < b, P(b) = p and G after the last period 0 on w >= 0,

    G_t(w) = p b + max { (1-p) a x + (1-p) G_(t+1)(v) + p G_(t+1)(v + (b - a) x) :
                         v >= 0, 0 <= x <= 1, (1-p) v + p (v + (b - a) x) = w },

and the optimum is max_w G_1(w) - w. Each G is concave and piecewise linear with finitely many breakpoints. They are
found from slopes: where the tangent of a chord's slope touches above the chord there is another one, else the chord is
a piece. Source: Thomas and Worrall (1990) for the promise as the state; Mirrokni et al. (2020), Lemma A.4.
"""

from bisect import bisect_right
from fractions import Fraction

import pytest

import mechopt as mo

Curve = list[tuple[Fraction, Fraction]]  # breakpoints (w, G(w)), increasing; constant beyond the last


def at(curve: Curve, w: Fraction) -> Fraction:
    if w >= curve[-1][0]:
        return curve[-1][1]
    i = bisect_right([point[0] for point in curve], w)
    (left, low), (right, high) = curve[i - 1], curve[i]
    return low + (high - low) * (w - left) / (right - left)


def touching(curve: Curve, a: Fraction, b: Fraction, p: Fraction, slope: Fraction) -> tuple[Fraction, Fraction]:
    """A point (w, G_t(w)) with the largest G_t(w) - slope w.

    The choice is v and u = v + (b - a) x with v <= u <= v + b - a. The objective is concave in each and bends at
    breakpoints alone, so an optimal v is a breakpoint, or b - a below one where the constraint ties u to it; the best u
    is the unconstrained one, put between its bounds.
    """
    bends = [w for w, _ in curve]
    top = max(bends, key=lambda u: p * (at(curve, u) - slope * u) + (1 - p) * a * u / (b - a))
    endless = (1 - p) * a / (b - a) > p * slope
    best = None
    for v in {start for w in bends for start in (w, w - (b - a)) if start >= 0}:
        u = v + b - a if endless else min(max(top, v), v + b - a)
        w = (1 - p) * v + p * u
        welfare = p * b + (1 - p) * a * (u - v) / (b - a) + (1 - p) * at(curve, v) + p * at(curve, u)
        if best is None or welfare - slope * w > best[0]:
            best = (welfare - slope * w, w, welfare)
    assert best is not None
    return best[1:]


def pieces(curve, a, b, p, left, right) -> Curve:
    """Points of G_t right of ``left`` up to ``right`` between which it is linear."""
    if left[0] == right[0]:
        return []
    slope = (right[1] - left[1]) / (right[0] - left[0])
    found = touching(curve, a, b, p, slope)
    if found[1] - slope * found[0] == left[1] - slope * left[0]:
        return [right]
    return pieces(curve, a, b, p, left, found) + pieces(curve, a, b, p, found, right)


def optima(a: Fraction, b: Fraction, p: Fraction, periods: int) -> list[Fraction]:
    """Optima with 1, ..., ``periods`` periods."""
    found, curve = [], [(Fraction(0), Fraction(0))]
    for _ in range(periods):
        start, end = (Fraction(0), p * b + at(curve, Fraction(0))), touching(curve, a, b, p, Fraction(0))
        curve = [start, *pieces(curve, a, b, p, start, end)]
        found.append(max(welfare - w for w, welfare in curve))
    return found


def test_two_values_equally_likely():
    expected = ["1", "9/4", "7/2", "153/32", "779/128", "947/128", "8925/1024", "20587/2048"]
    assert optima(Fraction(1), Fraction(2), Fraction(1, 2), 8) == [Fraction(value) for value in expected]


@pytest.mark.parametrize(
    ("a", "b", "p"),
    [("1", "3", "2/5"), ("2", "3", "9/10"), ("1", "10", "1/10"), ("0", "1", "1/3")],
    ids=["middling", "often high", "far apart", "worthless low type"],
)
def test_other_two_values_agree_with_the_library(a, b, p):
    a, b, p = Fraction(a), Fraction(b), Fraction(p)
    for periods, optimum in enumerate(optima(a, b, p, 5), start=1):
        env = mo.IndependentTypes.iid([a, b], [1 - p, p], periods)
        assert mo.optimum(env).value == pytest.approx(float(optimum), rel=1e-9)
