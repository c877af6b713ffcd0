"""Bank tables: every row's gains, what their rounding is a share of, and earnings, by loops from the definition."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import LimitError
from mechopt.mechanism.bank_table import BankPeriod, BankTable
from mechopt.verification import bank_table as checked
from mechopt.verification import exact as limits
from mechopt.verification.bank_table import BankTableReport, RowCounterexample, verify_bank_table
from mechopt.verification.exact_bank_table import exact_conditions
from mechopt.verification.rounding import Precision, Status
from tests.verification import cases

U = 2.0**-53


def table(seed):
    """Any numbers: coins that are certain and coins that are not, in three periods of 1, 3 and 2 rows."""
    rng = np.random.default_rng(seed)
    chances = [cases.weights(rng, 3) for _ in range(3)]
    values, costs = [[[1, 2, 4], [0, 3, 5], [2, 6, 7]]], ["1/2", "1/4", "1/3"]
    env = mo.IndependentTypes(values, [chances], costs, "9/10")
    rows, periods = [1, 3, 2], []
    for t, count in enumerate(rows):
        last = t == 2
        after = np.zeros((count, 3), int) if last else rng.integers(0, rows[t + 1], (count, 3))
        share = np.zeros((count, 3)) if last else rng.choice([0.0, 0.25, 1.0], (count, 3))
        if not last:
            share[after == rows[t + 1] - 1] = 0.0
        balances = np.sort(20 * rng.random(count)) if t else np.zeros(1)
        periods.append(BankPeriod(balances, rng.random((count, 3)), rng.normal(size=(count, 3)), after, share))
    return BankTable(env, periods)


def by_loops(one, t, absolute=False):
    """Gains by row, type and report; or the sums of absolute values."""
    env, period = one.environment, one.periods[t]
    sign = 1 if absolute else -1
    size = abs if absolute else float
    following = one.periods[t + 1].balances if t < 2 else np.zeros(1)
    value = [env.present_value[t] * v for v in env.values[0][t]]

    def pays(row, k, j):
        return size(value[k]) * size(period.allocation[row, j]) + sign * size(period.payment[row, j])

    found = {"IC": {}, "BI": {}, "BU": {}}
    rows, types = range(len(period.balances)), range(3)
    mean = [sum(p * pays(row, k, k) for k, p in enumerate(env.probabilities[0][t])) for row in rows]
    for row in rows:
        if absolute:
            found["BI"][row, 0, 0] = mean[row] + max(mean)
        else:
            found["BI"][row, 0, 0] = max(mean[row] - min(mean), -mean[row])
        for k in types:
            for j in types:
                found["IC"][row, k, j] = pays(row, k, j) + sign * pays(row, k, k)
            share, low = period.share[row, k], following[period.after[row, k]]
            high = following[period.after[row, k] + 1] if share > 0 else 0.0
            outcomes = ([low] if share < 1 else []) + ([high] if share > 0 else [])
            beyond = (1 - share) * low + share * high + sign * (period.balances[row] + pays(row, k, k))
            found["BU"][row, k, 0] = max(beyond, *(sign * outcome for outcome in outcomes))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_every_gain_and_every_size_by_loops(seed):
    one = table(seed)
    env = one.environment
    for t, period in enumerate(one.periods):
        distribution, after = env.probabilities[0][t], one.periods[t + 1].balances if t < 2 else np.zeros(1)
        value = env.present_value[t] * env.values[0][t]
        for plus, absolute in ((1, False), (-1, True)):
            found, wanted = checked._gains(period, value, distribution, after, plus), by_loops(one, t, absolute)
            for name in ("IC", "BI", "BU"):
                assert {place: found[name][place] for place in np.ndindex(found[name].shape)} == pytest.approx(
                    wanted[name], abs=1e-13
                ), (t, name)


@pytest.mark.parametrize("seed", range(6))
def test_the_worst_row_is_named_in_floats_and_in_fractions(seed):
    one = table(seed)
    for exact in (False, True):
        report = verify_bank_table(one, exact)
        assert not report.holds and set(report.statuses.values()) <= {Status.VIOLATED, Status.SATISFIED}
        every = {name: {} for name in ("IC", "BI", "BU")}
        for t in range(3):
            for name, gains in by_loops(one, t).items():
                every[name] |= {(t, *place): gain for place, gain in gains.items()}
        for name, gains in every.items():
            assert report.gains[name] == pytest.approx(max(0.0, *gains.values()), abs=1e-12)
        for found in report.counterexamples:
            place = found.period, found.row, found.true_type or 0, found.report or 0
            assert every[found.condition][place] == pytest.approx(report.gains[found.condition], abs=1e-12)
            assert found.balance == one.periods[found.period].balances[found.row]
            assert (found.true_type is None, found.report is None) == (found.condition == "BI", found.condition != "IC")


@pytest.mark.parametrize("seed", range(3))
def test_earnings_by_loops(seed):
    one = table(seed)
    env, revenue, welfare = one.environment, 0.0, 0.0
    chance = {0: 1.0}
    for t, period in enumerate(one.periods):
        worth, following = env.present_value[t], {}
        for row, weight in chance.items():
            for k, p in enumerate(env.probabilities[0][t]):
                cost = worth * env.cost[t] * period.allocation[row, k]
                revenue += weight * p * (period.payment[row, k] - cost)
                welfare += weight * p * (worth * env.values[0][t][k] * period.allocation[row, k] - cost)
                share, to = period.share[row, k], int(period.after[row, k])
                following[to] = following.get(to, 0.0) + weight * p * (1 - share)
                following[to + 1] = following.get(to + 1, 0.0) + weight * p * share
        chance = {row: weight for row, weight in following.items() if weight}
    report = verify_bank_table(one)
    earned = report.revenue, report.welfare, report.utility
    assert earned == pytest.approx((revenue, welfare, welfare - revenue), abs=1e-12)


def test_rounding_is_counted():
    """3 types, 3 periods and 16; the largest of payments, balances and values."""
    one = table(0)
    period, env = one.periods[0], one.environment
    paid = np.zeros((1, 3))
    paid[0, 1] = -9.0
    first = BankPeriod(period.balances, period.allocation, paid, period.after, period.share)
    for number, largest in ((first, 9.0), (BankPeriod([0], [[0, 0, 0]], [[1, 0, 1]], [[0] * 3], [[0.0] * 3]), 7.0)):
        changed = BankTable(env, [number, *one.periods[1:]])
        report = verify_bank_table(changed)
        worst = next(f for f in report.counterexamples if f.condition == "IC")
        sizes = by_loops(changed, worst.period, True)["IC"]
        bound = Precision.of(3 + 3 + 16, largest).bound(np.array(sizes[worst.row, worst.true_type, worst.report]))
        assert report.roundings["IC"] == pytest.approx(float(bound), rel=1e-12, abs=0)
    nothing = BankTable(
        mo.IndependentTypes([[[0, 0.5]] * 3], [[["1/2", "1/2"]] * 3]),
        [BankPeriod([0], [[0, 0]], [[0, 0]], [[0, 0]], [[0, 0]])] * 3,
    )
    assert verify_bank_table(nothing).roundings["BU"] == verify_bank_table(nothing).roundings["IC"]
    smallest = np.finfo(float).tiny
    assert verify_bank_table(nothing).roundings["IC"] == pytest.approx((2 + 3 + 16) * smallest * 1.5, rel=1e-12, abs=0)


@pytest.mark.parametrize(("paid", "balance", "largest"), [(-9.0, 1.0, 9.0), (1.0, 30.0, 30.0), (1.0, 1.0, 7.0)])
def test_the_largest_number_is_looked_for_everywhere(paid, balance, largest, monkeypatch):
    asked = []

    class Recorded:
        @staticmethod
        def of(*given):
            asked.append(given)
            return Precision.of(*given)

    monkeypatch.setattr(checked, "Precision", Recorded)
    one = table(0)
    nothing = np.zeros((1, 3))
    first = BankPeriod([0.0], nothing, nothing, np.zeros((1, 3), int), nothing)
    last = [np.zeros((2, 3)) for _ in range(4)]
    last[1][0, 1] = paid
    verify_bank_table(BankTable(one.environment, [first, first, BankPeriod([0.0, balance], *last)]))
    assert asked == [(3 + 3 + 16, largest)]


def test_the_period_of_most_types_counts():
    """Two types, then three: 3 + 2 + 16 roundings of nothing, times 1 + 1."""
    env = mo.IndependentTypes([[[0, 1], [0, 0.5, 1]]], [[["1/2", "1/2"], ["1/3", "1/3", "1/3"]]])
    periods = [BankPeriod([0], *[[[0] * k]] * 2, *[[[0] * k]] * 2) for k in (2, 3)]
    smallest = np.finfo(float).tiny
    for name, rounding in verify_bank_table(BankTable(env, periods)).roundings.items():
        assert rounding == pytest.approx((3 + 2 + 16) * smallest * 2, rel=1e-12, abs=0), name


def test_all_three_conditions_are_asked():
    for name in ("IC", "BI", "BU"):
        statuses = {n: Status.UNDECIDED if n == name else Status.SATISFIED for n in ("IC", "BI", "BU")}
        assert not BankTableReport({}, statuses, {}, (), 0.0, 0.0, 0.0).holds


def test_words():
    where = "period 1, row 2 (balance 0.5): "
    for condition, words in {
        "IC": "type 0 reports 1 and gains 0.25",
        "BU": "after type 0 the next balance is out of bounds by 0.25",
        "BI": "expected utility is off by 0.25",
    }.items():
        assert str(RowCounterexample(condition, 1, 2, 0.5, 0.25, 0, 1)) == where + words


@pytest.mark.parametrize("exactly", [True, False])
def test_in_fractions_numbers_are_those_of_the_environment(exactly):
    """A third of 1 less 1/4 is 1/12 in an exact environment; floats are what they are."""
    chances = ["1/3"] * 3 if exactly else np.random.default_rng(1).dirichlet(np.ones(3))
    env = mo.IndependentTypes([[["1/3", "2/3", 1]]], [[chances]])
    assert (env.exact is not None) == exactly
    one = BankTable(env, [BankPeriod([0], [[1, 0, 0]], [[0.25, 0, 0]], [[0] * 3], [[0] * 3])])
    report = verify_bank_table(one, exact=True)
    third, distribution = env.exact.values[0][0][0] if exactly else Fraction(1 / 3), Fraction(1, 3)
    distribution = distribution if exactly else Fraction(float(env.probabilities[0][0][0]))
    assert third == Fraction(1, 3) or not exactly
    assert exact_conditions(one, 1e-8)["IC"][0].exact == Fraction(3, 4)  # the highest type reports the lowest
    assert report.gains["IC"] == 0.75
    lost = BankTable(env, [BankPeriod([0], [[1, 0, 0]], [[0.5, 0, 0]], [[0] * 3], [[0] * 3])])
    assert exact_conditions(lost, 1e-8)["BI"][0].exact == distribution * (Fraction(1, 2) - third)


def test_a_gain_within_the_tolerance_is_no_counterexample():
    """A buyer of value 1 is asked for 2^-40 and gets nothing."""
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    one = BankTable(env, [BankPeriod([0], [[0, 1]], [[2.0**-40, 2 - 2.0**-40]], [[0, 0]], [[0, 0]])])
    for exact in (False, True):
        report = verify_bank_table(one, exact)
        assert (report.statuses["BU"], report.gains["BU"], report.counterexamples) == ("satisfied", 2.0**-40, ())


def test_the_limit_of_fractions_is_that_of_the_products(monkeypatch):
    """Rows 1, 3 and 2 by period, three types and three reports."""
    one = table(0)
    monkeypatch.setattr(limits, "MAX_TERMS", (1 + 3 + 2) * 3 * 3)
    assert verify_bank_table(one, exact=True).statuses["IC"] == "violated"
    monkeypatch.setattr(limits, "MAX_TERMS", (1 + 3 + 2) * 3 * 3 - 1)
    with pytest.raises(LimitError, match="the check of a bank table in fractions takes 54 products"):
        verify_bank_table(one, exact=True)
