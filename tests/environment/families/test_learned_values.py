"""Positions, Gaussian innovations and trends: definitions in loops, theorems on random instances, faults."""

import math
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import mechopt as mo
from mechopt.core.errors import InputError, LimitError
from mechopt.families import SeparableStates, gaussian_learning, sponsored_search, trending_values

HALF = ["1/2", "1/2"]


def test_positions_in_a_loop():
    """Values are profit, rate and mean multiplied; learning is by clicks; fewest advertisers first."""
    env = sponsored_search([[1, 2], [1, 3], [2, 5]], [HALF] * 3, [(1, 1), (1, 2), (2, 1)], 1, 1, 2, [1, "1/2"])
    lists = [a for size in range(3) for a in permutations(range(3), size)]
    assert env.actions == ("none", *("show " + ", ".join(map(str, a)) for a in lists[1:]))
    for i, mean in enumerate((Fraction(1, 2), Fraction(1, 3), Fraction(2, 3))):
        for number, shown in enumerate(lists):
            rate = (Fraction(1), Fraction(1, 2))[shown.index(i)] if i in shown else Fraction(0)
            assert env.exact.base[i][number][0] == rate * mean
            assert env.exact.signal_kernel[i][number][0] == (1 - rate, rate * (1 - mean), rate * mean)


def test_one_position_is_what_it_was():
    given = [[1, 2], [1, 3]], [HALF] * 2, [(1, 1), (1, 2)], 2, "9/10", 3
    assert sponsored_search(*given).fingerprint == sponsored_search(*given, [1]).fingerprint
    assert sponsored_search(*given).actions == ("none", "show 0", "show 1")


def positions_of(seed):
    rng = np.random.default_rng(seed)
    profits = [sorted(rng.choice(np.arange(1, 9), 2, replace=False).tolist()) for _ in range(2)]
    priors = rng.integers(1, 4, (2, 2)).tolist()
    rates = [1, f"{rng.integers(1, 5)}/4"]
    distribution = [[f"{w}/5", f"{5 - w}/5"] for w in rng.integers(1, 5, 2).tolist()]
    return (
        sponsored_search(profits, distribution, priors, 1, ["1", "4/5"][seed % 2], 1, rates),
        profits,
        priors,
        rates,
        distribution,
    )


def positions_bound(profits, priors, rates, distribution):
    """One period: the higher virtual profit times mean takes the first position, where it is above 0."""
    total = Fraction(0)
    virtual = [
        [p[0] - Fraction(w[1]) / Fraction(w[0]) * (p[1] - p[0]), Fraction(p[1])]
        for p, w in zip(profits, distribution, strict=True)
    ]
    means = [Fraction(s, s + f) for s, f in priors]
    for k in range(2):
        for j in range(2):
            worth = sorted((max(Fraction(0), virtual[i][own] * means[i]) for i, own in enumerate((k, j))), reverse=True)
            chance = Fraction(distribution[0][k]) * Fraction(distribution[1][j])
            total += chance * sum(w * Fraction(rate) for w, rate in zip(worth, rates, strict=True))
    return total


def check_positions(seed):
    env, *given = positions_of(seed)
    pivot = mo.virtual_pivot(env)
    assert pivot.bound == pytest.approx(env.discount * float(positions_bound(*given)), abs=1e-12)
    best = mo.optimum(env).value
    assert best <= pivot.bound + 1e-8 or not pivot.regular
    if pivot.contracting_gain <= 1e-9 and pivot.regular:
        assert best == pytest.approx(pivot.bound, abs=1e-8)
        assert mo.verify(pivot.to_mechanism(), ["periodic-ex-post", "interim"]).holds
        return True
    return False


def test_positions_against_sorted_virtual_profits():
    assert sum(check_positions(seed) for seed in range(12)) >= 3


@pytest.mark.slow
def test_positions_against_sorted_virtual_profits_a_hundred_times():
    assert sum(check_positions(seed) for seed in range(100, 210)) >= 20


SUMS, EVEN = [0, "1/2", 1, "3/2", 2], ["1/5"] * 5


def test_gaussian_example_and_the_fading_coefficient():
    """The sheet's numbers: bound and optimum .310824829; with a rent that fades .319158, which nobody earns."""
    found = gaussian_learning([SUMS], [EVEN], 2, cost="9/10", mean=1)
    env = found.environment
    pivot, best = mo.virtual_pivot(env), mo.optimum(env)
    assert pivot.bound == pytest.approx(0.310824829, abs=1e-9) and pivot.regime == "a"
    assert best.value == pytest.approx(pivot.bound, abs=1e-9)
    assert mo.verify(best.mechanism).holds

    def bound(slope):
        """By loops: serve first or not, then the posterior moved by +-1/3 sqrt(3/2); slope by users served."""
        total = 0.0
        for k in range(5):
            m, rest = (k / 2 + 1) / 2, (4 - k) * 0.5

            def flow(move, served, m=m, rest=rest):
                return m + move - rest * slope(served) - 0.9

            up = math.sqrt(1.5) / 3
            learned = (max(0, flow(up, 1)) + max(0, flow(-up, 1))) / 2
            total += max(flow(0, 0) + learned, 2 * max(0, flow(0, 0)), max(0, flow(0, 0))) / 5
        return total

    assert pivot.bound == pytest.approx(bound(lambda served: 1 / 2), abs=1e-12)
    fading = bound(lambda served: float(found.fading(served)))
    assert fading == pytest.approx(0.319158, abs=1e-6) and fading > best.value + 0.008


