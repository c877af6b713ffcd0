"""Brackets of infinite horizons against closed forms and finite programs; why truncation is no bound."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

import mechopt as mo


def chain(values, distribution, kernel, discount, cost=0, horizon="infinite"):
    return mo.MarkovTypes([values], [kernel], [distribution], cost=cost, discount=discount, horizon=horizon)


def staying(count, stay):
    other = (1 - Fraction(stay)) / (count - 1)
    return [[Fraction(stay) if k == j else other for j in range(count)] for k in range(count)]


def item(values, distribution, stay, discount, horizon="infinite"):
    return chain([[0] * len(values), values], distribution, staying(len(values), stay), discount, horizon=horizon)


def two_types(low, high, chance, stay, discount):
    """Battaglini (2005): the rent of the high type is the difference times sum (d (2 stay - 1))^t over low histories.

    After t + 1 low reports, of probability (1 - chance) stay^t, selling brings the low value and costs the rent: of the
    two the smaller is lost from first best.
    """
    lost = best = 0.0
    probability = chance
    for t in range(6000):
        best += discount**t * (low + (high - low) * probability)
        rent = chance * (high - low) * (2 * stay - 1) ** t
        lost += discount**t * min((1 - chance) * stay**t * low, rent)
        probability = probability * stay + (1 - probability) * (1 - stay)
    return best - lost


@pytest.mark.parametrize(("discount", "value"), [(0.5, 2.533333), (0.9, 14.290909), (0.99, 149.209901)])
def test_battaglini(discount, value):
    found = mo.mechanisms.infinite_optimum(item([1, 2], ["2/5", "3/5"], "3/4", discount))
    exact = two_types(1, 2, 0.6, 0.75, discount)
    assert exact == pytest.approx(value, abs=1e-6)
    assert found.bound.lower <= exact <= found.bound.upper
    assert found.bound.upper - found.bound.lower <= 1e-6 * exact
    assert str(found.status) == "optimal"


@pytest.mark.parametrize("seed", range(6))
def test_two_types_at_random_are_the_closed_form(seed):
    rng = np.random.default_rng(seed)
    low, chance, stay, discount = rng.uniform([0.3, 0.2, 0.5, 0.3], [1.5, 0.8, 0.95, 0.95])
    env = item([low, low + 1], [1 - chance, chance], Fraction(stay).limit_denominator(1000), discount)
    stay = float(Fraction(stay).limit_denominator(1000))
    found, exact = mo.mechanisms.infinite_optimum(env), two_types(low, low + 1, chance, stay, discount)
    assert found.bound.lower <= exact <= found.bound.upper
    assert found.bound.upper - found.bound.lower <= 1e-5 * exact


@pytest.mark.parametrize(
    ("values", "distribution", "stay", "discount", "value"),
    [
        ([1, 2, 4], ["1/4", "1/4", "1/2"], "7/10", 0.5, 4.021596656),
        ([1, 2, 4], ["1/4", "1/4", "1/2"], "7/10", 0.9, 22.104212374),
        pytest.param([1, 2, 4], ["1/4", "1/4", "1/2"], "7/10", 0.99, 231.876332640, marks=pytest.mark.slow),
        ([1, 2], ["1/2", "1/2"], "1/10", 0.9, 14.709302326),
    ],
)
def test_values_of_an_independent_program(values, distribution, stay, discount, value):
    found = mo.mechanisms.infinite_optimum(item(values, distribution, stay, discount))
    assert found.bound.lower - 1e-9 * value <= value <= found.bound.upper + 1e-9 * value
    assert found.bound.upper - found.bound.lower <= 2e-7 * value


@pytest.mark.parametrize("discount", [0.5, 0.9])
def test_types_drawn_afresh_earn_all_later_welfare(discount):
    # first period Myerson: types 1, 2, 4 at 1/2, 1/4, 1/4 sell at 4 for 1, at 2 for 1, at 1 for 1
    distribution = ["1/2", "1/4", "1/4"]
    env = chain([[0, 0, 0], [1, 2, 4]], distribution, [distribution] * 3, discount)
    found, exact = mo.mechanisms.infinite_optimum(env), 1 + discount * 2 / (1 - discount)
    assert found.bound.lower <= exact <= found.bound.upper
    assert found.bound.upper - found.bound.lower <= 1e-6 * exact


def random_chain(seed, discount, horizon):
    """Three actions, costs, kernels by action with zeros; one action is worth and costs nothing."""
    rng = np.random.default_rng(seed)
    values = np.vstack([np.zeros(3), rng.uniform(0, 2, size=(2, 3))])
    kernel = rng.dirichlet(np.ones(3), size=(3, 3))
    kernel[rng.uniform(size=kernel.shape) < 0.2] = 0
    kernel[..., 0] += 1e-3
    kernel /= kernel.sum(axis=2, keepdims=True)
    distribution = rng.dirichlet(np.ones(3))
    return chain(values, distribution, kernel, discount, cost=[0, *rng.uniform(0, 0.5, size=2)], horizon=horizon)


@pytest.mark.parametrize("seed", range(5))
def test_finite_programs_lead_to_the_bracket(seed):
    # what follows period 4 is worth at most 0.1^4 times a few units, whatever the tail does to incentives
    found = mo.mechanisms.infinite_optimum(random_chain(seed, 0.1, "infinite"))
    finite = [mo.optimum(random_chain(seed, 0.1, horizon)).value for horizon in (1, 2, 4)]
    assert max(finite) <= found.bound.upper + 1e-9
    assert found.bound.lower <= finite[-1] + 1e-3
    assert found.bound.upper - found.bound.lower <= 1e-6 * max(found.bound.upper, 1)


def test_first_periods_and_first_best_after_them_are_no_bound():
    # types 1 and 2, even, that switch for sure, discount 1: one period earns 1, two 3; first best of the second is 3/2
    switch = [[0, 1], [1, 0]]
    one, two = (mo.optimum(chain([[0, 0], [1, 2]], ["1/2", "1/2"], switch, 1, horizon=t)).value for t in (1, 2))
    assert (one, two) == pytest.approx((1, 3))
    assert two > one + 1.5
    # EPIR: three types, of which the highest is followed by the lowest and the others by the highest, but for 1% noise
    values, distribution = np.array([0.3, 1.3, 2.3]), np.array([0.769, 0.1004, 0.1306])
    kernel = 0.99 * np.array([[0, 0, 1], [0, 0, 1], [1, 0, 0]]) + 0.01 / 3
    one, two = (
        mo.optimum(chain([[0] * 3, values], distribution, kernel, 1, horizon=t), ir=mo.EPIR()).value for t in (1, 2)
    )
    assert one + distribution @ kernel @ values == pytest.approx(2.331792, abs=1e-6)
    assert two == pytest.approx(2.362804, abs=1e-6)


@pytest.mark.parametrize(("everywhere", "value"), [(False, 2.6), (True, 2.374865)])
def test_without_noise_it_matters_which_paths_participation_is_asked_on(everywhere, value):
    """The same instance without noise, by a program of its own: EPIR on possible paths, or on all paths of reports.

    The definition asks for possible paths, and so does the library: 2.6.
    """
    worth, distribution = np.array([0.3, 1.3, 2.3]), np.array([0.769, 0.1004, 0.1306])
    kernel = np.array([[0, 0, 1], [0, 0, 1], [1, 0, 0]])
    own = np.arange(12, 21).reshape(3, 3)  # lifetime utility after two reports; columns before: sales at first, later
    cost, rows = np.zeros(21), []
    cost[:3], cost[3:12] = -distribution * worth, -(distribution[:, None] * kernel * worth).ravel()
    cost[12:] = (distribution[:, None] * kernel).ravel()
    for r, true, said in np.ndindex(3, 3, 3):
        row = np.zeros(21)
        row[own[r, said]] += 1
        row[own[r, true]] -= 1
        row[3 + 3 * r + said] = worth[true] - worth[said]
        rows.append(row)
    for true, said in np.ndindex(3, 3):
        row = np.zeros(21)
        row[own[said]] += kernel[true]
        row[own[true]] -= kernel[true]
        row[said] += worth[true] - worth[said]
        rows.append(row)
    asked = (kernel > 0) | everywhere
    bounds = [(0, 1)] * 12 + [(0 if least else None, None) for least in asked.ravel()]
    best = -linprog(cost, np.array(rows), np.zeros(len(rows)), bounds=bounds).fun
    assert best == pytest.approx(value, abs=1e-6)
    if not everywhere:
        env = chain([[0] * 3, worth], distribution, kernel, 1, horizon=2)
        assert mo.optimum(env, ir="epir").value == pytest.approx(best, abs=1e-6)


def test_one_type_and_money_that_scales():
    alone = chain([[0], [3]], ["1"], [["1"]], 0.5, cost=[0, 1])
    assert mo.mechanisms.infinite_optimum(alone).bound.lower <= 4 <= mo.mechanisms.infinite_optimum(alone).bound.upper
    small, large = (
        mo.mechanisms.infinite_optimum(chain([[0, 0], [m, 2 * m]], ["2/5", "3/5"], staying(2, "3/4"), 0.5))
        for m in (1e-5, 1e5)
    )
    assert small.bound.lower * 1e10 == pytest.approx(large.bound.lower, rel=1e-6)


def test_what_it_is_not_for():
    with pytest.raises(mo.InputError, match="horizon: is 2"):
        mo.mechanisms.infinite_optimum(item([1, 2], ["1/2", "1/2"], "3/4", 0.5, horizon=2))
    many = [[[0.0] * 11, list(range(11))]] * 2
    even = [[[1 / 11] * 11] * 11] * 2
    with pytest.raises(mo.InputError, match="agents: are too many"):
        mo.mechanisms.infinite_optimum(mo.MarkovTypes(many, even, [[1 / 11] * 11] * 2, discount=0.5))


def test_infinite_separable_models_are_told_of_compare():
    half = ["1/2", "1/2"]
    sold = [[[0, 0], [1, 2]]]
    env = mo.SeparableTypes([[1, 2]], [half], sold, [half], [[half] * 2], horizon="infinite", discount="1/2")
    for asked in (mo.optimum, mo.relaxed_optimum, mo.Problem, mo.formats.certify):
        with pytest.raises(mo.InputError, match=r"mechopt compare \(mo.compare\)"):
            asked(env)
    assert {entry.name for entry in mo.compare(env).entries} >= {"virtual-pivot", "dynamic-pivot"}
