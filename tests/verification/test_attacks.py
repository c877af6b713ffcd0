"""Mechanisms that want to be called honest and are not: none may be satisfied.

Each attack is a mechanism with a real violation, of 1e-4 of the values at least, and something that used to hide it:
large sums that are lent and returned, payments that cancel, overflow, types that never come, gains that take several
periods. And the other way round: optima of every scale are satisfied, in floats.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.mechanism.bank_table import BankPeriod, BankTable
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.contingent.check import check_contingent
from tests.closedform.markov_instances import random_environment as markov_environment
from tests.interdependent_instances import random_environment as interdependent_environment
from tests.verification import cases

HALF = ["1/2", "1/2"]
STAY = [["3/4", "1/4"], ["1/4", "3/4"]]
LOANS = (1e7, 1e9, 1e11, 1e16)
ALL, OPEN = mo.BayesianIC(), mo.PeriodicExPostIC()


def refused(mechanism, constraint, certain=True):
    """Not satisfied in floats; violated in fractions, and in floats too where rounding lets it be ``certain``."""
    found = mo.verify(mechanism, constraint)[constraint]
    assert found.status in (("violated",) if certain else ("violated", "undecided"))
    assert not found.holds and found.counterexample is not None
    assert mo.verify(mechanism, constraint, exact=True)[constraint].status == "violated"
    return found


def shifted(parts, *changes):
    """Arrays by period with numbers added."""
    return tuple(part + change for part, change in zip(parts, changes, strict=True))


@pytest.fixture(scope="module")
def best():
    return mo.optimum(mo.IndependentTypes.iid([1, 2], HALF, horizon=2)).mechanism


@pytest.fixture(scope="module")
def two_buyers():
    return mo.optimum(mo.IndependentTypes.iid([1, 2], HALF, horizon=2, agents=2)).mechanism


@pytest.fixture(scope="module")
def persistent():
    env = mo.MarkovTypes([[[0, 0], [1, 2]]] * 2, [STAY] * 2, [HALF] * 2, horizon=2)
    return mo.optimum(env, ALL, mo.Interim()).mechanism


@pytest.mark.parametrize("loan", LOANS)
def test_lending_between_periods(best, loan):
    """Overcharge by 4 and lend in the first period what comes back in the second."""
    lent = replace(best, payment=shifted(best.payment, 4 - loan, loan))
    for constraint in (mo.EPIR(), mo.Interim()):
        refused(lent, constraint, certain=loan < 1e16)


@pytest.mark.parametrize("loan", LOANS)
def test_lending_to_another_buyer(two_buyers, loan):
    """Buyer 0 is overcharged by 1, buyer 1 is lent to: her sums are none of buyer 0's business."""
    charge = np.array([1.0, -loan]).reshape(2, 1, 1, 1)
    other = np.array([0.0, loan]).reshape(2, 1, 1, 1)
    lent = replace(two_buyers, payment=shifted(two_buyers.payment, charge, other))
    assert refused(lent, mo.Interim()).counterexample.agent == 0


@pytest.mark.parametrize("loan", LOANS)
def test_lending_to_another_agent(persistent, loan):
    """The same where types are persistent: the mechanism used to choose its tolerance by it."""
    first, second = (np.array([a, b]).reshape(2, 1, 1) for a, b in ((100.0, -loan), (0.0, loan)))
    lent = replace(persistent, payment=shifted(persistent.payment, first, second))
    assert refused(lent, mo.Interim()).counterexample.agent == 0
    little = np.array([0.01, -loan]).reshape(2, 1, 1)
    refused(replace(persistent, payment=shifted(persistent.payment, little, second)), mo.Interim())


