"""Dual dynamic programming for one agent whose type persists, against a linear program that shares nothing with it."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import mechopt as mo
from mechopt.mechanism.constraints import BayesianIC
from mechopt.solve.dual.optimum import dual_optimum
from mechopt.solve.solution import Status
from tests.persistent_program import optimal_revenue

CONSTRAINTS = {"interim": mo.Interim(), "epir": mo.EPIR()}


def distribution(rng, size, zeros):
    weights = rng.integers(1, 9, size)
    if zeros:
        weights[rng.random(size) < 0.5] = 0
        weights[rng.integers(size)] = 1
    return [Fraction(int(w), int(weights.sum())) for w in weights]


def instance(number):
    """Up to three types, three actions and three periods (four with two types and actions).

    Of every six instances, half have transitions of probability zero, two kernels that depend on the action, two sell
    an item and the others have any finite set of actions, with values of both signs, costs and types by period.
    """
    rng = np.random.default_rng([11, number])
    zeros, controlled, item = number % 2 == 1, number % 3 == 0, number % 3 == 1
    actions = 2 if item or controlled else int(rng.integers(1, 4))
    horizon = int(rng.integers(1, 4))
    counts = [int(k) for k in rng.integers(1, 4, horizon)] if number % 4 == 3 else [int(rng.integers(2, 4))] * horizon
    if max(counts) == 2 and actions == 2 and number % 5 == 0:
        horizon, counts = 4, [2] * 4
    values = []
    for count in counts:
        if item:
            drawn = np.sort(rng.choice(40, count, replace=False))
            values.append([[0] * count, [Fraction(int(v), 4) for v in drawn]])
        else:
            values.append([[Fraction(int(v), 4) for v in rng.integers(-12, 30, count)] for _ in range(actions)])
    kernel = []
    for before, after in pairwise(counts):
        matrices = [
            [distribution(rng, after, zeros) for _ in range(before)] for _ in range(actions if controlled else 1)
        ]
        kernel.append(matrices if controlled else matrices[0])
    cost = 0 if item else [Fraction(int(c), 4) for c in rng.integers(0, 8, actions)]
    initial = distribution(rng, counts[0], zeros)
    return mo.MarkovTypes([values], [kernel], [initial], cost=cost, horizon=horizon, discount=["1", "9/10"][number % 2])


@pytest.mark.parametrize("ir", CONSTRAINTS.values(), ids=CONSTRAINTS)
@pytest.mark.parametrize("block", range(4), ids=lambda block: f"instances {25 * block} to {25 * block + 24}")
def test_equals_the_program_over_histories_and_its_mechanism_is_verified(block, ir):
    for number in range(25 * block, 25 * block + 25):
        env = instance(number)
        found, expected = dual_optimum(env, ir=ir, target=1e-10), optimal_revenue(env, ir == mo.EPIR())
        slack = 1e-9 * max(1.0, abs(expected))
        assert found.status is Status.OPTIMAL, number
        assert found.bound.lower - slack <= expected <= found.bound.upper + slack, number
        assert found.value == pytest.approx(expected, abs=slack), number
        assert found.bound.upper == pytest.approx(expected, abs=2 * slack), number
        mechanism = found.mechanism.to_mechanism()
        report = mo.verify(mechanism, [BayesianIC(), ir])
        assert report.holds, (number, report)
        assert mechanism.revenue == pytest.approx(found.value, abs=slack), number
        assert mechanism.utilities == pytest.approx(found.mechanism.utilities, abs=slack), number


def sticky(values, first, stay, periods):
    """Types that stay with one probability and move to each other with another; an item that may be sold."""
    count = len(values)
    away = (1 - Fraction(stay)) / (count - 1)
    kernel = [[Fraction(stay) if k == after else away for after in range(count)] for k in range(count)]
    return mo.MarkovTypes([[[0] * count, values]], [kernel], [first], horizon=periods)


# Battaglini's two types, interim: all is sold but on the all-low history, where the virtual value in period t
# is 1 - (3/5) / (2/5) * (2/3)^t, with 2/3 = (3/4 - 1/4) / (3/4): -1/2, 0, 1/3, 5/9. Period 0 earns 2 * 3/5 = 6/5;
# then E v_1 = 31/20 less 3/10 (low twice); then E v_2 = 61/40 less 9/40, plus 9/40 * 1/3; then 121/80 less 27/160, plus
# 27/160 * 5/9. EPIR, and {1, 2, 4}: exact certificates; adjacent misreports alone would give 4 there.
KNOWN = {
    "battaglini-1": (([1, 2], ["2/5", "3/5"], "3/4", 1), "1.2", "1.2"),
    "battaglini-2": (([1, 2], ["2/5", "3/5"], "3/4", 2), "2.45", "2.3"),
    "battaglini-3": (([1, 2], ["2/5", "3/5"], "3/4", 3), "153/40", "277/80"),
    "battaglini-4": (([1, 2], ["2/5", "3/5"], "3/4", 4), "5.2625", "4.6534722222222"),
    "three-types": (([1, 2, 4], ["1/4", "1/4", "1/2"], "7/10", 2), "157/40", "37/10"),
}


@pytest.mark.parametrize(("chain", "interim", "ex_post"), KNOWN.values(), ids=KNOWN)
def test_known_optima(chain, interim, ex_post):
    env = sticky(*chain)
    for ir, expected in ((mo.Interim(), interim), (mo.EPIR(), ex_post)):
        found = dual_optimum(env, ir=ir, target=1e-10)
        assert found.value == pytest.approx(float(Fraction(expected)), rel=1e-10)


@pytest.mark.parametrize("ir", CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_a_chain_without_memory_is_one_buyer_with_independent_types(ir):
    values, distribution = [1, 2, 4], ["3/10", "2/5", "3/10"]
    moving = mo.MarkovTypes([[[0, 0, 0], values]], [[distribution] * 3], [distribution], horizon=5)
    fresh = mo.mechanisms.promised_optimum(mo.IndependentTypes.iid(values, distribution, 5), ir, tolerance=1e-9)
    assert dual_optimum(moving, ir=ir, target=1e-9).value == pytest.approx(fresh.value, rel=3e-9)


def test_persistent_an_agent_may_be_worth_more_than_the_period():
    """Training in period 0 costs 1 and makes the value of the item 3 for sure instead of 0; it is sold in period 1."""
    idle, train = [[1, 0], [1, 0]], [[0, 1], [0, 1]]
    values = [[[0, 0], [0, 0]], [[0, 0], [0, 3]]]
    env = mo.MarkovTypes([values], [[[idle, train]]], [[1, 0]], cost=[0, 1], horizon=2)
    found = dual_optimum(env, target=1e-10)  # 3 - 1 for training - 1 for the sale, which costs as much as any action 1
    assert found.value == pytest.approx(1.0, abs=1e-9)
    assert found.mechanism.to_mechanism().revenue == pytest.approx(1.0, abs=1e-9)


CHAIN = sticky([1, 2, 4], ["1/4", "1/4", "1/2"], "7/10", 4)


@pytest.mark.parametrize("ir", CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_every_bracket_on_the_way_holds_the_optimum(ir):
    seen = []
    dual_optimum(CHAIN, ir=ir, target=1e-9, progress=lambda *now: seen.append(now))
    lower, upper, _ = np.array(seen).T
    expected = optimal_revenue(CHAIN, ir == mo.EPIR())
    assert len(seen) > 2
    assert (lower <= expected + 1e-9).all()
    assert (upper >= expected - 1e-9).all()


@pytest.mark.parametrize("ir", CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_an_interrupt_leaves_a_mechanism_that_is_incentive_compatible(ir):
    def interrupt(lower, upper, seconds):
        if lower > 0.2 * upper:
            raise KeyboardInterrupt

    found = dual_optimum(CHAIN, ir=ir, target=1e-9, progress=interrupt)
    assert found.status is Status.INTERRUPTED
    assert found.bound.lower <= optimal_revenue(CHAIN, ir == mo.EPIR()) <= found.bound.upper
    assert mo.verify(found.mechanism.to_mechanism(), [BayesianIC(), ir]).holds


@pytest.mark.parametrize(
    ("ir", "periods", "target"),
    [
        pytest.param(mo.Interim(), 20, 1e-5, id="interim-20"),
        pytest.param(mo.Interim(), 100, 1e-4, id="interim-100"),
        pytest.param(mo.EPIR(), 8, 5e-3, id="epir-8"),
        pytest.param(mo.EPIR(), 10, 1e-4, id="epir-10-fine", marks=pytest.mark.slow),
        pytest.param(mo.EPIR(), 20, 5e-3, id="epir-20", marks=pytest.mark.slow),
    ],
)
def test_long_horizons_reach_their_bracket_and_simulate(ir, periods, target):
    found = dual_optimum(sticky([1, 2, 4], ["1/4", "1/4", "1/2"], "7/10", periods), ir=ir, target=target)
    assert found.status is Status.OPTIMAL
    assert found.bound.upper - found.bound.lower <= 1.001 * target * found.bound.upper
    runs = found.mechanism.simulate(1, 4000)
    assert abs(runs.revenue - found.value) <= 5 * runs.revenue_error
    assert abs(runs.welfare - found.mechanism.welfare) <= 5 * runs.welfare_error
    assert abs(runs.utilities[0] - found.mechanism.utilities[0]) <= 5 * runs.utility_errors[0]


def test_interim_participation_holds_in_every_period_at_no_cost():
    tables = dual_optimum(CHAIN, ir=mo.Interim(), target=1e-9).mechanism.tables
    assert all((table.promise >= 0).all() for table in tables)


def test_a_separable_environment_is_its_markov_one():
    """Kakade et al.: an initial type of 1 or 2 multiplies a signal that moves; a contract is signed in period 0."""
    env = mo.SeparableTypes(
        initial_values=[[1, 2]],
        initial_probabilities=[["2/5", "3/5"]],
        base=[[[0, 0], [1, 3]]],
        signal_initial=[["1/2", "1/2"]],
        signal_kernel=[[["3/4", "1/4"], ["1/4", "3/4"]]],
        form="multiplicative",
        horizon=2,
    )
    found = dual_optimum(env, ir=mo.Interim(), target=1e-9)
    assert found.value == pytest.approx(optimal_revenue(env.to_markov(), ex_post=False), rel=1e-9)


def test_refuses_several_agents_constraints_of_independent_types_and_an_infinite_horizon():
    pair = mo.MarkovTypes(
        [[[0, 0], [1, 2]]] * 2, [[["1/2", "1/2"]] * 2] * 2, [["1/2", "1/2"]] * 2, horizon=2, actions=["no", "yes"]
    )
    with pytest.raises(mo.InputError, match="2 agents whose types persist"):
        dual_optimum(pair)
    with pytest.raises(mo.InputError, match="ic: is dic: dual dynamic programming takes bayesian") as refused:
        dual_optimum(CHAIN, ic=mo.DIC(), ir=mo.PPIR())
    assert len(refused.value.faults) == 2
    endless = mo.MarkovTypes([[[0, 0], [1, 2]]], [[["1/2", "1/2"]] * 2], [["1/2", "1/2"]], discount=0.9)
    with pytest.raises(mo.InputError, match="horizon"):
        dual_optimum(endless)
