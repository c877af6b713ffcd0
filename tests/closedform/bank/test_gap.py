"""The family behind the price of not knowing the future, and its limit in closed form."""

import numpy as np
import pytest
from scipy.optimize import linprog

import mechopt as mo
from mechopt.closedform.bank.gap import gap_family, reduced_gap
from mechopt.solve.maximin import maximin


# Continuous prices: P(theta >= r) = (1 + z r mu) / (1 + r mu) with z = exp(-mu^2), so a price earns r P(theta >= r) of
# at most (1 + mu) / (z + mu) and, with L = 1 / z, sells a value of
# r P(theta >= r) + z (L - r) + (1 - z) log((1 + mu L) / (1 + mu r)) / mu.
# The best mixture is min over s of max over prices of s * first + (1 - s) * second.
def continuous_gap(mu):
    z, top = np.exp(-(mu**2)), np.exp(mu**2)
    logs = np.concatenate([np.linspace(0, 8, 40_001), np.linspace(8, np.log1p(mu * top), 40_001)])
    price = np.minimum(np.expm1(logs) / mu, top)
    revenue = price * (1 + z * mu * price) / (1 + mu * price)
    sold = revenue + z * (top - price) + (1 - z) * (np.log1p(mu * top) - np.log1p(mu * price)) / mu
    first, second = revenue * (z + mu) / (1 + mu), sold / sold[0]
    low, high = 0.0, 1.0
    for _ in range(60):  # the maximum is convex in s: bisection on its slope
        share = (low + high) / 2
        best = int(np.argmax(share * first + (1 - share) * second))
        low, high = (share, high) if first[best] < second[best] else (low, share)
    return float((share * first + (1 - share) * second).max())


@pytest.mark.parametrize(
    ("mu", "alpha"),
    [
        pytest.param(1, 0.8397, id="mu-1"),
        pytest.param(2, 0.6635, id="mu-2"),
        pytest.param(3, 0.6133, id="mu-3"),
        pytest.param(4, 0.5898, id="mu-4"),
        pytest.param(25, 0.5191, id="mu-25"),
    ],
)
def test_reduced_gap(mu, alpha):
    assert reduced_gap(mu, 4000) == pytest.approx(alpha, abs=2e-4)
    assert 0 <= reduced_gap(mu, 4000) - continuous_gap(mu) < 9e-4


@pytest.mark.parametrize("mu", [pytest.param(mu, id=f"mu-{mu}") for mu in (0.5, 1, 2, 5, 26)])
def test_reduced_gap_is_the_two_row_program(mu):
    # mixture weights g over prices and alpha: alpha <= sum g * first, alpha <= sum g * second
    z, top = np.exp(-(mu**2)), np.exp(mu**2)
    values = np.expm1(np.linspace(0, np.log1p(mu * top), 60)) / mu
    tail = (1 + z * mu * values) / (1 + mu * values)
    first = values * tail / (values * tail).max()
    distribution = np.append(-np.diff(tail), tail[-1])
    second = np.array([(values * distribution)[k:].sum() for k in range(60)]) / (values @ distribution)
    rows = np.array([[*-first, 1.0], [*-second, 1.0]])
    result = linprog([*np.zeros(60), -1.0], rows, [0, 0], [[*np.ones(60), 0.0]], [1], method="highs")
    assert reduced_gap(mu, 60) == pytest.approx(-result.fun, abs=1e-9)


@pytest.mark.filterwarnings("ignore:values or probabilities differ")
def test_gap_family_approaches_the_reduced_program():
    # the second period's own revenue falls while it can still take out a utility of 1.75, 3.25, 2.875
    families = [gap_family(1, 20, epsilon, count) for epsilon, count in ((0.5, 8), (0.5, 14), (0.25, 24))]
    ratios = [maximin(family, accept_range=True).require_optimal().ratio for family in families]
    assert ratios[0] > ratios[1] > ratios[2] > reduced_gap(1, 20)
    assert ratios[2] == pytest.approx(reduced_gap(1, 20), abs=0.03)


@pytest.mark.parametrize("mu", [pytest.param(mu, id=f"mu-{mu}") for mu in (0.5, 1, 2, 3, 4)])
@pytest.mark.filterwarnings("ignore:values or probabilities differ")
def test_gap_family_is_solved_over_its_range(mu):
    best = maximin(gap_family(mu, 20), accept_range=True).require_optimal()
    # one period earns (1 + mu) / (z + mu) at the highest price; see Theorem 5.1, scenario 1
    assert best.optima[0] == pytest.approx((1 + mu) / (np.exp(-(mu**2)) + mu))
    assert reduced_gap(mu, 20) <= best.ratio < 1
    assert mo.verify(best.mechanism("F1")).holds
    assert mo.verify(best.mechanism("F1, F2")).holds


def test_second_period_of_the_family_is_an_equal_revenue_distribution():
    values, probabilities, _ = gap_family(1, 10, epsilon=0.3, second_points=12, ratio=1.5).distributions["F2"]
    tail = np.cumsum(probabilities[::-1])[::-1]
    assert values * tail == pytest.approx(np.full(12, 0.3))
    assert values @ probabilities == pytest.approx(0.3 * (1 + 11 * (1 - 1 / 1.5)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"mu": 0}, "mu: is 0; it must be above 0 and at most 11", id="mu-0"),
        pytest.param({"mu": 12}, "mu: is 12; it must be above 0 and at most 11", id="mu-12"),
        pytest.param({"mu": float("nan")}, "mu: is nan", id="mu-nan"),
        pytest.param({"points": 1}, "points: is 1; the grid needs its two ends", id="one-point"),
        pytest.param({"epsilon": 0}, "epsilon: is 0; it must be above 0", id="no-revenue"),
        pytest.param({"second_points": 0}, "second_points: is 0; there must be at least one type", id="no-second-type"),
        pytest.param({"ratio": 1}, "ratio: is 1; it must be above 1", id="flat"),
    ],
)
def test_gap_family_refuses(change, message):
    with pytest.raises(mo.InputError) as caught:
        gap_family(**{"mu": 1, "points": 20} | change)
    assert str(caught.value).startswith(message)


def test_reduced_gap_refuses():
    with pytest.raises(mo.InputError) as caught:
        reduced_gap(27, 1)
    assert (
        str(caught.value) == "mu: is 27; it must be above 0 and at most 26\npoints: is 1; the grid needs its two ends"
    )
