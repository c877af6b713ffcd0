"""The promised-utility dynamic program against the linear programs, which share nothing with it but the environment."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.solve.concave import Concave, hull
from mechopt.solve.promised import promised_optimum
from mechopt.solve.solution import Status
from mechopt.solve.stage_lottery import PriceStage, attained, best_responses, certified


def regular(values, law):
    """Virtual values v_k - (v_(k+1) - v_k) P(above k) / P(k) do not fall."""
    above = 1 - np.cumsum(law)
    virtual = np.append(values[:-1] - np.diff(values) * above[:-1] / law[:-1], values[-1])
    return bool((np.diff(virtual) >= 0).all())


def drawn(rng, types, wanted):
    """A distribution on multiples of 1/100, regular or not as wanted; fewer than three types are what they are."""
    while True:
        values = np.sort(rng.choice(2000, types, replace=False)) / 100
        weights = rng.integers(1, 100, types) ** rng.integers(1, 3)
        if types < 3 or regular(values, weights / weights.sum()) == wanted:
            law = [Fraction(int(w), int(weights.sum())) for w in weights]
            return [Fraction(round(100 * v), 100) for v in values], law


def instance(number, most_histories, extras=False):
    """Random instance; half irregular. ``extras``: costs, a discount and types of probability zero."""
    rng = np.random.default_rng([7, number])
    while True:
        types = rng.integers(1, 6, rng.integers(1, 6))
        if 1 < np.prod(types) <= most_histories and (number % 2 == 0 or types.max() > 2):
            break
    rows = [drawn(rng, k, number % 2 == 0) for k in types]
    values, law = ([list(pair[part]) for pair in rows] for part in (0, 1))
    if not extras:
        return mo.IndependentTypes([values], [law])
    for row in law:
        if len(row) > 1 and rng.random() < 0.4:
            gone = rng.integers(len(row))
            row[gone - 1], row[gone] = row[gone - 1] + row[gone], Fraction(0)
    cost = [Fraction(int(c), 10) for c in rng.integers(0, 120, len(types))]
    return mo.IndependentTypes([values], [law], cost, ["1", "9/10", "1/2"][number % 3])


def agrees(found, program):
    """Both brackets hold one number, and ours is closed to 1e-9."""
    slack = 1e-9 * max(1.0, program.bound.upper)
    assert found.status is Status.OPTIMAL
    assert found.bound.lower <= program.bound.upper + slack
    assert found.bound.upper >= program.bound.lower - slack
    assert found.value == pytest.approx(program.value, rel=1e-9, abs=1e-9)
    assert found.bound.upper == pytest.approx(program.value, rel=2e-9, abs=1e-9)


@pytest.mark.parametrize("block", range(10), ids=lambda block: f"instances {30 * block} to {30 * block + 29}")
def test_equals_the_linear_program_on_300_instances(block):
    for number in range(30 * block, 30 * block + 30):
        env = instance(number, most_histories=1500)
        agrees(promised_optimum(env, tolerance=1e-9), mo.optimum(env))


@pytest.mark.parametrize("ir", [mo.EPIR(), mo.Interim()], ids=["epir", "interim"])
def test_costs_discount_and_impossible_types_equal_the_linear_program(ir):
    for number in range(30):
        env = instance(number, most_histories=100, extras=True)
        found = promised_optimum(env, ir, tolerance=1e-9)
        agrees(found, mo.optimum(env, ir=ir))
        mechanism = found.mechanism.to_mechanism()
        report = mo.verify(mechanism, [mo.DIC(), ir])
        assert report.holds, (number, report)
        assert mechanism.revenue == pytest.approx(found.value, rel=1e-9, abs=1e-9)


def test_values_above_cost_are_all_that_matters():
    """The reduction of costs, on both sides by the linear program, which knows costs of its own accord."""
    values, law, cost = ["1", "2", "4", "7"], ["1/10", "2/10", "3/10", "4/10"], 3
    env = mo.IndependentTypes.iid(values, law, 3, cost=cost)
    net = mo.IndependentTypes.iid([0, 1, 4], ["3/10", "3/10", "4/10"], 3)
    assert mo.optimum(env).value == pytest.approx(mo.optimum(net).value, rel=1e-9)
    agrees(promised_optimum(env, tolerance=1e-9), mo.optimum(env))


# Exact, by the recursion in fractions of tests/papers/test_promised_utility.py: two values 1, 2 equally likely.
@pytest.mark.parametrize(
    ("periods", "expected"),
    [(1, "1"), (2, "9/4"), (3, "7/2"), (4, "153/32"), (5, "779/128"), (6, "947/128"), (8, "20587/2048")],
    ids=lambda entry: f"{entry} periods" if isinstance(entry, int) else "",
)
def test_two_values_equally_likely(periods, expected):
    found = promised_optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], periods), tolerance=1e-10)
    assert found.value == pytest.approx(float(Fraction(expected)), rel=1e-10)
    assert found.bound.lower <= Fraction(expected) <= found.bound.upper


LAWS = {
    "two values": ([1, 3], ["0.6", "0.4"]),
    "three values": ([1, 2, 4], ["0.3", "0.4", "0.3"]),
    "five values": ([1, 2, 3, 4, 5], ["1/5"] * 5),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_ten_periods_within_a_millionth(law):
    env = mo.IndependentTypes.iid(*law, 10)
    found = promised_optimum(env)
    assert found.status is Status.OPTIMAL
    assert found.bound.upper - found.bound.lower <= 1e-6 * found.value
    finer = promised_optimum(env, tolerance=1e-8)
    assert found.bound.lower <= finer.bound.upper
    assert finer.bound.lower <= found.bound.upper
    assert finer.bound.upper - finer.bound.lower <= 1e-8 * finer.value


@pytest.mark.parametrize("periods", [30, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_many_periods_within_a_millionth(law, periods):
    found = promised_optimum(mo.IndependentTypes.iid(*law, periods))
    assert found.bound.upper - found.bound.lower <= 1e-6 * found.value
    assert found.mechanism.revenue == pytest.approx(found.bound.lower, rel=1e-9)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_the_policy_earns_the_lower_bound(law):
    env = mo.IndependentTypes.iid(*law, 12)
    found = promised_optimum(env, tolerance=1e-4)
    policy = found.mechanism
    assert policy.revenue == pytest.approx(found.bound.lower, rel=1e-9)
    for table, after in zip(policy.tables, [*policy.tables[1:], None], strict=True):
        kept = table.next_promises @ np.array([float(Fraction(p)) for p in law[1]])
        np.testing.assert_allclose(kept, table.promises, atol=1e-9)
        assert table.next_promises.min() >= 0
        assert table.allocation.min() >= 0
        assert (np.diff(table.allocation, axis=1) >= 0).all()
        assert after is None or after.promises[0] == 0
    for mass in policy.distribution:
        assert mass.sum() == pytest.approx(1, abs=1e-12)
    simulated = policy.simulate(1, 20_000)
    assert abs(simulated.revenue - policy.revenue) < 5 * simulated.revenue_error
    assert abs(simulated.utilities[0] - policy.promise) < 5 * simulated.utility_errors[0]
    assert simulated.welfare == pytest.approx(simulated.revenue + simulated.utilities[0])


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6], ids=["coarse", "fine"])
def test_unrolled_mechanism_is_a_bank_account(tolerance):
    """It keeps its notions, earns at least the lower bound, and the buyer's realised utility is her promise."""
    env = mo.IndependentTypes.iid(*LAWS["three values"], 6)
    found = promised_optimum(env, tolerance=tolerance)
    mechanism = found.mechanism.to_mechanism()
    assert mo.verify(mechanism, [mo.DIC(), mo.EPIR(), mo.PFIR(), mo.PPIC(), mo.INDU()]).holds
    assert found.bound.lower - 1e-9 <= mechanism.revenue <= found.bound.upper + 1e-9
    law = env.probabilities[0][0]
    for t in range(1, env.periods):
        balance, after = mechanism.realised[t][0], mechanism.realised[t + 1][0].reshape(-1, 3)
        np.testing.assert_allclose(after @ law, balance, atol=1e-9)


