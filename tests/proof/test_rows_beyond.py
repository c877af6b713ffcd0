"""The checker's rows against those of the programs once more, where environments have more to say.

Several units or slots, outside options, what actions are worth to the seller, discounts that differ, public states, and
misreports that may gain something; as in `test_rows.py`, fraction by fraction.
"""

from dataclasses import replace
from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.families import PublicState, PublicStates
from mechopt.mechanism.constraints import INDEPENDENT_CONSTRAINTS
from mechopt.proof.constraints import CertificateError
from mechopt.proof.persistent.model import rebuild_persistent
from tests.papers.test_dominance import unmoved
from tests.persistent_instances import battaglini
from tests.proof.test_rows import ONE, THREE, TWO, compare, correlated_by_period, markov_by_period

SLOTS = {
    "two-units": [1, 1],
    "three-units": [1, 1, 1],
    "halves": ["1/2", "1/2"],
    "half": ["1/2"],
    "quarter": ["1/2", "1/4"],
    "slots": [1, "1/2"],
    "falling": ["3/4", "1/2", "1/4"],
    "mixed": [1, 1, "1/3"],
}
INCENTIVES = [(), (mo.DIC(),), (mo.ExPostIC(),), (mo.SuperDIC(),), (mo.PPIC(),), (mo.INDU(),), (mo.PPIC(), mo.INDU())]
PARTICIPATIONS = [(c,) for c in INDEPENDENT_CONSTRAINTS if c.role == "ir"]
PARTICIPATIONS += [(mo.PFIR(), mo.PPIR()), (mo.PEIR(), mo.Interim()), (mo.EPIR(), mo.PEIR())]


@pytest.mark.parametrize("slots", SLOTS.values(), ids=SLOTS)
def test_several_units_or_slots(slots):
    for env in (ONE, TWO, THREE):
        served = replace(env, slots=slots)
        for form in ("utility", "payment"):
            assert compare(served, mo.DIC(), mo.EPIR(), form)
    by_period = replace(TWO, slots=[slots, [1]])
    assert compare(by_period, mo.DIC(), mo.Interim(), "utility")


def drawn(env, seed, by):
    """Outside options of both signs that are not whole, by initial type or by period and type."""
    options = []
    for i in range(env.agents):
        rows = [[f"{7 * k + 3 * t + 5 * i + seed - 9}/4" for k in range(row[i])] for t, row in enumerate(env.shape)]
        options.append({"period": rows, "first": rows[0], "number": rows[0][0]}[by])
    return options


@pytest.mark.parametrize("seed", [0, 9])
@pytest.mark.parametrize("ic", INCENTIVES, ids=lambda ic: "-".join(c.name for c in ic) or "none")
def test_outside_options_of_buyers(ic, seed):
    for env, by in ((ONE, "period"), (TWO, "period"), (TWO, "first"), (ONE, "number"), (TWO, "number")):
        counts = [compare(replace(env, outside=drawn(env, seed, by)), ic, ir, "payment") for ir in PARTICIPATIONS]
        assert sum(counts) >= (4 if by != "number" else len(PARTICIPATIONS))


PAYMENTS = ["no-subsidy", "payment-cap:3/2", "payment-cap:0", "payment-cap:-1/2", "budget:7/3", "budget:0", "budget:-2"]
PAYMENTS += ["prefix-budget:7/3", "weak-budget-balance", "strong-budget-balance", "ex-ante-budget-balance", "no-money"]


@pytest.mark.parametrize("name", PAYMENTS)
def test_discounts_and_sellers_values_of_buyers(name):
    one = replace(ONE, discounts=["1/2"], seller_values=[[["1/2", -1, 0, 3], [1, "-7/2"], [0, 2, "1/3"]]])
    two = replace(TWO, discounts=["1/2", None], seller_values=[[[1, "1/3"], [-2, 0, 1]], None])
    for env in (one, two, replace(TWO, discounts=["9/10", "1/3"])):
        for ic, ir in ((mo.DIC(), mo.EPIR()), (mo.PPIC(), mo.PPIR()), (mo.SuperDIC(), mo.PeriodicIR())):
            assert compare(env, ic, ir, "payment", name)
            assert compare(replace(env, discounts=None), ic, ir, "payment", name)