@pytest.mark.parametrize("lent", [1e8, 1e12, 1e16])
def test_cancellation_hides_no_misreport(lent):
    """The item free to type 1 alone: type 0 gains 1 by reporting 1, behind payments of +-1e16."""
    env = mo.IndependentTypes([[[1, 2], [1, 2]]], [[HALF, HALF]])
    sale = np.array([[[0.0, 1.0]]])
    later = np.zeros((1, 2, 2))
    mechanism = mo.Mechanism(env, [sale, later], [np.full((1, 1, 2), lent), later - lent])
    assert mechanism.welfare == 1.0
    refused(mechanism, mo.DIC(), certain=lent < 1e16)
    refused(mechanism, mo.SuperDIC(), certain=lent < 1e16)
    process = mo.MarkovTypes([[[0, 0], [1, 2]]], [[["1/2", "1/2"]] * 2], [HALF], horizon=2)
    tree = PublicTree(joint_process(process))
    policy = [np.array([0, 1]), np.zeros(4, dtype=int)]
    written = mo.SequenceMechanism.of_policy(tree, policy, [np.full((1, 2), lent), np.full((1, 4), -lent)])
    assert written.welfare == 1.0
    refused(written, ALL, certain=lent < 1e16)
    refused(written, OPEN, certain=lent < 1e16)


@pytest.mark.parametrize("seed", range(10))
def test_payments_at_the_edge_of_floats(best, persistent, seed):
    """Random payments of +-1.7e308: sums overflow, and NaN is above no tolerance."""
    rng = np.random.default_rng(seed)
    for mechanism in (best, persistent):
        wild = tuple(rng.choice([-1.7e308, 1.7e308], size=part.shape) for part in mechanism.payment)
        report = mo.verify(replace(mechanism, payment=wild))
        assert {check.status for check in report.values()} == {"violated"}
        assert all(check.rounding == 0 and not np.isfinite(check.gain) for check in report.values())
    pivot = mo.dynamic_pivot(markov_environment((2, 2), 2, "infinite", 0.8)).to_mechanism()
    wild = [[rng.choice([-1.7e308, 1.7e308], size=part.shape) for part in row] for row in pivot.transfer]
    for check in mo.verify(MarkovMechanism(pivot.environment, pivot.policy, wild), [OPEN, mo.Interim()]).values():
        assert check.status == "violated"
    transfers = cases.contingent(seed)
    payments = tuple(
        tuple(rng.choice([-1.7e308, 1.7e308], size=part.shape) for part in row) for row in transfers.payments
    )
    assert check_contingent(replace(transfers, payments=payments)).status == "violated"
    table = cases.bank_table(1)
    periods = [replace(p, payment=rng.choice([-1.7e308, 1.7e308], size=p.payment.shape)) for p in table.periods]
    assert not mo.mechanisms.verify_bank_table(BankTable(table.environment, periods)).holds


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(best, persistent, wrong):
    for mechanism in (best, persistent):
        for name in ("allocation", "payment"):
            with pytest.raises(InputError, match="finite"):
                replace(mechanism, **{name: shifted(getattr(mechanism, name), wrong, 0)})
    transfers = cases.contingent(1)
    payments = tuple(tuple(part + wrong for part in row) for row in transfers.payments)
    assert check_contingent(replace(transfers, payments=payments)).status == "violated"


def test_types_and_histories_that_never_come():
    """Independent: a type of probability 0 is charged 1 beyond her value, or gains 1 by a misreport, in period 1."""
    env = mo.IndependentTypes([[[1, 2], [1, 2]]], [[[0, 1], [0, 1]]])
    first, second = np.zeros((1, 1, 2)), np.zeros((1, 2, 2))
    charged = second.copy()
    charged[0, 0, 0] = 1.0
    refused(mo.Mechanism(env, [first, second], [first, charged]), mo.EPIR())
    given = second.copy()
    given[0, 0, 0] = -1.0
    refused(mo.Mechanism(env, [first, second], [first, given]), mo.DIC())


def test_misreports_at_histories_that_truth_never_comes_to():
    """Persistent: after the report of a type that never comes, the other type is paid for a further misreport."""
    env = mo.MarkovTypes([[[0, 0]]], [[["1/2", "1/2"]] * 2], [[1, 0]], horizon=2)
    tree = PublicTree(joint_process(env), "any")
    paid = np.zeros((1, 4))
    paid[0, 2] = -1.0  # after the report 1, which is false, the report 0
    mechanism = mo.SequenceMechanism.of_policy(tree, [np.zeros(2, int), np.zeros(4, int)], [np.zeros((1, 2)), paid])
    refused(mechanism, OPEN)
    refused(mechanism, ALL)  # report 1 at first