def test_equal_types_and_money():
    """Splitting a type's probability changes nothing; money scales."""
    env = mo.IndependentTypes.iid([1, 2, 4], ["0.3", "0.4", "0.3"], 4)
    base = promised_optimum(env, tolerance=1e-9).value
    large = mo.IndependentTypes.iid([1000, 2000, 4000], ["0.3", "0.4", "0.3"], 4)
    assert promised_optimum(large, tolerance=1e-9).value == pytest.approx(1000 * base, rel=1e-9)
    padded = mo.IndependentTypes.iid([1, "3/2", 2, 4, 9], ["0.3", 0, "0.4", "0.3", 0], 4)
    assert promised_optimum(padded, tolerance=1e-9).value == pytest.approx(base, rel=1e-9)


def test_a_discount_is_a_scale_by_period():
    env = mo.IndependentTypes.iid([1, 3], ["0.6", "0.4"], 3, discount="1/2")
    scaled = mo.IndependentTypes([[[1, 3], ["1/2", "3/2"], ["1/4", "3/4"]]], [[["0.6", "0.4"]] * 3])
    assert promised_optimum(env, tolerance=1e-9).value == pytest.approx(promised_optimum(scaled).value, rel=1e-6)


EDGES = {
    "one type": (([2], [1], 5), 10.0),
    "worthless": (([0], [1], 3), 0.0),
    "worthless or not": (([0, 1], ["1/2", "1/2"], 3), 1.5),
    "one period": (([1, 2], ["1/2", "1/2"], 1), 1.0),
}


