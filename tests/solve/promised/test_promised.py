"""The promised-utility dynamic program against the linear programs, which share nothing with it but the environment."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.solve.promised.optimum import promised_optimum
from mechopt.solve.solution import Status


@pytest.fixture(params=["numpy", "numba"])
def kernel(request, monkeypatch):
    """Both ways to pivot."""
    monkeypatch.setattr("mechopt.solve.promised.kernels.compiled", lambda: request.param == "numba")
    monkeypatch.setattr("mechopt.solve.promised.optimum.WORTH_COMPILING", 0.0)
    return request.param


def regular(values, distribution):
    """Virtual values v_k - (v_(k+1) - v_k) P(above k) / P(k) do not fall."""
    above = 1 - np.cumsum(distribution)
    virtual = np.append(values[:-1] - np.diff(values) * above[:-1] / distribution[:-1], values[-1])
    return bool((np.diff(virtual) >= 0).all())


def drawn(rng, types, wanted):
    """A distribution on multiples of 1/100, regular or not as wanted; fewer than three types are what they are."""
    while True:
        values = np.sort(rng.choice(2000, types, replace=False)) / 100
        weights = rng.integers(1, 100, types) ** rng.integers(1, 3)
        if types < 3 or regular(values, weights / weights.sum()) == wanted:
            distribution = [Fraction(int(w), int(weights.sum())) for w in weights]
            return [Fraction(round(100 * v), 100) for v in values], distribution


def instance(number, most_histories, extras=False):
    """Random instance; half irregular. ``extras``: costs, a discount and types of probability zero."""
    rng = np.random.default_rng([7, number])
    while True:
        types = rng.integers(1, 6, rng.integers(1, 6))
        if 1 < np.prod(types) <= most_histories and (number % 2 == 0 or types.max() > 2):
            break
    rows = [drawn(rng, k, number % 2 == 0) for k in types]
    values, distribution = ([list(pair[part]) for pair in rows] for part in (0, 1))
    if not extras:
        return mo.IndependentTypes([values], [distribution])
    for row in distribution:
        if len(row) > 1 and rng.random() < 0.4:
            gone = rng.integers(len(row))
            row[gone - 1], row[gone] = row[gone - 1] + row[gone], Fraction(0)
    cost = [Fraction(int(c), 10) for c in rng.integers(0, 120, len(types))]
    return mo.IndependentTypes([values], [distribution], cost, ["1", "9/10", "1/2"][number % 3])


def agrees(found, program):
    """Both brackets hold one number, and ours is closed to 1e-9."""
    slack = 1e-9 * max(1.0, program.bound.upper)
    assert found.status is Status.OPTIMAL
    assert found.bound.lower <= program.bound.upper + slack
    assert found.bound.upper >= program.bound.lower - slack
    assert found.value == pytest.approx(program.value, rel=1e-9, abs=1e-9)
    assert found.bound.upper == pytest.approx(program.value, rel=2e-9, abs=1e-9)


@pytest.mark.parametrize("block", range(10), ids=lambda block: f"instances {30 * block} to {30 * block + 29}")
def test_equals_the_linear_program_on_300_instances(block, kernel):
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


def test_interim_participation_is_sold_in_advance():
    """Then the first period is Myerson's, max(1 * 1, 2 * 0.7, 4 * 0.3) = 1.4, and each later one is worth 2.3."""
    env = mo.IndependentTypes.iid(*LAWS["three values"], 100)
    found = mo.optimum(env, ir=mo.Interim(), method="promised")
    assert found.status is Status.OPTIMAL
    assert found.value == pytest.approx(1.4 + 99 * 2.3, rel=1e-12)
    assert found.bound.lower <= 1.4 + 99 * 2.3 <= found.bound.upper <= (1 + 1e-9) * found.value
    short = mo.IndependentTypes.iid(*LAWS["three values"], 4)
    assert mo.optimum(short, ir=mo.Interim()).value == pytest.approx(1.4 + 3 * 2.3, rel=1e-9)


def test_values_above_cost_are_all_that_matters():
    """The reduction of costs, on both sides by the linear program, which knows costs of its own accord."""
    values, distribution, cost = ["1", "2", "4", "7"], ["1/10", "2/10", "3/10", "4/10"], 3
    env = mo.IndependentTypes.iid(values, distribution, 3, cost=cost)
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


@pytest.mark.parametrize("distribution", LAWS.values(), ids=LAWS)
def test_ten_periods_within_a_millionth(distribution):
    env = mo.IndependentTypes.iid(*distribution, 10)
    found = promised_optimum(env)
    assert found.status is Status.OPTIMAL
    assert found.bound.upper - found.bound.lower <= 1e-6 * found.value
    finer = promised_optimum(env, tolerance=1e-8)
    assert found.bound.lower <= finer.bound.upper
    assert finer.bound.lower <= found.bound.upper
    assert finer.bound.upper - finer.bound.lower <= 1e-8 * finer.value