def test_worths_as_signals_depend_on_what_came_before():
    """Assumption 2.3: the expected worth of the next user is the posterior mean, which moves with s_0."""
    env = gaussian_learning([SUMS], [EVEN], 2, mean=1).environment
    assert np.diff(env.level[0]) == pytest.approx([0.25] * 4)
    assert not env.correlated  # of innovations nothing depends on it
    first = env.signal_kernel[0][1][0]
    assert first @ env.base[0][1] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("points", [2, 3, 5, 10])
@pytest.mark.parametrize("seed", range(4))
def test_the_error_of_the_grid_covers_the_normal_distribution(points, seed):
    """Two periods by numerical integration of the second, any prior."""
    rng = np.random.default_rng(seed)
    users, mean, tau, sigma, cost = int(rng.integers(0, 3)), *(rng.integers(1, 9, 4) / 4).tolist()
    found = gaussian_learning([[0, 1, 3]], [["1/4", "1/4", "1/2"]], 2, cost, users, mean, tau, sigma, points, "4/5")
    env = found.environment
    pivot = mo.virtual_pivot(env)
    step = tau**2 / (tau**2 * (users + 1) + sigma**2)
    step *= math.sqrt(tau**2 * sigma**2 / (tau**2 * users + sigma**2) + sigma**2)
    total = 0.0
    for k, share in enumerate((0.25, 0.25, 0.5)):
        rent = (3.0, 4.0, 0.0)[k] * float(found.slope)
        flow = env.level[0][k] - rent - cost
        learned = quad(lambda x, f=flow: max(0, f + step * x) * norm.pdf(x), -10, 10, points=[-flow / step], limit=200)
        total += share * max(0.8 * flow + 0.64 * learned[0], 0.8 * max(0, flow) + 0.64 * max(0, flow))
    assert abs(pivot.bound - total) <= found.error


def test_the_distance_of_two_points_from_a_normal():
    """W_1 = 2 E|Z - 1| over Z > 0 in halves: 4 phi(1) - 2 phi(0) - (2 Phi(1) - 1) ... by integration."""
    found = gaussian_learning([[0]], [[1]], 2).distance
    assert found == pytest.approx(2 * quad(lambda z: abs(z - 1) * norm.pdf(z), 0, 12, points=[1])[0], abs=1e-9)


def gaussian_of(seed):
    rng = np.random.default_rng(seed)
    sums = sorted(rng.choice(np.arange(-4, 9), 3, replace=False).tolist())
    users, mean, tau, sigma, cost = int(rng.integers(0, 3)), *(rng.integers(1, 9, 4) / 4).tolist()
    return gaussian_learning([sums], [["1/3"] * 3], 2, cost, users, mean, tau, sigma, 2, ["1", "4/5"][seed % 2])


def check_gaussian(seed):
    from tests.closedform.separable_programs import optimum

    env = gaussian_of(seed).environment
    pivot = mo.virtual_pivot(env)
    best = mo.optimum(env).value
    assert best == pytest.approx(optimum(env), abs=1e-7)
    assert best <= pivot.bound + 1e-7
    if pivot.regime == "a":
        assert best == pytest.approx(pivot.bound, abs=1e-7)


def test_gaussian_against_history_programs():
    for seed in range(8):
        check_gaussian(seed)


@pytest.mark.slow
def test_gaussian_against_history_programs_a_hundred_times():
    for seed in range(100, 210):
        check_gaussian(seed)


def test_two_advertisers_who_learn():
    env = gaussian_learning([[0, 2], [1, 2]], [HALF] * 2, 2, "1/2").environment
    pivot = mo.virtual_pivot(env)
    assert mo.optimum(env).value <= pivot.bound + 1e-8


def trend_of(seed):
    rng = np.random.default_rng(seed)
    types = sorted(rng.choice(np.arange(2, 12), 3, replace=False).tolist())
    weights = rng.integers(1, 4, 3)
    distribution = [f"{w}/{weights.sum()}" for w in weights]
    base = rng.integers(0, 5, 2).tolist()
    factors = rng.integers(1, 5, 2).tolist()
    kernel = [["3/4", "1/4"], ["1/3", "2/3"]]
    return trending_values(
        types, distribution, base, HALF, kernel, factors, int(rng.integers(1, 9)), ["1", "4/5"][seed % 2]
    )