@pytest.mark.parametrize(("arguments", "expected"), EDGES.values(), ids=EDGES)
def test_edges(arguments, expected):
    """A type worth 0 leaves no rent to the other; one period is Myerson's 1 = 1 * 1 = 2 * 1/2."""
    found = promised_optimum(mo.IndependentTypes.iid(*arguments))
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.bound.lower <= expected <= found.bound.upper
    assert mo.verify(found.mechanism.to_mechanism(), [mo.DIC(), mo.EPIR()]).holds


def test_costs_above_all_values():
    found = promised_optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 3, cost=5))
    assert (found.value, found.bound.lower, found.bound.upper) == (0, 0, 0)
    assert found.mechanism.welfare == 0


def test_a_strong_discount():
    """The last periods are worth nothing in floating point, and nothing breaks."""
    found = promised_optimum(mo.IndependentTypes.iid([1, 2, 4], ["0.3", "0.4", "0.3"], 200, discount="1/100"))
    short = promised_optimum(mo.IndependentTypes.iid([1, 2, 4], ["0.3", "0.4", "0.3"], 4, discount="1/100"))
    assert found.status is Status.OPTIMAL
    assert found.value == pytest.approx(short.value, rel=1e-6)


def test_a_time_limit_leaves_a_bracket():
    env = mo.IndependentTypes.iid(*LAWS["three values"], 15)
    calls = []
    found = promised_optimum(env, tolerance=1e-9, time_limit=1e-9, progress=lambda *at: calls.append(at))
    assert found.status is Status.TIME_LIMIT
    assert found.bound.lower < found.bound.upper < 1.01 * found.bound.lower
    assert calls[-1][0] == found.slopes > 0
    better = promised_optimum(env, tolerance=1e-6)
    assert found.bound.lower <= better.bound.upper
    assert better.bound.lower <= found.bound.upper


def test_a_limit_on_slopes_leaves_a_fine_bracket(monkeypatch):
    env = mo.IndependentTypes.iid(*LAWS["three values"], 15)
    monkeypatch.setattr("mechopt.solve.promised.MAX_SLOPES", 6000)
    found = promised_optimum(env, tolerance=1e-12)
    assert found.status is Status.INACCURATE
    assert found.slopes < 12_000
    assert found.bound.lower < found.bound.upper < (1 + 1e-4) * found.bound.lower


def test_an_interrupt_leaves_a_bracket():
    env = mo.IndependentTypes.iid(*LAWS["three values"], 15)

    def interrupt(slopes, seconds):
        if slopes > 3000:
            raise KeyboardInterrupt

    found = promised_optimum(env, tolerance=1e-11, progress=interrupt)
    assert found.status is Status.INTERRUPTED
    assert found.bound.lower < found.bound.upper < 1.01 * found.bound.lower


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"environment": mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 1, buyers=2)}, "2 buyers"),
        ({"ir": mo.PPIR()}, "participation per-period"),
        ({"tolerance": 0.0}, "tolerance is 0"),
    ],
    ids=["two buyers", "other participation", "no tolerance"],
)
def test_refuses(arguments, message):
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 1)
    with pytest.raises(mo.InputError, match=message):
        promised_optimum(**{"environment": env, **arguments})