@pytest.mark.parametrize("periods", [30, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("distribution", LAWS.values(), ids=LAWS)
def test_many_periods_within_a_millionth(distribution, periods):
    found = promised_optimum(mo.IndependentTypes.iid(*distribution, periods))
    assert found.bound.upper - found.bound.lower <= 1e-6 * found.value
    assert found.mechanism.revenue == pytest.approx(found.bound.lower, rel=1e-9)


@pytest.mark.parametrize("distribution", LAWS.values(), ids=LAWS)
def test_the_policy_earns_the_lower_bound(distribution):
    env = mo.IndependentTypes.iid(*distribution, 12)
    found = promised_optimum(env, tolerance=1e-4)
    policy = found.mechanism
    assert policy.revenue == pytest.approx(found.bound.lower, rel=1e-9)
    for table, after in zip(policy.tables, [*policy.tables[1:], None], strict=True):
        kept = table.next_promises @ np.array([float(Fraction(p)) for p in distribution[1]])
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
    """It satisfies its constraints, earns at least the lower bound, and the buyer's realised utility is her promise."""
    env = mo.IndependentTypes.iid(*LAWS["three values"], 6)
    found = promised_optimum(env, tolerance=tolerance)
    mechanism = found.mechanism.to_mechanism()
    assert mo.verify(mechanism, [mo.DIC(), mo.EPIR(), mo.PFIR(), mo.PPIC(), mo.INDU()]).holds
    assert found.bound.lower - 1e-9 <= mechanism.revenue <= found.bound.upper + 1e-9
    distribution = env.probabilities[0][0]
    for t in range(1, env.horizon):
        balance, after = mechanism.realised[t][0], mechanism.realised[t + 1][0].reshape(-1, 3)
        np.testing.assert_allclose(after @ distribution, balance, atol=1e-9)


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


def stopped_after(progress_calls):
    """A clock that jumps by an hour once progress was told so many times; and the progress to give."""
    calls = []
    return calls, lambda: 3600.0 if len(calls) >= progress_calls else 0.0


# A level of 15 periods tells 15 times: the limit falls before the first period, inside the first level, after it.
@pytest.mark.parametrize("calls", [0, 7, 16], ids=["at once", "in the first level", "in the second level"])
@pytest.mark.parametrize("way", ["time limit", "interrupt"])
def test_stopped_at_any_time_it_leaves_a_bracket(calls, way, monkeypatch):
    env = mo.IndependentTypes.iid(*LAWS["three values"], 15)
    told, clock = stopped_after(calls + 1)

    def progress(slopes, seconds):
        told.append(slopes)
        if way == "interrupt" and len(told) > calls:
            raise KeyboardInterrupt

    if way == "time limit":
        monkeypatch.setattr("mechopt.solve.promised.optimum.time.perf_counter", clock)
    found = promised_optimum(env, tolerance=1e-11, time_limit=60.0 if way == "time limit" else None, progress=progress)
    assert found.status is (Status.TIME_LIMIT if way == "time limit" else Status.INTERRUPTED)
    assert len(told) in (calls + 1, calls + 2)
    better = promised_optimum(env, tolerance=1e-6)
    assert found.bound.lower <= better.bound.upper
    assert better.bound.lower <= found.bound.upper
    assert found.value == found.mechanism.revenue == pytest.approx(found.bound.lower, rel=1e-9)
    if calls < 15:
        assert (found.bound.lower, found.bound.upper) == (0, pytest.approx(env.first_best))
    else:
        assert found.bound.lower < found.bound.upper < 1.01 * found.bound.lower


def test_a_limit_on_slopes_leaves_a_fine_bracket(monkeypatch):
    env = mo.IndependentTypes.iid(*LAWS["three values"], 15)
    monkeypatch.setattr("mechopt.solve.promised.optimum.MAX_SLOPES", 6000)
    found = promised_optimum(env, tolerance=1e-12)
    assert found.status is Status.INACCURATE
    assert found.slopes < 12_000
    assert found.bound.lower < found.bound.upper < (1 + 1e-4) * found.bound.lower


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"environment": mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 1, agents=2)}, "2 buyers"),
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
    with pytest.raises(mo.errors.LimitError, match="histories"):
        found.mechanism.to_mechanism()
    with pytest.raises(mo.InputError, match="runs"):
        found.mechanism.simulate(0, 1)


def test_numpy_and_numba_give_the_same_brackets(monkeypatch):
    rng = np.random.default_rng(11)
    for distribution in (*LAWS.values(), drawn(rng, 5, wanted=False)):
        env = mo.IndependentTypes.iid(*distribution, 12)
        found = []
        for compiled in (False, True):
            monkeypatch.setattr("mechopt.solve.promised.kernels.compiled", lambda compiled=compiled: compiled)
            monkeypatch.setattr("mechopt.solve.promised.optimum.WORTH_COMPILING", 0.0)
            found.append(promised_optimum(env, tolerance=1e-7))
        lockstep, one_by_one = found
        assert lockstep.status is one_by_one.status is Status.OPTIMAL
        assert one_by_one.bound.lower == pytest.approx(lockstep.bound.lower, rel=2e-7)
        assert one_by_one.bound.upper == pytest.approx(lockstep.bound.upper, rel=2e-7)
        assert max(lockstep.bound.lower, one_by_one.bound.lower) <= min(lockstep.bound.upper, one_by_one.bound.upper)


@pytest.mark.filterwarnings("ignore:values or probabilities differ")
def test_a_first_period_of_small_change_beside_a_large_one_that_is_paid_in_advance():
    """Under interim participation only the slope 1 of the first period is computed: there is nothing to refine.

    By hand: the later item is sold and paid for in advance, 8000000.0004; the first one at 9/10000 to those above.
    """
    below, above = Fraction(500, 500000000503), Fraction(3, 500000000503)
    env = mo.IndependentTypes(
        [[["1/2000", "9/10000", "33/35000"], ["20000000001/2500"]]], [[[below, 1 - below - above, above], [1]]]
    )
    found = mo.optimum(env, mo.DIC(), mo.Interim(), method="promised", accept_range=True)
    best = Fraction(20000000001, 2500) + Fraction(9, 10000) * (1 - below)
    assert Fraction(found.bound.lower) <= best <= Fraction(found.bound.upper)
    assert found.status == "optimal"