@pytest.mark.parametrize("ic", INCENTIVES[1:], ids=lambda ic: "-".join(c.name for c in ic))
def test_misreports_of_buyers_that_may_gain(ic):
    for env, amounts in ((ONE, "1/3"), (ONE, 0), (TWO, "3/2"), (TWO, [0, "1/2"]), (TWO, ["1/4", 2]), (THREE, "1/5")):
        for ir in ((mo.EPIR(),), (mo.PPIR(), mo.Interim())):
            assert compare(env, ic, ir, "payment", mo.EpsilonIC(amounts))
    assert compare(TWO, ic, mo.EPIR(), "payment", (mo.NoSubsidy(), mo.EpsilonIC("1/3")))
    assert compare(TWO, ic, mo.EPIR(), "payment", (mo.EpsilonIC("1/3"), mo.EpsilonIC("1/2")))


def test_misreports_that_may_gain_leave_no_constraint_to_another():
    """Where one agent's may: with a slack of its own the stronger constraint does not imply the weaker one."""
    for amounts in ([0, "1/2"], ["1/2", 0], "1/3"):
        assert compare(TWO, (mo.DIC(), mo.SuperDIC()), mo.EPIR(), "payment", mo.EpsilonIC(amounts))


def test_histories_that_agents_do_not_see():
    """Four periods, so that a true history is longer than its first and its last type."""
    for sees in ("own", "actions"):
        assert compare(battaglini(4), mo.BayesianIC(sees), mo.EPIR(), "auto")
        for env in (correlated_by_period(False), correlated_by_period(True), markov_by_period()):
            assert compare(env, mo.BayesianIC(sees), mo.PPIR(), "auto")


@pytest.mark.parametrize("name", ["prefix-budget:7/3", "budget:-1/2", "payment-cap:0", "strong-budget-balance"])
def test_payments_where_actions_are_recorded(name):
    for env in (correlated_by_period(True), markov_by_period(), demand(3)):
        assert compare(env, mo.PeriodicExPostIC(), mo.Interim(), "auto", name)


def test_a_single_action():
    env = mo.MarkovTypes([[[1, 3]]], [[["1/2", "1/2"], ["1/4", "3/4"]]], [["1/3", "2/3"]], cost=["1/5"], horizon=2)
    assert compare(env, mo.BayesianIC(), mo.EPIR(), "auto")


CHAINS = {
    "battaglini": battaglini(3),
    "markov-by-period": markov_by_period(),
    "correlated-by-period": correlated_by_period(False),
    "correlated-controlled-by-period": correlated_by_period(True),
}
MORE = {  # beside what the chain says
    "outside-by-period": lambda env: {"outside": drawn(env, 0, "period")},
    "outside-by-type": lambda env: {"outside": drawn(env, 3, "first")},
    "outside-number": lambda env: {"outside": drawn(env, 0, "number")},
    "discounts": lambda env: {"discounts": ["1/2", None][: env.agents]},
}


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("name", CHAINS)
def test_outside_options_and_discounts_where_types_persist(name, more):
    env = replace(CHAINS[name], **MORE[more](CHAINS[name]))
    compared = 0
    for ir in (mo.Interim(), mo.PeriodicIR(), mo.PeriodicExPostIR(), mo.ExAnteIR(), mo.EPIR(), mo.PPIR()):
        compared += compare(env, mo.PeriodicExPostIC(), ir, "auto")
        compared += compare(env, None, ir, "auto", mo.WeakBudgetBalance() if ir == mo.Interim() else None)
        compared += compare(env, mo.BayesianIC(), ir, "auto")
    assert compared >= (9 if "by" in more else 15)


def worth(env):
    """What actions are worth to the seller, by agent's type or by profile."""
    if isinstance(env, mo.MarkovTypes):
        return [
            [[[f"{2 * a + k - t}/{3 + i}" for k in range(len(row))] for a, row in enumerate(part)] for t, part in own]
            for i, own in enumerate([list(enumerate(own)) for own in env.exact.values])
        ]
    return [(part * 3 - 1).tolist() for part in env.exact.values[0]]


@pytest.mark.parametrize("name", CHAINS)
def test_sellers_values_where_types_persist(name):
    env = replace(CHAINS[name], seller_values=worth(CHAINS[name]))
    for ic, ir in ((mo.PeriodicExPostIC(), mo.Interim()), (mo.BayesianIC(), mo.EPIR()), (None, mo.PPIR())):
        assert compare(env, ic, ir, "auto")


@pytest.mark.parametrize("amounts", ["1/3", 0, [0, "1/2"], ["1/4", 2]])
@pytest.mark.parametrize("name", CHAINS)
def test_misreports_that_may_gain_where_types_persist(name, amounts):
    env = CHAINS[name]
    if env.agents == 1 and isinstance(amounts, list):
        amounts = amounts[1]
    for ic in (mo.PeriodicExPostIC(), mo.PeriodicExPostIC(rereport=True), mo.MyopicIC()):
        for ir in (mo.Interim(), mo.PeriodicExPostIR()):
            assert compare(env, ic, ir, "auto", mo.EpsilonIC(amounts))