def test_too_many_histories_to_write_out():
    found = promised_optimum(mo.IndependentTypes.iid([1, 3], ["0.6", "0.4"], 40), tolerance=1e-2)
    with pytest.raises(mo.LimitError, match="histories"):
        found.mechanism.to_mechanism()
    with pytest.raises(mo.InputError, match="runs"):
        found.mechanism.simulate(0, 1)


STAGE = PriceStage(
    np.array([0.2, 0.5, 0.3]), np.array([2.5, 2.3, 1.2]), np.array([[0.0, 0, 0], [1, 0, 0], [3, 2, 0]])
)  # values 1, 2, 4: E theta = 0.2 + 1 + 1.2, sold to the upper two 2.2, to the highest 1.2
AFTER = Concave(np.array([0.0, 1.0, 2.5]), np.array([0.0, 1.5, 2.0]), np.array([1.5, 1 / 3, 0.0]))


@pytest.mark.parametrize("slope", [0.2, 1 / 3, 0.9, 1.6, 4.0])
def test_best_response_beats_a_grid(slope):
    """The optimiser is no worse than any point of a fine grid, and its multipliers prove it."""
    found = best_responses(STAGE, AFTER, np.array([slope]))
    w, height = attained(STAGE, AFTER, found.lowest, found.lottery)
    net = float(height[0] - slope * w[0])
    grid = np.linspace(0, 1, 21)
    lotteries = np.array([(a, b, 1 - a - b) for a, b in itertools.product(grid, grid) if a + b <= 1 + 1e-12])
    for lowest in np.linspace(0, 3, 31):
        w, height = attained(STAGE, AFTER, np.full(len(lotteries), lowest), lotteries)
        assert (height - slope * w).max() <= net + 1e-12
    points = np.linspace(0, 4, 4001)
    conjugates = np.array([[(AFTER(points) - m * points).max() for m in found.multipliers[0]]])
    assert certified(STAGE, conjugates, np.array([slope]), found.multipliers)[0] == pytest.approx(net, abs=1e-12)


@pytest.mark.parametrize("pivots", [0, 1, 2])
def test_an_optimiser_that_stops_early_still_bounds(pivots):
    slopes = np.linspace(0.05, 4.0, 80)
    found = best_responses(STAGE, AFTER, slopes, pivots=pivots)
    assert not found.settled.all()
    assert (found.lowest >= 0).all()
    assert (found.lottery >= 0).all()
    np.testing.assert_allclose(found.lottery.sum(axis=1), 1)
    assert (found.multipliers >= 0).all()
    assert (found.multipliers @ STAGE.probabilities <= slopes * (1 + 1e-15)).all()
    points = np.linspace(0, 4, 4001)
    conjugates = (AFTER(points) - found.multipliers[..., None] * points).max(axis=-1)
    best = best_responses(STAGE, AFTER, slopes)
    w, height = attained(STAGE, AFTER, best.lowest, best.lottery)
    assert best.settled.all()
    assert (certified(STAGE, conjugates, slopes, found.multipliers) >= height - slopes * w - 1e-12).all()
    early_w, early_height = attained(STAGE, AFTER, found.lowest, found.lottery)
    assert (early_height - slopes * early_w <= height - slopes * w + 1e-12).all()


def test_any_multipliers_bound_and_any_point_is_attained():
    """The certificate needs no optimiser: random multipliers stay above random points."""
    rng = np.random.default_rng(3)
    lowest, lottery = rng.exponential(1, 300), rng.dirichlet(np.ones(3), 300)
    w, height = attained(STAGE, AFTER, lowest, lottery)
    points = np.linspace(0, 4, 4001)
    for _ in range(50):
        multipliers, slope = rng.exponential(0.7, 3), rng.exponential(1.0)
        multipliers *= min(1.0, slope / (STAGE.probabilities @ multipliers))
        conjugates = np.array([[(AFTER(points) - m * points).max() for m in multipliers]])
        bound = certified(STAGE, conjugates, np.array([slope]), multipliers[None])[0]
        assert (height <= bound + slope * w + 1e-12).all()


def test_hull_of_random_points_lies_above_them():
    rng = np.random.default_rng(5)
    w, heights = np.sort(np.append(0.0, rng.random(200))), rng.random(201)
    heights[[0, -1]] = 0.0, 2.0
    corners, function = hull(w, heights)
    assert (function(w) >= heights - 1e-12).all()
    assert (np.diff(function.slopes) < 0).all()
    np.testing.assert_array_equal(function(w[corners]), heights[corners])
