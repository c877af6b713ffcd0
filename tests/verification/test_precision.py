"""How many roundings a term may take part in, counted by hand as the docstrings count them."""

from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.contingent import promises
from mechopt.verification.contingent.check import check_contingent
from mechopt.verification.independent import response as independent
from mechopt.verification.independent.check import verify_direct
from mechopt.verification.payments import check as payments
from mechopt.verification.payments.check import check_payments
from mechopt.verification.persistent import response as persistent
from mechopt.verification.persistent.check import verify_sequence
from mechopt.verification.stationary import check as stationary
from mechopt.verification.stationary.check import verify_markov
from tests.closedform.contingent.test_stacked import late
from tests.verification import cases
from tests.verification.test_limits import STACKED, direct, for_ever, pivot, unequal

UNIT, TINY = 2.0**-53, np.finfo(float).tiny


def of(depth, largest, divisor=1.0):
    """Two units a rounding, and the smallest normal number times the largest of all."""
    return pytest.approx((2 * depth * UNIT, depth * TINY * (1 + largest) / divisor), rel=1e-12, abs=0)


def test_types_independent_across_periods():
    """2 + 3 and 1 + 2 types of two buyers, two periods; values up to 5, then payments of -9."""
    depth = (6 + 5 + 2 * 2) + (6 + 3 + 2 * 2) + 2 + 8
    mechanism = direct()
    assert independent.precision(mechanism) == of(depth, 5)
    first = np.array(mechanism.payment[0])
    first[1, 0, 1, 2] = -9
    assert independent.precision(replace(mechanism, payment=(first, mechanism.payment[1]))) == of(depth, 9)
    env = replace(mechanism.environment, outside=[[[1, -8], [2]], [[0, 0, 0], [1, 0]]])
    assert independent.precision(mo.Mechanism(env, mechanism.allocation, mechanism.payment)) == of(depth, 8)


def test_three_buyers_of_types_independent_across_periods():
    """One period of 1, 2 and 3 types: 6 products and inputs, averages over 6 types of three buyers, and 1 + 8."""
    values, chances = [[[1]], [[1, 2]], [[1, 2, 3]]], [[[1]], [["1/2", "1/2"]], [["1/3", "1/3", "1/3"]]]
    env = mo.IndependentTypes(values, chances)
    nothing = [np.zeros((3, 1, 1, 2, 3))]
    assert independent.precision(mo.Mechanism(env, nothing, nothing)) == of((6 + 6 + 2 * 3) + 1 + 8, 3)