def menu_by_loops(env, prices, fees):
    """What the menu earns: the best contract, bought where worth at least the price; ties go to the seller."""
    cells = [row[0] for row in env.cells] if isinstance(env, SeparableStates) else [env] * env.horizon
    first, total = cells[0], 0.0
    for k, share in enumerate(first.initial_probabilities[0]):
        offers = [(0.0, 0.0)]
        for price, fee in zip(prices, fees, strict=True):
            if price is None:
                continue
            distribution, utility, earned = first.signal_initial[0], -fee, fee
            for t, cell in enumerate(cells, 1):
                for z, chance in enumerate(distribution):
                    worth = cell.value_tables[0][1, k, z]
                    if worth >= price - 1e-9:
                        utility += first.discount**t * chance * (worth - price)
                        earned += first.discount**t * chance * (price - first.cost[1])
                distribution = distribution @ cell.signal_kernel[0][1]
            offers.append((utility, earned))
        most = max(u for u, _ in offers)
        total += share * max(e for u, e in offers if u >= most - 1e-9)
    return total


def check_trend(seed):
    env = trend_of(seed)
    found = mo.lemmas.constant_prices(env)
    pivot = mo.virtual_pivot(env if isinstance(env, SeparableStates) else SeparableStates(env))
    assert found.implements  # the first half of the claim, always
    fees = []
    for k, price in enumerate(found.prices):
        free = SeparableStates(env) if not isinstance(env, SeparableStates) else env
        if price is None:
            fees.append(None)
            continue
        worth, distribution = 0.0, free.cells[0][0].signal_initial[0]
        for t, row in enumerate(free.cells, 1):
            surplus = np.maximum(0, row[0].value_tables[0][1, k] - price)
            worth += row[0].discount ** t * distribution @ surplus
            distribution = distribution @ row[0].signal_kernel[0][1]
        fees.append(worth - pivot.after[0, (k,)].utility[0])
    assert found.profit == pytest.approx(menu_by_loops(env, found.prices, fees), abs=1e-6)
    levels = pivot.environment.cells[0][0]
    tail = 1 - np.cumsum(levels.initial_probabilities[0])
    virtual = levels.level[0] - tail / levels.initial_probabilities[0] * np.append(np.diff(levels.level[0]), 0)
    if (np.diff(virtual) >= 0).all():
        assert found.profit <= found.bound + 1e-7
        assert mo.optimum(env).value <= found.bound + 1e-7
    if found.chosen:
        assert found.attains
    assert found.chosen == (pivot.contracting_gain <= 1e-7)
    return found.attains


def test_constant_prices_where_values_have_a_trend():
    assert 0 < sum(check_trend(seed) for seed in range(16)) < 16


@pytest.mark.slow
def test_constant_prices_a_hundred_times():
    assert 20 <= sum(check_trend(seed) for seed in range(100, 250)) < 150


def test_the_bundled_trend():
    found = mo.lemmas.constant_prices(mo.load("kakade-lobel-nazerzadeh-2013/trend"))
    assert found.prices == pytest.approx((9, 6, 3)) and found.attains and found.profit == pytest.approx(53 / 6)


def test_no_trend_is_the_plain_environment():
    env = trending_values([1, 2], HALF, [1, 2], HALF, [HALF, HALF], [3, 3], 1)
    assert isinstance(env, mo.SeparableTypes) and mo.lemmas.constant_prices(env).implements


FAULTS = {
    "position-above-1": (lambda: sponsored_search([[1]], [[1]], [(1, 1)], 1, 0.5, 1, [2]), "positions[0]", "is 2"),
    "position-order": (
        lambda: sponsored_search([[1]], [[1]], [(1, 1)], 1, 0.5, 1, ["1/2", 1]),
        "positions[1]",
        "1 is above 0.5 before it",
    ),
    "no-position": (lambda: sponsored_search([[1]], [[1]], [(1, 1)], 1, 0.5, 1, []), "positions", "is empty"),
    "noise": (lambda: gaussian_learning([[0]], [[1]], 2, noise=0), "noise", "is 0; it must be above 0"),
    "points": (lambda: gaussian_learning([[0]], [[1]], 2, points=1), "points", "is 1; write a whole number"),
    "endless": (lambda: gaussian_learning([[0]], [[1]], "infinite"), "horizon", "'infinite'"),
    "sums": (lambda: gaussian_learning([[0, "x"]], [HALF], 2), "sums[0][1]", "'x'"),
    "shares": (lambda: gaussian_learning([[0, 1]], [[1]], 2), "probabilities[0]", "1 entries for 2"),
    "factor": (lambda: trending_values([1], [1], [1], [1], [[1]], [1, -1]), "factors[1]", "is -1"),
    "no-factor": (lambda: trending_values([1], [1], [1], [1], [[1]], []), "factors", "is empty"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name):
    build, where, what = FAULTS[name]
    with pytest.raises(InputError) as error:
        build()
    found = {fault.where: str(fault) for fault in error.value.faults}
    assert where in found and what in found[where], found


def test_too_many_signals_are_refused():
    with pytest.raises(LimitError, match="fewer points or periods"):
        gaussian_learning([[0]], [[1]], 12, points=3)
    with pytest.raises(LimitError, match="ways to fill"):
        sponsored_search([[1]] * 7, [[1]] * 7, [(1, 1)] * 7, 1, 1, 1, [1] * 7)
    with pytest.raises(InputError, match="constant_prices"):
        mo.lemmas.constant_prices(mo.load("kakade-lobel-nazerzadeh-2013/clicks"))