def test_gains_that_take_two_misreports():
    """One misreport pays 1 and costs 2 later, two pay 1 and cost nothing: a strategy and the off-path history tell."""
    env = mo.MarkovTypes([[[0, 0]]], [[[1, 0], [0, 1]]], [HALF], horizon=2)
    tree = PublicTree(joint_process(env), "any")
    first, second = np.array([[0.0, -1.0]]), np.array([[0.0, 5.0, 2.0, 0.0]])
    mechanism = mo.SequenceMechanism.of_policy(tree, [np.zeros(2, int), np.zeros(4, int)], [first, second])
    found = refused(mechanism, ALL)
    assert found.gain == pytest.approx(1) and len(found.counterexample.strategy) == 2
    refused(mechanism, OPEN)
    assert mo.verify(mechanism, mo.AdjacentIC()).holds  # which is why it is a diagnosis only


@pytest.mark.parametrize("mass", [1e-7, 5e-8, 1e-9, 1e-12])
def test_utility_on_unlikely_paths(mass):
    """An action of probability 5e-8 after which she pays 1e7: the path is asked for, however seldom it is drawn."""
    env = mo.MarkovTypes([[[0], [0]]], [[[[1]], [[1]]]], [[1]], horizon=2)
    tree = PublicTree(joint_process(env), record="all")
    draw = np.array([[1 - mass, mass]])
    later = np.array([[1 - mass, 0], [mass, 0]])
    paid_first = -1.0 * draw[None]  # she gets 1 whatever is drawn
    paid_later = np.array([[[0.0], [0.4]]])  # and pays 0.4 / mass after the unlikely action
    mechanism = mo.SequenceMechanism(tree, [draw, later], [paid_first, paid_later])
    refused(mechanism, mo.EPIR())


def test_more_than_the_item_is_refused(best, persistent):
    for mechanism in (best, persistent):
        with pytest.raises(InputError, match=r"allocation\[0\]"):
            replace(mechanism, allocation=tuple(2 * part for part in mechanism.allocation))
        with pytest.raises(InputError, match=r"allocation\[0\]"):
            replace(mechanism, allocation=tuple(-part - 0.1 for part in mechanism.allocation))


@pytest.mark.parametrize("loan", LOANS)
def test_lending_where_current_reports_decide(loan):
    """Agent 1 is lent to and pays back; agent 0 is overcharged by 100. Stationary afterwards."""
    pivot = mo.dynamic_pivot(markov_environment((2, 2), 2, "infinite", 0.8)).to_mechanism()
    rows = [
        [pivot.transfer[0][0] + 100, pivot.transfer[0][0], pivot.transfer[0][0]],
        [pivot.transfer[1][0] - loan, pivot.transfer[1][0] + loan / 0.8, pivot.transfer[1][0]],
    ]
    lent = MarkovMechanism(pivot.environment, pivot.policy, rows)
    assert refused(lent, mo.Interim(), certain=loan < 1e16).counterexample.agent == 0
    grown = [[rows[0][0] - 100 + np.array([[0.0], [0.5]]), *rows[0][1:]], rows[1]]
    refused(MarkovMechanism(pivot.environment, pivot.policy, grown), OPEN, certain=loan < 1e16)


@pytest.mark.parametrize("loan", LOANS)
def test_large_transfers_elsewhere(loan):
    """Transfers to agent 1 that she cannot move, of 1e11; those of agent 0 are off by 5."""
    transfers = cases.contingent(1)
    rng = np.random.default_rng(0)
    one, other = transfers.payments[0]
    payments = ((one + 5 * rng.normal(size=one.shape), other + loan),)
    found = check_contingent(replace(transfers, payments=payments))
    assert found.status in ("violated", "undecided") if loan == 1e16 else found.status == "violated"
    assert check_contingent(replace(transfers, payments=payments), exact=True).status == "violated"


