"""Dual dynamic programming for several buyers, against linear programs that share only the environment with it."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.solve.dual.optimum import dual_optimum
from mechopt.solve.solution import Status

TWO, THREE = ([1, 3], ["3/5", "2/5"]), ([1, 2, 4], ["3/10", "2/5", "3/10"])


def distribution(rng, most):
    count = int(rng.integers(2, most + 1)) if rng.random() < 0.9 else 1
    values = np.sort(rng.choice(48, count, replace=False))
    weights = rng.integers(1, 9, count)
    if count == 3 and rng.random() < 0.3:
        weights[rng.integers(count)] = 0
    return [Fraction(int(v), 4) for v in values], [Fraction(int(w), int(weights.sum())) for w in weights]


def instance(number):
    """Two buyers, or one or three, with types by buyer and period; every third instance with identical buyers."""
    rng = np.random.default_rng([5, number])
    buyers = 1 if number % 10 == 9 else 3 if number % 4 == 1 else 2
    periods = 1 if number % 10 == 8 else int(rng.integers(2, 5 - (buyers == 3)))
    most = 3 if buyers * periods <= 6 else 2
    rows = [[distribution(rng, most) for _ in range(periods)] for _ in range(buyers)]
    if number % 3 == 0:
        rows = rows[:1] * buyers
    values, distributions = ([[pair[part] for pair in row] for row in rows] for part in (0, 1))
    cost = [Fraction(int(c), 4) for c in rng.integers(0, 12, periods)] if number % 2 else 0
    return mo.IndependentTypes(values, distributions, cost, ["1", "9/10", "1/2"][number % 3 if number % 2 else 0])


@pytest.mark.parametrize("block", range(4), ids=lambda block: f"instances {25 * block} to {25 * block + 24}")
def test_equals_the_linear_program_and_its_mechanism_is_verified(block):
    for number in range(25 * block, 25 * block + 25):
        env = instance(number)
        found, program = dual_optimum(env, target=1e-10), mo.optimum(env)
        slack = 1e-9 * max(1.0, program.value)
        assert found.status is Status.OPTIMAL, number
        assert found.bound.lower - slack <= program.value <= found.bound.upper + slack, number
        assert found.value == pytest.approx(program.value, abs=slack), number
        assert found.bound.upper == pytest.approx(program.value, abs=2 * slack), number
        mechanism = found.mechanism.to_mechanism()
        report = mo.verify(mechanism, [mo.DIC(), mo.EPIR()])
        assert report.holds, (number, report)
        assert mechanism.revenue == pytest.approx(found.value, abs=slack), number
        assert mechanism.utilities == pytest.approx(found.mechanism.utilities, abs=slack), number


@pytest.mark.parametrize("distribution", [TWO, THREE], ids=["two-types", "three-types"])
@pytest.mark.parametrize("buyers", [1, 2, 3])
def test_one_period_is_myersons_auction(distribution, buyers):
    found = dual_optimum(mo.IndependentTypes.iid(*distribution, horizon=1, agents=buyers), target=1e-10)
    assert found.value == pytest.approx(mo.mechanisms.myerson([distribution] * buyers).revenue, rel=1e-10)


# One buyer with values 1, 2 equally likely: by exact certificates, see tests/test_promised.py.
@pytest.mark.parametrize(("periods", "expected"), [(2, 9 / 4), (3, 7 / 2), (4, 153 / 32)])
def test_one_buyer_is_the_promised_utility_program(periods, expected):
    found = dual_optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], periods), target=1e-10)
    assert found.bound.lower <= expected <= found.bound.upper
    assert found.value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("gone", range(4), ids=["lowest", "second", "third", "highest"])
def test_a_type_of_probability_zero_is_content_with_an_option_of_the_others(gone):
    distribution = [Fraction(w, 6) for w in (1, 2, 3)]
    distribution.insert(gone, Fraction(0))
    other = [1, 3], ["3/5", "2/5"]
    env = mo.IndependentTypes([[[1, 2, 5, 6]] * 3, [other[0]] * 3], [[distribution] * 3, [other[1]] * 3])
    found = dual_optimum(env, target=1e-10)
    assert found.value == pytest.approx(mo.optimum(env).value, rel=1e-9)
    mechanism = found.mechanism.to_mechanism()
    assert mo.verify(mechanism, [mo.DIC(), mo.EPIR()]).holds
    assert mechanism.revenue == pytest.approx(found.value, rel=1e-9)


def test_names_of_buyers_and_the_unit_of_money_do_not_matter():
    env = instance(2)
    turned = mo.IndependentTypes(env.exact.values[::-1], env.exact.probabilities[::-1], env.exact.cost, env.discount)
    dear = [[[1000 * v for v in values] for values in row] for row in env.exact.values]
    scaled = mo.IndependentTypes(dear, env.exact.probabilities, [1000 * c for c in env.exact.cost], env.discount)
    value = dual_optimum(env, target=1e-10).value
    assert dual_optimum(turned, target=1e-10).value == pytest.approx(value, rel=1e-9)
    assert dual_optimum(scaled, target=1e-10).value == pytest.approx(1000 * value, rel=1e-9)


LONG = mo.IndependentTypes.iid(*THREE, horizon=3, agents=2)


def test_every_bracket_on_the_way_holds_the_optimum_and_closes():
    seen = []
    found = dual_optimum(LONG, target=1e-9, progress=lambda *now: seen.append(now))
    lower, upper, seconds = np.array(seen).T
    optimum = mo.optimum(LONG).value
    assert len(seen) > 5
    assert (lower <= optimum + 1e-9).all()
    assert (upper >= optimum - 1e-9).all()
    assert (np.diff(lower) >= 0).all()
    assert (np.diff(upper) <= 0).all()
    assert (np.diff(seconds) >= 0).all()
    assert found.bound.upper - found.bound.lower <= 1e-9 * found.bound.upper


@pytest.mark.parametrize("calls", [1, 2, 3, 5, 8])
def test_an_interrupt_leaves_a_bracket_and_a_mechanism_that_earns_its_lower_end(calls):
    count = 0

    def interrupt(lower, upper, seconds):
        nonlocal count
        count += 1
        if count == calls:
            raise KeyboardInterrupt

    found = dual_optimum(LONG, target=1e-9, progress=interrupt)
    assert found.status is Status.INTERRUPTED
    assert found.bound.lower <= mo.optimum(LONG).value <= found.bound.upper
    mechanism = found.mechanism.to_mechanism()
    assert mo.verify(mechanism, [mo.DIC(), mo.EPIR()]).holds
    assert mechanism.revenue == pytest.approx(found.value, rel=1e-9, abs=1e-9)
    assert found.value >= found.bound.lower


def test_a_time_limit_leaves_the_bracket_so_far():
    found = dual_optimum(LONG, target=1e-9, time_limit=0.0)
    assert found.status is Status.TIME_LIMIT
    assert found.bound.lower <= mo.optimum(LONG).value <= found.bound.upper


def test_runs_are_the_same():
    first, second = (dual_optimum(LONG, target=1e-6) for _ in range(2))
    assert first.bound == second.bound
    assert first.visits == second.visits


def test_simulation_of_a_long_horizon_agrees_with_the_exact_revenue():
    env = mo.IndependentTypes.iid(*TWO, horizon=14, agents=2)
    found = dual_optimum(env, target=0.02)
    runs = found.mechanism.simulate(1, 4000)
    assert abs(runs.revenue - found.value) <= 5 * runs.revenue_error
    assert abs(runs.welfare - found.mechanism.welfare) <= 5 * runs.welfare_error
    assert runs.utilities == pytest.approx(found.mechanism.utilities, abs=5 * max(runs.utility_errors))
    assert found.value == pytest.approx(found.mechanism.welfare - sum(found.mechanism.utilities), rel=1e-12)
    with pytest.raises(mo.errors.LimitError, match="too many histories"):
        found.mechanism.to_mechanism()


# Brackets that the search is to reach; benchmarks/cuts.py times them.
@pytest.mark.parametrize(
    ("distribution", "buyers", "periods", "target"),
    [
        pytest.param(THREE, 2, 5, 1e-3, id="two-buyers-three-types-five-periods"),
        pytest.param(THREE, 2, 5, 1e-4, id="two-buyers-three-types-five-periods-fine", marks=pytest.mark.slow),
        pytest.param(TWO, 3, 5, 1e-4, id="three-buyers-two-types-five-periods"),
        pytest.param(TWO, 2, 10, 1e-4, id="two-buyers-two-types-ten-periods", marks=pytest.mark.slow),
        pytest.param(THREE, 2, 10, 3e-3, id="two-buyers-three-types-ten-periods", marks=pytest.mark.slow),
    ],
)
def test_reaches_the_bracket(distribution, buyers, periods, target):
    env = mo.IndependentTypes.iid(*distribution, periods, agents=buyers)
    found = dual_optimum(env, target=target)
    assert found.status is Status.OPTIMAL
    assert found.bound.upper - found.bound.lower <= 1.001 * target * found.bound.upper
    assert mo.repeated_myerson(env).revenue < found.bound.upper < env.first_best


REFUSED = {
    "ic": (LONG, {"ic": mo.ExPostIC()}, "ic: is ex-post: dual dynamic programming takes dic"),
    "ir": (LONG, {"ir": mo.Interim()}, "ir: is interim: dual dynamic programming takes epir"),
    "target": (LONG, {"target": 0.0}, "target: is 0.0; it must be positive"),
}


@pytest.mark.parametrize(("env", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_it_does_not_solve(env, options, message):
    with pytest.raises(mo.InputError, match=message):
        dual_optimum(env, **options)


def test_refuses_too_many_profiles_with_what_is_known():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2, agents=10)
    with pytest.raises(mo.errors.LimitError, match="1024 profiles") as refused:
        dual_optimum(env)
    assert refused.value.upper == env.first_best