@pytest.mark.parametrize("sees", ["all", "actions", "own"])
@pytest.mark.parametrize("name", CHAINS)
def test_strategies_that_may_gain(name, sees):
    """All agents, one of two, nobody; of one period they are single misreports."""
    env, one = CHAINS[name], mo.MarkovTypes([[[0, 1], [2, 5]]], [[[1, 0], [0, 1]]], [["1/4", "3/4"]], horizon=1)
    for amounts in ("1/3", 0, [0, "1/2"]):
        amounts = amounts[1] if env.agents == 1 and isinstance(amounts, list) else amounts
        for ir in (mo.Interim(), mo.PeriodicExPostIR(), mo.EPIR()):
            assert compare(env, mo.BayesianIC(sees), ir, "auto", mo.EpsilonIC(amounts))
    assert compare(one, mo.BayesianIC(sees), mo.Interim(), "auto", mo.EpsilonIC("1/3"))


def demand(seed, horizon=3):
    """Types moved by the action or not, and three public states that rule an action out and are worth something."""
    rows = [["1/3", "2/3"], ["3/4", "1/4"]]
    base = mo.MarkovTypes(
        [[[0, 1], [2, 5]], [[1, 3], [0, 0]]][: 1 + seed % 2],
        [[rows, rows[::-1]] if seed > 1 else rows] * (1 + seed % 2),
        [["1/4", "3/4"]] * (1 + seed % 2),
        actions=["no", "yes"],
        cost=[0, "1/2"],
        horizon=horizon - seed % 2,
        discount="9/10",
    )
    moves = [["1/2", "1/2", 0], [0, "1/3", "2/3"], [1, 0, 0]]
    moved = [[0, 0, 1], ["1/5", "4/5", 0], ["1/2", 0, "1/2"]]
    state = PublicState(
        ["a", "b", "c"], [["1/3", "2/3", 0], [0, 1, 0]][seed // 2], [moves, moved] if seed % 2 else moves, "sign",
        {"b": ["yes"]}, [[1, 0, -1], [2, "1/2", 3]] if seed else None,
    )  # fmt: skip
    return PublicStates(base, state)


@pytest.mark.parametrize("seed", range(4))
def test_public_states(seed):
    env = demand(seed)
    incentives = [mo.BayesianIC(), mo.BayesianIC("own"), mo.PeriodicExPostIC(), mo.PeriodicExPostIC(rereport=True)]
    compared = 0
    for ic in (*incentives, mo.MyopicIC(), mo.AdjacentIC(), None):
        for ir in (mo.Interim(), mo.PeriodicIR(), mo.PeriodicExPostIR(), mo.EPIR()):
            compared += compare(env, ic, ir, "auto")
    assert compared == 28


def test_public_states_where_periods_differ():
    """Two, three and two types, and a state that does not come back at once: what may follow is of its own period."""
    moves = ["1/3", "1/3", "1/3"], ["1/2", "1/4", "1/4"]
    back = ["1/4", "3/4"], ["1/2", "1/2"], ["1/5", "4/5"]
    values = [[[0, 1], [2, 0]], [[1, 0, 2], [3, 1, 0]], [[0, 2], [5, 1]]]
    base = mo.MarkovTypes([values], [[moves, back]], [["1/5", "4/5"]], cost=[0, "1/2"], horizon=3, discount="2/3")
    kernel = [[0, 1, 0], [0, "1/3", "2/3"], ["1/2", 0, "1/2"]]
    env = PublicStates(base, PublicState(["a", "b", "c"], ["1/3", "2/3", 0], kernel, "sign"))
    for ic in (mo.PeriodicExPostIC(rereport=True), mo.BayesianIC("own"), mo.BayesianIC()):
        assert compare(env, ic, mo.PeriodicIR(), "auto")


def test_types_that_do_not_occur_need_not_take_part():
    """One that is never first, and one that never comes after another: at their histories there is no participation."""
    kernel = [["1/2", "1/2", 0], [0, "1/3", "2/3"], ["1/4", "1/4", "1/2"]]
    env = mo.MarkovTypes([[[0, 0, 0], [1, 2, 5]]], [kernel], [["1/4", "3/4", 0]], horizon=2)
    every = mo.PeriodicExPostIC(rereport=True)
    for ic in (mo.BayesianIC(), mo.MyopicIC(), every, (mo.BayesianIC(), every), None):
        for ir in (mo.Interim(), mo.PeriodicIR(), mo.PeriodicExPostIR(), mo.EPIR()):
            assert compare(env, ic, ir, "auto")


def unmoved_by_period():
    """Two agents with 2 and 1, then 3 and 2, then 2 and 2 types; some moves never happen."""
    values = [
        [[[0, 1], [2, 0]], [[1, 0, 2], [3, 1, 0]], [[0, 2], [5, 1]]],
        [[[1], [0]], [[0, 3], [2, 0]], [[1, 4], [0, 0]]],
    ]
    kernel = [
        [[["1/3", "2/3", 0], ["1/2", "1/4", "1/4"]], [["1/4", "3/4"], ["1/2", "1/2"], [0, 1]]],
        [[["1/4", "3/4"]], [[1, 0], ["1/3", "2/3"]]],
    ]
    return mo.MarkovTypes(values, kernel, [["1/5", "4/5"], [1]], cost=[0, "1/2"], horizon=3, discount="2/3")


DOMINATED = {
    "by-period": unmoved_by_period(),
    "one-action": mo.MarkovTypes([[[1, 3]]], [[["1/2", "1/2"], ["1/4", "3/4"]]], [["1/3", "2/3"]], horizon=2),
    "one-agent": battaglini(3),
    "two": unmoved(0, 2),
    "zeros": unmoved(1, 2, zeros=True),
    "longer": unmoved(3, 1, 3, True),
}


@pytest.mark.parametrize("ic", [mo.DominantIC(), mo.DominantIC(later=True)], ids=lambda ic: ic.name)
@pytest.mark.parametrize("name", DOMINATED)
def test_dominance(name, ic):
    env = DOMINATED[name]
    for ir in (mo.Interim(), mo.EPIR()):
        for limits in (None, mo.EpsilonIC("1/3"), mo.EpsilonIC([0, "1/2"][-env.agents :])):
            assert compare(env, ic, ir, "auto", limits)
    if ic.later:
        assert compare(env, (mo.BayesianIC(), ic), mo.Interim(), "auto")
        assert compare(env, (mo.PeriodicExPostIC(rereport=True), ic), mo.Interim(), "auto")


def test_dominance_is_for_types_that_no_action_moves_and_no_other_agent():
    asked = (mo.Interim(),), (Fraction(1), Fraction(0), Fraction(0))
    late, correlated = markov_by_period(), correlated_by_period(False)
    for env, ic, words in (
        (late, mo.DominantIC(), "that no action moves from period 0 on"),
        (late, mo.DominantIC(later=True), "that no action moves from period 1 on"),
        (correlated, mo.DominantIC(), "independent across agents"),
    ):
        with pytest.raises(CertificateError, match=words):
            rebuild_persistent(env, "sequence", (ic,), *asked)
    with pytest.raises(CertificateError, match="that no action moves from period 1 on"):  # actions are on histories
        rebuild_persistent(battaglini(3), "sequence", (mo.BayesianIC("actions"), mo.DominantIC(later=True)), *asked)


TRADE = mo.MarkovTypes(
    [[[0, 0], [1, 2]], [[0, 0], [0, 3]]], [[["1/2", "1/2"], ["1/4", "3/4"]]] * 2, [["1/3", "2/3"]] * 2, horizon=2
)
"""Two agents, two periods."""


@pytest.mark.parametrize("amounts", ["1/3", [0, "1/2"], ["1/2", 0]])
def test_strategies_that_may_gain_in_two_periods(amounts):
    """One agent of two, and beside single misreports of the period alone."""
    for ic in ((mo.BayesianIC(),), (mo.BayesianIC(), mo.MyopicIC())):
        assert compare(TRADE, ic, mo.Interim(), "auto", mo.EpsilonIC(amounts))


def test_rows_of_the_first_period_are_named_so():
    weights, limits = (Fraction(1), Fraction(0), Fraction(0)), (mo.EpsilonIC(1),)
    model = rebuild_persistent(TRADE, "sequence", (mo.BayesianIC(),), (mo.ExAnteIR(),), weights, limits)
    words = [row.words() for row in model.rows() if row.name in ("epsilon", "ex-ante")]
    first = [f"agent {i}, period 0, history number 0" for i in (0, 1)]
    assert words == [
        *(f"row epsilon, {place}, ['true type {k}']" for place in first for k in (0, 1)),
        *(f"row ex-ante, {place}" for place in first),
    ]