def test_histories_are_cut_so_that_arrays_stay_small(monkeypatch):
    monkeypatch.setattr(independent, "PART_ENTRIES", 10)
    assert independent.parts(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert independent.parts(2, 11) == [slice(0, 1), slice(1, 2)]


def test_persistent_types():
    """Three actions, recorded in the first of two periods; 2 x 1 and 3 x 2 types of two agents."""
    mechanism = pivot().to_sequence()
    first = 3 * 3 + 3 + 2 * 2 + 2 + 4 * 2 + 8
    second = 3 * 3 + 1 + 2 * 6 + 3 + 4 * 2 + 8
    process = mechanism.process
    numbers = [*process.values, *mechanism.payment]
    largest = max(float(np.abs(part).max()) for part in numbers)
    smallest = min(float(part.min()) for part in (process.initial, *process.kernel))
    assert persistent.precision(mechanism) == of(2 + 10 + first + second, largest, smallest)
    assert persistent.precision(mechanism, 7) == of(2 + 10 + 7 + first + second, largest, smallest)
    paid = [np.array(part) for part in mechanism.payment]
    paid[0][0, 0, 0] = -1e3
    paid = replace(mechanism, payment=tuple(paid))
    assert persistent.precision(paid) == of(2 + 10 + first + second, 1e3, smallest)


def test_outside_options_of_persistent_types():
    """Averages over the 2 and 6 profiles of the next period, twice, and four more in each period."""
    mechanism, env = pivot().to_sequence(), pivot().environment
    plain = persistent.precision(mechanism).share / (2 * UNIT)
    options = [[np.full(k, 0.25) for k in row] for row in zip(*env.shape, strict=True)]
    tree = PublicTree(joint_process(replace(env, outside=options)), mechanism.tree.reports, mechanism.tree.record)
    changed = mo.SequenceMechanism(tree, mechanism.allocation, mechanism.payment)
    assert persistent.precision(changed).share == pytest.approx(2 * UNIT * (plain + 2 * (2 * 6 + 4)), rel=1e-12)


def test_current_reports():
    """Four steps of it: next types of each agent, three each, the periods and twelve more."""
    for mechanism, depth in ((pivot(), 4 * (5 + 3 * 2 + 2 + 12)), (for_ever(), 4 * (5 + 3 * 2 + 1 + 12))):
        assert stationary._rounding(mechanism).share == 2 * depth * UNIT


def test_contingent_transfers():
    """Six profiles in either period; nine in three periods with one promise more; nine for ever with one more."""
    assert promises.precision(unequal()).share == 2 * UNIT * 2 * (2 * (2 * 6 + 6 + 8) + 1)
    stacked = contingent_transfers(late(), "stacked", "constant")
    assert promises.precision(stacked).share == 2 * UNIT * 3 * (3 * (2 * 9 + 9 + 8) + 2 * 2)
    assert promises.precision(contingent_transfers(mo.load(STACKED), "stacked")).share == 2 * UNIT * (3 * 35 + 4)


PAID = {  # products, two agents with a branch each, two actions; a share, product and sum a period
    "no-subsidy": (mo.NoSubsidy(), 2 + 8 + 2 + 2 + 2 * 5),
    "budget": (mo.Budget(0), 2 + 8 + 2 + 2 + 2 * 5),
    # also the reach probability and a sum over 6 + 12 nodes
    "ex-ante": (mo.ExAnteBudgetBalance(), 2 + 8 + 2 + 2 + 2 * 5 + 18 + 2 * 4),
}


@pytest.mark.parametrize("name", PAID)
def test_payments(name):
    """One buyer is paid, or pays, 1 at every node of the first period: nothing else is money."""
    constraint, depth = PAID[name]
    mechanism, sign = direct(), 1.0 if name == "budget" else -1.0
    first = np.zeros_like(mechanism.payment[0])
    first[0] = sign
    check = mo.verify(replace(mechanism, payment=(first, mechanism.payment[1])), constraint)[constraint]
    assert check.status == "violated" and check.gain == pytest.approx(1, abs=1e-15)
    assert check.rounding == pytest.approx(2 * depth * UNIT, rel=1e-12, abs=0)


def money(paid, fee):
    """Two agents, two periods of 3 and 4 nodes with 3 branches and 1; costs are sums over at most 5 actions."""
    amounts = [np.zeros((2, 3, 3)), np.zeros((2, 4, 1))]
    amounts[1][1, 2, 0] = paid
    fees = [np.zeros(3), np.zeros(4)]
    fees[0][1] = fee
    ones = [np.ones((3, 3)), np.ones((4, 1))]
    places, reach = (np.zeros(3, int), np.arange(4)), (np.ones(3), np.ones(4))
    return payments.Money(tuple(amounts), tuple(fees), tuple(ones), tuple(ones), places, reach, np.ones(2), 5)


def test_depth_and_largest_amount_of_payments():
    depth = 2 + 8 + 2 * 3 + 5 + 2 * (3 + 4)
    assert payments._precision(mo.NoSubsidy(), money(-7.0, 2.0), 3.0) == of(depth, 7)
    assert payments._precision(mo.NoSubsidy(), money(1.0, -6.0), 3.0) == of(depth, 6)
    assert payments._precision(mo.Budget(9), money(1.0, 2.0), 9.0) == of(depth, 9)
    assert payments._precision(mo.ExAnteBudgetBalance(), money(1.0, 2.0), 0.0) == of(depth + 7 + 2 * (2 + 2), 2)


def test_the_most_actions_of_a_period_are_counted():
    env = mo.MarkovTypes([[[[0, 1], [1, 2]], [[1, 2]]]], [[[["1/2", "1/2"]] * 2]], [["1/2", "1/2"]], horizon=2)
    tree = PublicTree(joint_process(env), "any")
    plan = [np.zeros(count, int) for count in tree.count]
    mechanism = mo.SequenceMechanism.of_policy(tree, plan, [np.zeros((1, count)) for count in tree.count])
    assert payments.sequence_money(mechanism).actions == 2


def test_the_largest_budget_counts_for_what_underflows():
    """Nobody pays: a budget of 0 is kept but for what may underflow beside one of 6, and no money for certain."""
    check = mo.verify(direct(), mo.Budget([0, 6]))["budget:0,6"]
    assert (check.status, check.gain) == ("satisfied", 0)
    assert check.rounding == pytest.approx(PAID["budget"][1] * TINY * 7, rel=1e-12, abs=0)
    assert mo.verify(direct(), mo.NoMoney())["no-money"].rounding == 0


def fee(horizon, discount):
    """One type to whom nothing is worth anything pays 1 a period."""
    env = mo.MarkovTypes([[[0]]], [[[1]]], [[1]], horizon=horizon, discount=discount)
    listed = 1 if env.infinite else horizon
    return MarkovMechanism(env, [np.array([0])] * listed, [[np.array([1.0])] * listed])


RECURSION = {  # horizon, discount, gain, and roundings in shares: of V with what follows carried along, and of the sum
    # V is -1, then -2: off by 1 + 1 and by 1 + 2 + 1 more; the last difference by |V|
    "last-period": (1, 1, 1, (1 + 1) + 1),
    "two-periods": (2, 1, 2, (1 + 2 + 1) + (1 + 1) + 2),
    # V is -2: one step is off by 1 + 2 + 2 / 2, for ever by twice that
    "for-ever": ("infinite", "1/2", 2, 2 * (1 + 2 + 1) + 2),
}


@pytest.mark.parametrize("name", RECURSION)
def test_rounding_is_carried_along_where_current_reports_decide(name):
    horizon, discount, gain, shares = RECURSION[name]
    mechanism = fee(horizon, discount)
    share = 2 * UNIT * 4 * (1 + 3 + mechanism.periods + 12)
    check = mo.verify(mechanism, mo.PeriodicExPostIR())["periodic-ex-post-ir"]
    assert (check.status, check.gain) == ("violated", gain)
    assert check.rounding == pytest.approx(shares * share, rel=1e-9, abs=0)


def test_rounding_of_a_misreport_for_ever():
    """Half of V's 2 and its 8 shares, the payment of 1; and the truth's 8 shares and 2."""
    check = mo.verify(fee("infinite", "1/2"), mo.PeriodicExPostIC())["periodic-ex-post"]
    assert check.status == "undecided" and check.gain == 0
    assert check.rounding == pytest.approx(((2 + 8) / 2 + 1 + 8 + 2) * 2 * UNIT * 4 * 17, rel=1e-9, abs=0)


def test_floats_are_the_default():
    """Asked for by themselves, the checks of each form do not take the minutes that fractions do."""
    for report in (
        verify_direct(direct(), mo.Interim()),
        verify_sequence(pivot().to_sequence(), mo.Interim()),
        verify_markov(pivot(), mo.Interim()),
    ):
        assert report["interim"].exact is None and report["interim"].rounding > 0
    assert check_payments(mo.NoSubsidy(), direct()).exact is None
    assert check_contingent(unequal()).exact is None
    assert all(rounding > 0 for rounding in mo.mechanisms.verify_bank_table(cases.bank_table(0)).roundings.values())
