"""Money burning of largest revenue, and weights of the balance mechanism: by definition, and what stays proved."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

import mechopt as mo
from mechopt.closedform.bank.money_burning_caps import MoneyBurningAuctions
from mechopt.closedform.bank.revenue_ties import RevenueTies


def random_buyers(rng, agents):
    made = []
    for _ in range(agents):
        types = int(rng.integers(1, 4))
        values = np.sort(rng.choice(10, types, replace=False)).astype(float)
        distribution = rng.dirichlet(np.ones(types))
        if rng.random() < 0.2 and types > 1:
            distribution[0], distribution[-1] = distribution[0] + distribution[-1], 0.0
        made.append((values, distribution))
    return made


def largest_revenue(buyers, utilities):
    """By definition: x and u at every profile, every misreport a row, u at least 0 with the given means."""
    profiles = list(product(*(range(len(values)) for values, _ in buyers)))
    n, count = len(buyers), len(profiles)
    place = {profile: k for k, profile in enumerate(profiles)}
    distribution = [np.prod([buyers[i][1][k] for i, k in enumerate(profile)]) for profile in profiles]
    cost, rows, sides = np.zeros(2 * n * count), [], []
    means = np.zeros((n, 2 * n * count))
    for i, (k, profile) in product(range(n), enumerate(profiles)):
        cost[i * count + k] = -distribution[k] * buyers[i][0][profile[i]]
        cost[(n + i) * count + k] = means[i, (n + i) * count + k] = distribution[k]
        for report in range(len(buyers[i][0])):
            if report != profile[i]:  # u(report) + (v - v') x(report) <= u
                other = place[(*profile[:i], report, *profile[i + 1 :])]
                row = np.zeros(2 * n * count)
                row[(n + i) * count + other] += 1
                row[(n + i) * count + k] -= 1
                row[i * count + other] = buyers[i][0][profile[i]] - buyers[i][0][report]
                rows.append(row)
                sides.append(0.0)
    for k in range(count):
        row = np.zeros(2 * n * count)
        row[[i * count + k for i in range(n)]] = 1
        rows.append(row)
        sides.append(1.0)
    bounds = [(0, 1)] * (n * count) + [(0, None)] * (n * count)
    found = linprog(cost, np.array(rows), sides, means, utilities, bounds, method="highs")
    assert found.status == 0, found.message
    return -found.fun


def test_no_auction_with_these_utilities_earns_more():
    rng = np.random.default_rng(0)
    for trial in range(24):
        buyers = random_buyers(rng, 1 + trial % 3)
        auctions, ties = MoneyBurningAuctions(buyers), RevenueTies(buyers)
        caps = np.stack([np.zeros(len(buyers)), auctions.most[:, 0] * rng.random(len(buyers)), auctions.most[:, 0]], 1)
        back = auctions(caps)
        found = ties(back.utility)
        distribution = np.ones(())
        for _, one in buyers:
            distribution = np.multiply.outer(distribution, one)
        for s in range(3):
            revenue = float((found.payment[:, s] * distribution).sum())
            assert revenue == pytest.approx(largest_revenue(buyers, back.utility[:, s]), abs=1e-7)
            assert revenue >= float((back.payment[:, s] * distribution).sum()) - 1e-7
            worth = np.stack(np.broadcast_arrays(*np.ix_(*(values for values, _ in buyers))))
            utility = worth * found.allocation[:, s] - found.payment[:, s]
            assert utility.min() > -1e-9
            assert (utility * distribution).reshape(len(buyers), -1).sum(axis=1) == pytest.approx(
                back.utility[:, s], abs=1e-8
            )


def test_at_balance_nothing_something_is_sold():
    # the buyer of value 4 has a rival who never bids: Myerson earns 2 of its fifth; the money-burning part, which sold
    # nothing at balance 0, now sells at 4 to the top type: 2 of two fifths
    env = mo.IndependentTypes([[[1, 4]], [[0]]], [[["1/2", "1/2"]], [[1]]])
    plain, earning = mo.non_clairvoyant_balance(env), mo.non_clairvoyant_balance(env, ties="revenue")
    assert (plain.revenue, earning.revenue) == pytest.approx((2 / 5, 6 / 5))
    assert (plain.guarantee, earning.guarantee) == (Fraction(1, 5), Fraction(1, 5))


def test_spends_and_balances_stay():
    from mechopt.closedform.bank.mechanism import unrolled

    rng = np.random.default_rng(3)
    for trial in range(8):
        agents = 1 + trial % 2
        values = [[sorted(rng.choice(9, 2, replace=False).tolist()) for _ in range(3)] for _ in range(agents)]
        distribution = [[["1/4", "3/4"]] * 3] * agents
        env = mo.IndependentTypes(values, distribution, cost=trial % 3, discount=["1", "9/10"][trial % 2])
        plain, earning = mo.non_clairvoyant_balance(env), mo.non_clairvoyant_balance(env, ties="revenue")
        assert earning.conditions().holds, earning.conditions()
        assert earning.revenue >= plain.revenue - 1e-8
        for one, other in zip(unrolled(plain), unrolled(earning), strict=True):
            assert np.allclose(one.spend, other.spend)
            assert np.allclose(one.next_balance, other.next_balance)
        report = mo.verify(earning.to_mechanism())
        assert report.holds, report


def test_guarantees_of_weights():
    rng = np.random.default_rng(5)
    for trial in range(12):
        agents = 1 + trial % 2
        values = [[sorted(rng.choice(9, 2, replace=False).tolist()) for _ in range(2)] for _ in range(agents)]
        env = mo.IndependentTypes(values, [[["3/4", "1/4"]] * 2] * agents)
        best = mo.optimum(env).value
        for cut in rng.integers(0, 13, (4, 2)):
            low, high = sorted(cut.tolist())
            weights = [Fraction(low, 12), Fraction(high - low, 12), Fraction(12 - high, 12)]
            mechanism = mo.non_clairvoyant_balance(env, weights)
            m, f, g = weights
            share = min(m, f, g) if agents == 1 else min(m, f / 2, g / 2)
            assert (mechanism.guarantee or 0) == share
            assert mechanism.revenue >= float(share) * best - 1e-9
            assert mechanism.conditions().holds
    with pytest.raises(mo.InputError, match="give three, at least 0, with the sum 1"):
        mo.non_clairvoyant_balance(env, ["1/2", "1/2", "1/2"])
    with pytest.raises(mo.InputError, match="ties: is 'most'"):
        mo.non_clairvoyant_balance(env, ties="most")


def test_best_weights():
    tail = ["1/2", "1/4", "1/8", "1/8"]
    env = mo.IndependentTypes([[[1, 4], [2, 4, 8, 16]]], [[["1/2", "1/2"], tail]])
    found = mo.mechanisms.best_weights(env)
    assert sum(found.weights) == 1
    assert found.ratio >= found.standard_ratio
    assert found.ratio == pytest.approx(mo.non_clairvoyant_balance(env, found.weights).revenue / 4.5)
    grid = [(a, b, 12 - a - b) for a in range(13) for b in range(13 - a)]
    tried = [mo.non_clairvoyant_balance(env, [Fraction(w, 12) for w in cell]).revenue / 4.5 for cell in grid]
    assert found.ratio >= max(tried) - 1e-3
    both = mo.mechanisms.best_weights([env, mo.IndependentTypes.iid([1, 4], ["1/2", "1/2"], 1)])
    assert both.ratio == min(both.ratios)
    assert both.ratio <= found.ratio + 1e-12
    assert found.guarantee <= Fraction(1, 3)
    with pytest.raises(mo.InputError, match="all with the same number of buyers"):
        mo.mechanisms.best_weights([])
    with pytest.raises(mo.InputError, match="nothing can be earned"):
        mo.mechanisms.best_weights(mo.IndependentTypes.iid([0], [1], 2))
