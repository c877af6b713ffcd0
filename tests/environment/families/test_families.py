"""Families of environments: what they stand for, by hand, and every fault of their arguments."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from mechopt.closedform.pivot.efficient import efficient
from mechopt.closedform.pivot.gittins import gittins_indices
from mechopt.closedform.virtual.pivot import virtual_pivot
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.families.contracts import battaglini, sequential_screening, supply_chain
from mechopt.environment.families.learning import beta_learning, licensing, sponsored_search
from mechopt.environment.families.projects import bandits, with_arrivals
from mechopt.environment.markov import MarkovTypes
from tests.closedform.separable_programs import optimum

HALF = ["1/2", "1/2"]


def random_projects(seed, sizes=(3, 2, 4)):
    rng = np.random.default_rng(seed)
    rewards = [rng.uniform(0, 1, size=size) for size in sizes]
    kernels = [rng.dirichlet(np.ones(size), size=size) for size in sizes]
    return rewards, kernels, [rng.dirichlet(np.ones(size)) for size in sizes]


@pytest.mark.parametrize("seed", range(5))
def test_working_on_the_highest_index_is_efficient(seed):
    rewards, kernels, initial = random_projects(seed)
    best = efficient(bandits(rewards, kernels, initial, 0.8))
    indices = [gittins_indices(k, r, 0.8) for k, r in zip(kernels, rewards, strict=True)]
    by_index = np.argmax(np.stack(np.meshgrid(*indices, indexing="ij")), axis=0)
    np.testing.assert_array_equal(best.policy[~best.tied], by_index[~best.tied])


def test_idling_comes_first_where_it_is_allowed():
    env = bandits([[-1.0], [2.0]], [[[1]], [[1]]], [[1], [1]], 1, horizon=2, idle=True)
    assert env.actions == ("none", "work on 0", "work on 1")
    assert [env.values[i][0][:, 0].tolist() for i in (0, 1)] == [[0, -1, 0], [0, 0, 2]]
    assert efficient(env).expected_welfare == 4
    alone = bandits([[-1.0]], [[[1]]], [[1]], 1, horizon=2, idle=True)
    assert efficient(alone).expected_welfare == 0


def test_arrivals_by_hand():
    # who is there is worth 1 a period for ever: 10 at discount 9/10; who is absent waits: W = 9/10 (10/2 + W/2), 90/11
    alone = MarkovTypes([[[1]]], [[[1]]], [[1]], discount="9/10")
    env = with_arrivals(alone, "1/2", present="1/4")
    assert env.types[0] == (("0", "absent"),)
    np.testing.assert_allclose(efficient(env).welfare, [10, 90 / 11], rtol=1e-12)
    assert env.exact.initial[0] == (Fraction(1, 4), Fraction(3, 4))
    # there for one period at a time, and back half of the time: V = 1 + 9/10 W, W = 9/10 (V + W) / 2
    passing = with_arrivals(alone, "1/2", 1)
    present, absent = efficient(passing).welfare
    assert present == pytest.approx(1 + 0.9 * absent)
    assert absent == pytest.approx(0.45 * (present + absent))


def test_arrivals_with_a_finite_horizon_and_chances_by_agent():
    stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    env = MarkovTypes([[[1, 2]], [[0, 3]]], [stay, stay], [HALF, HALF], horizon=3, names=["A", "B"])
    there = with_arrivals(env, [1, "1/3"], [0, "1/2"], 1)
    assert there.shape == ((3, 3),) * 3
    assert there.names == ("A", "B")
    assert there.exact.kernel[1][1][0][0] == (Fraction(3, 8), Fraction(1, 8), Fraction(1, 2))
    assert there.exact.kernel[1][0][0][2] == (Fraction(1, 6), Fraction(1, 6), Fraction(2, 3))
    # A, who never leaves, is worth what she was
    assert efficient(there.without(1)).expected_welfare == pytest.approx(efficient(env.without(1)).expected_welfare)
    # floats that are no exact numbers
    distribution = np.random.default_rng(1).dirichlet(np.ones(2), size=2)
    rounded = with_arrivals(MarkovTypes([[[1, 2]]], [distribution], [distribution[0]], discount=0.5), 0.3, 0.1)
    np.testing.assert_allclose(rounded.kernel[0][0][0][:2, :2], 0.9 * distribution, rtol=1e-15)


def test_posterior_means_are_a_martingale():
    states = beta_learning((Fraction(2), Fraction(3)), 4)
    for k, row in enumerate(states.learning):
        assert sum(p * mean for p, mean in zip(row, states.means, strict=True)) == states.means[k]
        assert sum(row) == 1
    assert states.means[0] == Fraction(2, 5)
    assert len(states.names) == 15


def test_sponsored_search_with_one_advertiser():
    # profits 1, 2 at 1/2 each: L = (0, 2); type 2 is shown for ever, worth d / (1 - d) = 9 times 2 times the mean 1/2
    env = sponsored_search([[1, 2]], [HALF], [(1, 1)], 3, "9/10")
    pivot = virtual_pivot(env)
    assert pivot.bound == pytest.approx(4.5)
    assert pivot.profit == pytest.approx(4.5)
    assert env.actions == ("none", "show 0")
    assert env.controlled


def test_sponsored_search_learns_as_licensing_does():
    search = sponsored_search([[1], [1]], [[1], [1]], [(1, 1), (1, 2)], 2, "9/10")
    bidders = licensing([(1, 1), (1, 2)], 2, "9/10")
    for i in (0, 1):
        np.testing.assert_array_equal(search.signal_kernel[i][1:], bidders.kernel[i][0])
        np.testing.assert_array_equal(search.value_tables[i][1:, 0], bidders.values[i][0])
    # a showing of nobody never pays: the present value is that of the licences, a period later
    assert virtual_pivot(search).bound == pytest.approx(0.9 * efficient(bidders).expected_welfare)


def test_supply_chain_by_hand():
    # margins 1, 2: L = (0, 2); type 2 alone is shipped to, demand 0, 1, 3 at 1/4, 1/2, 1/4, units cost 1/2, at most 2:
    # E[min(d, x)] (2 - 1/2) with x = min(d, 2): 1/2 + 1/2 units, 3/2; half of the time
    env = supply_chain([[1, 2]], [HALF], [[0, 1, 3]], [["1/4", "1/2", "1/4"]], None, 2, "1/2", horizon=1)
    assert env.signals == (("0", "1", "3"),)
    assert virtual_pivot(env).bound == pytest.approx(0.75)


def test_supply_chain_with_two_retailers_and_rising_cost():
    kernel = [["3/4", "1/4"], ["1/4", "3/4"]]
    env = supply_chain([[1, 2], [3]], [HALF, [1]], [[0, 2], [1, 2]], [HALF, HALF], [kernel, kernel], 2, [0, 1, 3], 2, 1)
    assert env.actions == ("0+0", "0+1", "0+2", "1+0", "1+1", "2+0")
    assert env.cost.tolist() == [0, 1, 3, 1, 3, 3]
    assert env.value_tables[1][2].tolist() == [[3, 6]]
    assert virtual_pivot(env).profit == pytest.approx(virtual_pivot(env).bound)


def test_sequential_screening_of_the_airline():
    # Courty and Li's example with each uniform law on two points: leisure values 5/4 or 7/4, business values 1/4, 3/4,
    # 9/4 or 11/4, cost 1, shares 1/3 and 2/3. Leisure pays 3/2 without refund; business 7/4 with a refund of 1, which
    # leisure does not like: E max(v, 1) = 3/2. All surplus is extracted: 1/3 1/2 + 2/3 1/2 3/2.
    values = ["1/4", "3/4", "5/4", "7/4", "9/4", "11/4"]
    distributions = [[0, 0, "1/2", "1/2", 0, 0], ["1/4", "1/4", 0, 0, "1/4", "1/4"]]
    env = sequential_screening(values, distributions, ["1/3", "2/3"], cost=1)
    assert env.correlated
    assert optimum(env) == pytest.approx(2 / 3)
    assert efficient(env.to_markov()).expected_welfare == pytest.approx(2 / 3)
    # with no private information at contracting the same, with one type less to tell apart: the mean of both
    assert dataclasses.replace(env, cost=[0, 3]).cost.tolist() == [0, 3]


def test_battaglini_by_hand():
    env = battaglini(1, 2, "3/5", "3/4", horizon=2)
    same = MarkovTypes(
        [[[0, 0], [1, 2]]],
        [[["3/4", "1/4"], ["1/4", "3/4"]]],
        [["2/5", "3/5"]],
        actions=["0", "1"],
        types=[["low", "high"]],
        horizon=2,
    )
    assert env == same
    # E[v] is 1.6 and then 1 + 0.6 3/4 + 0.4 1/4 = 1.55
    assert efficient(env).expected_welfare == pytest.approx(3.15)
    several = battaglini(1, 3, 1, (1, "1/2"), "infinite", "1/2", quantities=[0, 1, 2], cost=[0, "1/2", 2])
    # low: 1/2 at quantity 1; high: 1 times 3 - 2 = 4 at quantity 2; W_low = 1, W_high = 4 + (W_low + W_high) / 4
    np.testing.assert_allclose(efficient(several).welfare, [1, 17 / 3], rtol=1e-12)


FAULTS = {
    "bandits-rewards": (lambda: bandits(5, [], [], 0.5), "rewards", "5 is not a list"),
    "bandits-kernels": (lambda: bandits([[1]], [], [[1]], 0.5), "kernels", "is not a list of 1 entries"),
    "bandits-discount": (lambda: bandits([[1]], [[[1]]], [[1]], 1), "discount", "is 1; it must be above 0 and below 1"),
    "bandits-kernel-sum": (lambda: bandits([[1]], [[[0.5]]], [[1]], 0.5), "kernel[0][0][0]", "sums to 0.5, not 1"),
    "arrival-above-1": (lambda: with_arrivals(battaglini(discount=0.5), 2), "arrival", "is 2; a probability"),
    "departure-count": (
        lambda: with_arrivals(battaglini(discount=0.5), 1, [0, 0]),
        "departure",
        "has 2 entries for 1 agents",
    ),
    "arrival-twice": (
        lambda: with_arrivals(with_arrivals(battaglini(discount=0.5), 1), 1),
        "types[0]",
        "has 'absent' already",
    ),
    "arrival-types-by-period": (
        lambda: with_arrivals(MarkovTypes([[[[1]], [[1, 2]]]], [[[HALF]]], [[1]], horizon=2), 1),
        "values[0]",
        "has not as many types in every period",
    ),
    "search-observations": (
        lambda: sponsored_search([[1]], [[1]], [(1, 1)], 21, 0.5),
        "observations",
        "is 21; write a whole number from 0 to 20",
    ),
    "search-profits": (lambda: sponsored_search([[2, 1]], [HALF], [(1, 1)], 2, 0.5), "profits[0][1]", "1 is below 2"),
    "search-law": (lambda: sponsored_search([[1]], [[0.5]], [(1, 1)], 2, 0.5), "probabilities[0]", "sums to 0.5"),
    "search-count": (
        lambda: sponsored_search([[1]] * 2, [[1]] * 2, [(1, 1)], 2, 0.5),
        "profits",
        "has 2 entries for 1",
    ),
    "chain-units": (
        lambda: supply_chain([[1]], [[1]], [[1]], [[1]], None, 0, horizon=1),
        "units",
        "is 0; write a whole",
    ),
    "chain-cost": (
        lambda: supply_chain([[1]], [[1]], [[1]], [[1]], None, 1, [0], horizon=1),
        "cost",
        "has 1 entries for up to 1 units; give 2",
    ),
    "chain-demand": (
        lambda: supply_chain([[1]], [[1]], [[-1]], [[1]], None, 1, horizon=1),
        "demands[0][0]",
        "is -1; values must be at least 0",
    ),
    "screening-law": (
        lambda: sequential_screening([1, 2], [[1]], [1]),
        "distributions[0]",
        "has 1 entries for 2 values",
    ),
    "screening-shares": (
        lambda: sequential_screening([1], [[1]], HALF),
        "probabilities",
        "has 2 entries for 1 distributions",
    ),
    "battaglini-order": (lambda: battaglini(2, 1, discount=0.5), "high", "1 is not above low, 2; give the larger one"),
    "battaglini-stay": (lambda: battaglini(stay=[0.5, 2], discount=0.5), "stay[1]", "is 2; a probability lies"),
    "battaglini-stays": (lambda: battaglini(stay=[0.5] * 3, discount=0.5), "stay", "has 3 entries; give one"),
    "battaglini-first": (lambda: battaglini(first_high="x", discount=0.5), "first_high", "'x' is not a number"),
    "battaglini-cost": (lambda: battaglini(cost=[0], discount=0.5), "cost", "has 1 entries for 2 quantities"),
    "battaglini-quantities": (lambda: battaglini(quantities=[1, 1], discount=0.5), "quantities[1]", "1 repeats 1"),
    "battaglini-discount": (lambda: battaglini(), "discount", "is 1; it must be above 0 and below 1"),
}


@pytest.mark.parametrize(("build", "where", "words"), [pytest.param(*c, id=n) for n, c in FAULTS.items()])
def test_faults_of_families(build, where, words):
    with pytest.raises(InputError) as error:
        build()
    found = {fault.where: str(fault) for fault in error.value.faults}
    assert where in found
    assert words in found[where]


def test_too_many_shipments_are_refused():
    with pytest.raises(LimitError, match="shipments"):
        supply_chain([[1]] * 6, [[1]] * 6, [[1]] * 6, [[1]] * 6, None, 20, horizon=1)