@pytest.mark.parametrize("size", [1e7, 1e11, 1e16])
def test_large_balances_hide_no_misreport(size):
    """A bank table whose last period pays type 1 back 1 too much, behind a fee and a balance of 1e16."""
    env = mo.IndependentTypes.iid([1, 2], HALF, horizon=2)
    first = BankPeriod([0], [[1, 1]], [[1 - size, 1 - size]], [[0, 0]], [[0, 0]])
    second = BankPeriod([size], [[0, 1]], [[size, size]], np.zeros((1, 2)), np.zeros((1, 2)))
    table = BankTable(env, [first, second])
    found, exact = mo.mechanisms.verify_bank_table(table), mo.mechanisms.verify_bank_table(table, exact=True)
    assert exact.statuses["IC"] == "violated"
    assert found.statuses["IC"] == ("violated" if size < 1e16 else "undecided")
    assert found.statuses["BU"] == "undecided"  # equal sums of this size
    assert found.counterexamples and not found.holds


def test_one_verdict_in_every_form():
    """A type that never comes is not asked for participation, in current reports and over histories alike."""
    first = mo.MarkovTypes([[[-1, 2]]], [[[0, 1], [0, 1]]], [[0, 1]], horizon=2)
    then = mo.MarkovTypes(
        [[[2, 2, -1]]], [[[0, 0, 1], [0, 1, 0], [0, 0, 1]]], [[0, 1, 0]], horizon=2
    )  # 2 after 0 alone
    asked = [mo.PeriodicExPostIR(), mo.PeriodicIR(), mo.Interim(), mo.PPIR()]
    for env in (first, then):
        pivot = mo.dynamic_pivot(env).to_mechanism()
        for exact in (False, True):
            here, there = (mo.verify(m, asked, exact) for m in (pivot, pivot.to_sequence()))
            assert here.holds and there.holds


def test_approximate_transfers_are_checked():
    env = interdependent_environment(1, sizes=(3, 3), actions=2, horizon="infinite")
    found = mo.mechanisms.approximate_transfers(env, bound=0.01)
    check = mo.verify(found)["periodic-ex-post"]
    assert check.status == "violated" and 0 < check.gain <= found.gain_bound
    assert mo.verify(found, exact=True)["periodic-ex-post"].gain == pytest.approx(check.gain)


@pytest.mark.parametrize("seed", range(20))
def test_random_loans(seed):
    """Honest optima with a violation of a millionth to all of the values, behind random loans: never satisfied."""
    rng = np.random.default_rng(seed)
    env = cases.independent_environment(rng, periods=2, buyers=int(rng.integers(1, 3)))
    persistent_env = markov_environment((2, 2), 2, 2, 0.9, seed=seed, positive=True)
    honest = mo.optimum(env, ir=mo.Interim()).mechanism, mo.optimum(persistent_env, ir=mo.Interim()).mechanism
    for mechanism in honest:
        least = max(mechanism.utilities) + 10 * mechanism.welfare * 10 ** rng.uniform(-6, 0) + 1e-6
        axes = (mechanism.payment[0].shape[0],) + (1,) * (mechanism.payment[0].ndim - 1)
        loans = rng.choice([0.0, 1.0], size=axes) * 10.0 ** rng.uniform(3, 16)
        back = loans / mechanism.environment.discount
        broken = replace(mechanism, payment=shifted(mechanism.payment, 1e3 * least + loans, -back))
        check = mo.verify(broken, mo.Interim())["interim"]
        assert check.status in ("violated", "undecided")
        assert check.status == "violated" or loans.max() > 1e10


FOR_MONEY = [(mo.DIC(), mo.EPIR()), ([mo.PPIC(), mo.INDU()], mo.PPIR()), (mo.ExPostIC(), mo.PFIR())]
FOR_TYPES = [(ALL, mo.Interim()), (OPEN, mo.PeriodicExPostIR()), (ALL, mo.EPIR())]


@pytest.mark.parametrize("scale", ["1e-9", "1", "1e9", "1e12"])
def test_honest_optima_of_every_scale_are_satisfied(scale):
    """In floats; unlikely types (1e-7, 1e-10) among them."""
    for seed in range(3):
        env = cases.independent_environment(np.random.default_rng(seed), scale)
        for asked in FOR_MONEY:
            assert mo.verify(mo.optimum(env, *asked).mechanism).holds
    for rare in (["999999/1000000", "9/10000000", "1/10000000"], ["1/2", "4999999999/10000000000", "1/10000000000"]):
        env = mo.IndependentTypes.iid([Fraction(scale) * v for v in (1, 3, 7)], rare, horizon=2)
        assert mo.verify(mo.optimum(env, accept_range=True).mechanism).holds
    money = Fraction(scale)
    env = mo.MarkovTypes(
        [[[0, 0], [money, 2 * money]]] * 2, [STAY, [HALF, HALF]], [HALF] * 2, horizon=2, discount="9/10"
    )
    for asked in FOR_TYPES:
        assert mo.verify(mo.optimum(env, *asked).mechanism).holds
    for horizon in (3, "infinite"):
        for env in (
            mo.MarkovTypes(
                [[[0, 0], [money, 3 * money]]] * 3, [STAY] * 3, [HALF] * 3, horizon=horizon, discount="9/10"
            ),
            mo.MarkovTypes(
                [[[0], [7 * money]], [[money, 0], [0, -money]]],
                [[[1]], STAY],
                [[1], HALF],
                horizon=horizon,
                discount="9/10",
            ),
        ):
            assert mo.verify(mo.dynamic_pivot(env)).holds
    for seed in (1, 2, 3, 4):
        found = cases.contingent(seed)
        values = tuple(tuple(float(scale) * part for part in row) for row in found.environment.values)
        env = replace(found.environment, values=values)
        last = "efficient" if env.infinite else "constant"
        assert mo.verify(mo.contingent_transfers(env, found.method, last)).holds
    env = mo.IndependentTypes.iid([money, 2 * money, 4 * money], ["1/4", "1/2", "1/4"], horizon=4)
    assert mo.mechanisms.verify_bank_table(mo.mechanisms.promised_optimum(env).mechanism.to_bank_table()).holds


def test_something_else_is_refused_in_words():
    with pytest.raises(InputError, match=r"^str is not a mechanism"):
        mo.verify("mechanism")


@pytest.mark.parametrize("mass", [1e-7, 5e-8, 1e-9, 1e-12])
def test_what_was_earned_is_divided_as_the_actions_are(mass):
    """After an unlikely action she has 1 / mass; one draw in ten then costs her 4 / mass: 0.1 - 0.4 of the weight."""
    env = mo.MarkovTypes([[[0], [0]]], [[[[1]], [[1]]]], [[1]], horizon=3)
    tree = PublicTree(joint_process(env), record="all")
    weights = [
        np.array([[1 - mass, mass]]),
        np.array([[1 - mass, 0], [0.9 * mass, 0.1 * mass]]),
        np.array([[1 - mass, 0], [0, 0], [0.9 * mass, 0], [0.1 * mass, 0]]),
    ]
    payment = [np.array([[[0.0, -1.0]]]), np.array([[[0.0, 0.0], [0.0, 0.4]]]), np.zeros((1, 4, 1))]
    zero = mo.MarkovTypes([[[1], [1]]], [[[[1]], [[1]]]], [[1]], horizon=3)  # the same with values, for a tolerance
    for tree_of in (tree, PublicTree(joint_process(zero), record="all")):
        mechanism = mo.SequenceMechanism(tree_of, weights, payment)
        found = mo.verify(mechanism, mo.EPIR())["epir"]
        assert found.status == "violated" and found.gain == pytest.approx(0.3, abs=1e-6)
        assert mo.verify(mechanism, mo.EPIR(), exact=True)["epir"].gain == pytest.approx(0.3, abs=1e-6)
        assert found.counterexample.replay(mechanism) == pytest.approx(found.gain, abs=1e-12)
